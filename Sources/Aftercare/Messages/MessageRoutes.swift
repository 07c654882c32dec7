import FoundationEssentials
import HTTPTypes
import JSON
import Postgres

/// `/v1/messages`: what was sent, and what became of it.
struct MessageRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/messages",
                .holder(of: .messagesRead),
                query: Page.parameters.union(["order_id"]),
                list
            ),
            Route(.get, "/v1/messages/{message_id}", .holder(of: .messagesRead), get),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["order_id"], key: environment.masterKey.cursors)
        let order = try call.query.id("order_id", OrderKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [MessageStore.messages(page, order: order, tenant: $0.tenant)]
        }
        let messages = try rows[0].map(MessageStore.decode)
        return page.reply(messages, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("message_id", MessageKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [
                MessageStore.message(id, tenant: $0.tenant),
                MessageStore.request(id, tenant: $0.tenant),
                MessageStore.attempts(id, tenant: $0.tenant),
            ]
        }
        guard let row = rows[0].first else { throw Problem.notFound }
        let message = try MessageStore.decode(row)
        let request = try rows[1].first.map(MessageStore.decodeRequest)
        let attempts = try rows[2].map(MessageStore.decodeAttempt)
        return .json { object in
            write(message, to: &object)
            object.member("request") { writer in
                // Absent once it was deleted.
                guard let request else { return writer.null() }
                writer.object { write(request, to: &$0) }
            }
            object.array("attempts", attempts) { writer, attempt in
                writer.object { write(attempt, to: &$0) }
            }
        }
    }

    private func write(_ message: Message, to object: inout JSONObjectWriter) {
        object.member("id", message.id)
        object.member("store_id", message.store)
        object.member("order_id", message.order)
        object.member("run_id", message.run)
        object.member("channel", "email")
        object.member("class", message.messageClass.rawValue)
        object.member("state", message.state.rawValue)
        object.member("reason", message.reason)
        object.member("attempt_count", message.attempts)
        object.member("effect_key", message.effectKey)
        object.member("created_at", message.createdAt)
        object.member("updated_at", message.updatedAt)
    }

    private func write(_ request: Message.Request, to object: inout JSONObjectWriter) {
        object.member("from", request.sender)
        object.member("to", request.recipient)
        object.member("subject", request.subject)
        object.member("body", request.body)
    }

    private func write(_ attempt: Message.Attempt, to object: inout JSONObjectWriter) {
        object.member("attempt", attempt.number)
        object.member("started_at", attempt.startedAt)
        object.member("ended_at", attempt.endedAt)
        object.member("outcome", attempt.outcome?.rawValue)
        object.member("detail", attempt.detail)
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres

/// `/v1/messages`: what was sent, and what became of it.
struct MessageRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["state", "order_id"]

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/messages",
                .holder(of: .messagesRead),
                query: Page.parameters.union(Self.filters),
                list
            ),
            Route(.get, "/v1/messages/{message_id}", .holder(of: .messagesRead), get),
            Route(.post, "/v1/messages/{message_id}/resolve", .holder(of: .messagesWrite), body: .json, resolve),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = Message.State.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = MessageStore.Filter(
            state: try call.query.value("state", "one of \(states)") { Message.State(rawValue: $0) },
            order: try call.query.id("order_id")
        )
        let (_, rows) = try await environment.access.read(call) {
            [MessageStore.messages(page, filter, tenant: $0.tenant)]
        }
        let messages = try rows[0].map(MessageStore.decode)
        return page.reply(messages, position: { ($0.createdAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("message_id", MessageKind.self)
        let (_, rows) = try await environment.access.find(call) {
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

    // MARK: Resolving

    /// A person says what became of a message nobody knows it of. The message is held meanwhile: late evidence comes
    /// before, and there is nothing to resolve any more, or after, and is kept beside the person's word.
    @Sendable private func resolve(_ call: Call) async throws -> Reply {
        let id = try call.id("message_id", MessageKind.self)
        let word = try call.decode(Message.Resolution.Told.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let tenant = principal.tenant
            let rows = try await transaction.query(MessageStore.lock(id, tenant: tenant))
            guard var message = try rows[0].first.map(MessageStore.decode) else { throw Problem.notFound }
            try check(message, word)
            let now = environment.clock.now()
            let resolution = word.word(by: principal.name, at: now)
            for statement in MessageStore.resolve(message, tenant: tenant, resolution) { transaction.add(statement) }
            if word.verdict == .queued {
                transaction.add(JobStore.enqueue(DeliverMessage.job(for: message, tenant, at: now), now: now))
            }
            (message.state, message.reason, message.updatedAt) = (word.verdict.state, resolution.reason, now)
            return .json { write(message, to: &$0) }
        }
        if word.verdict == .queued { environment.wakeWorker() }
        return reply
    }

    private func check(_ message: Message, _ word: Message.Resolution.Told) throws(Problem) {
        guard message.state == .unknown else {
            let detail = "The message is \(message.state.rawValue); only one that is unknown can be resolved."
            throw Problem(.stateConflict, detail)
        }
        guard let attempt = word.attempt, attempt != message.attempts else { return }
        throw Problem(.stateConflict, "The message's last try is number \(message.attempts) by now, not \(attempt).")
    }

    // MARK: Writing

    private func write(_ message: Message, to object: inout JSONObjectWriter) {
        object.member("id", message.id)
        object.member("store_id", message.store)
        object.member("order_id", message.order)
        object.member("run_id", message.run)
        object.member("channel", "email")
        object.member("class", message.messageClass.rawValue)
        object.member("not_after", message.notAfter)
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
        object.member("resolution", attempt.resolution)
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/inbound-events`: what came, and what became of it.
struct InboundEventRoutes {
    let environment: Environment

    private static let filters: Set<String> = ["state", "connection_id", "order_id"]

    var routes: [Route] {
        [
            Route(
                .get,
                "/v1/inbound-events",
                .holder(of: .eventsRead),
                query: Page.parameters.union(Self.filters),
                list
            ),
            Route(.get, "/v1/inbound-events/{event_id}", .holder(of: .eventsRead), get),
            Route(.post, "/v1/inbound-events/{event_id}/replay", .holder(of: .eventsWrite), replay),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = InboundEvent.State.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = InboundEventStore.Filter(
            state: try call.query.value("state", "one of \(states)") { InboundEvent.State(rawValue: $0) },
            connection: try call.query.id("connection_id"),
            order: try call.query.id("order_id")
        )
        let (_, rows) = try await environment.access.read(call) {
            [InboundEventStore.events(page, filter, tenant: $0.tenant)]
        }
        let events = try rows[0].map(InboundEventStore.decode)
        return page.reply(events, position: { ($0.receivedAt, $0.id.uuid) }, write)
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("event_id", InboundEventKind.self)
        let (_, rows) = try await environment.access.read(call) { [InboundEventStore.event(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let event = try InboundEventStore.decode(row)
        let body = try InboundEventStore.body(row)
        let text = String(validating: body, as: UTF8.self)
        return .json { object in
            write(event, to: &object)
            object.member("body", text)
            object.member("body_base64", text == nil ? Data(body).base64EncodedString() : nil)
        }
    }

    /// Gives the event to its job once more. Harmless at any time, because applying twice changes nothing.
    @Sendable private func replay(_ call: Call) async throws -> Reply {
        let id = try call.id("event_id", InboundEventKind.self)
        let reply = try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(InboundEventStore.lock(id, tenant: principal.tenant))
            guard var event = try rows[0].first.map(InboundEventStore.decode) else { throw Problem.notFound }
            guard event.state != .received else {
                throw Problem(.stateConflict, "It is waiting to be read already.")
            }
            let now = environment.clock.now()
            (event.state, event.reason, event.settledAt) = (.received, nil, nil)
            transaction.add(InboundEventStore.settle(event))
            transaction.add(JobStore.enqueue(ApplyInboundEvent.job(for: event, now: now), now: now))
            var reply = Reply.json(.accepted) { write(event, to: &$0) }
            reply.headers[.location] = "/v1/inbound-events/\(id)"
            return reply
        }
        environment.wakeWorker()
        return reply
    }

    private func write(_ event: InboundEvent, to object: inout JSONObjectWriter) {
        object.member("id", event.id)
        object.member("store_id", event.store)
        object.member("connection_id", event.connection)
        object.member("via", event.via.rawValue)
        object.member("topic", event.headers.topic)
        object.object("headers") { headers in
            headers.member("delivery_id", event.headers.deliveryID)
            headers.member("api_version", event.headers.apiVersion)
            headers.member("triggered_at", event.headers.triggeredAt)
        }
        object.member("state", event.state.rawValue)
        object.member("reason", event.reason)
        object.member("order_id", event.order)
        object.member("received_at", event.receivedAt)
        object.member("settled_at", event.settledAt)
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/inbound-events`: what came, and what became of it.
struct InboundEventRoutes {
    let environment: Environment

    private static let filters: Set<String> = [
        "state", "connection_id", "store_id", "topic", "reason", "order_id", "received_from", "received_before",
    ]

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
            Route(.get, "/v1/inbound-events/{event_id}/body", .holder(of: .eventsRead), body),
            Route(.post, "/v1/inbound-events/{event_id}/replay", .holder(of: .eventsWrite), replay),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: Self.filters, key: environment.masterKey.cursors)
        let states = InboundEvent.State.allCases.map(\.rawValue).joined(separator: ", ")
        let filter = InboundEventStore.Filter(
            state: try call.query.value("state", "one of \(states)") { InboundEvent.State(rawValue: $0) },
            connection: try call.query.id("connection_id"),
            store: try call.query.id("store_id"),
            topic: try call.query.value("topic", "a text of up to 255 characters", Self.word),
            reason: try call.query.value("reason", "a text of up to 255 characters", Self.word),
            order: try call.query.id("order_id"),
            receivedFrom: try call.query.value("received_from", Self.instant) { Instant(rfc3339: $0) },
            receivedBefore: try call.query.value("received_before", Self.instant) { Instant(rfc3339: $0) }
        )
        let (_, rows) = try await environment.access.read(call) {
            [InboundEventStore.events(page, filter, tenant: $0.tenant)]
        }
        let events = try rows[0].map(InboundEventStore.decode)
        return page.reply(events, position: { ($0.receivedAt, $0.id.uuid) }, write)
    }

    private static let instant = "an RFC 3339 date and time such as 2026-05-04T09:30:00.000Z"

    @Sendable private static func word(_ text: String) -> String? { text.utf8.count <= 255 ? text : nil }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("event_id", InboundEventKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [InboundEventStore.event(id, tenant: $0.tenant), InboundEventStore.facts(of: id, tenant: $0.tenant)]
        }
        guard let row = rows[0].first, let facts = rows[1].first else { throw Problem.notFound }
        let event = try InboundEventStore.decode(row)
        let (hash, length): (Bytea?, Int?) = try (facts("body_hash"), facts("body_length"))
        let body = event.removal == nil ? try InboundEventStore.body(row) : nil
        let text = body.flatMap { String(validating: $0, as: UTF8.self) }
        return .json { object in
            write(event, to: &object)
            object.member("content_type", event.contentType)
            object.member("body_length", length)
            object.member("body_sha256", hash.map { Hexadecimal.text($0.bytes) })
            object.member("body", text)
            object.member("body_base64", text == nil ? body.map { Data($0).base64EncodedString() } : nil)
        }
    }

    /// Byte for byte. What the provider called JSON is answered as JSON and everything else as bytes, so that no browser
    /// takes it for a page.
    @Sendable private func body(_ call: Call) async throws -> Reply {
        let id = try call.id("event_id", InboundEventKind.self)
        let (_, rows) = try await environment.access.read(call) { [InboundEventStore.event(id, tenant: $0.tenant)] }
        guard let row = rows[0].first else { throw Problem.notFound }
        let event = try InboundEventStore.decode(row)
        if let removal = event.removal {
            throw Problem(.gone, "Its body was deleted at \(removal.at.rfc3339): \(removal.reason.rawValue).")
        }
        var reply = Reply(status: .ok, body: try InboundEventStore.body(row))
        let type = event.contentType?.split(separator: ";").first?.trimmingSpaces.lowercased()
        reply.headers[.contentType] =
            type == Reply.contentTypeJSON ? Reply.contentTypeJSON : "application/octet-stream"
        reply.headers[.contentDisposition] = "attachment; filename=\"\(id)\""
        return reply
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
            if event.removal?.reason == .expired {
                throw Problem(.stateConflict, "Its body was kept for long enough and is deleted: body_expired.")
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
        object.member("summary", event.summary)
        object.member("order_id", event.order)
        object.member("received_at", event.receivedAt)
        object.member("settled_at", event.settledAt)
        object.member("body_removed_at", event.removal?.at)
        object.member("body_removed_because", event.removal?.reason.rawValue)
    }
}

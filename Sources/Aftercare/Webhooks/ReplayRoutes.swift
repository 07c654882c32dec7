import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `POST /v1/connections/{connection_id}/replay-events`: has many of a connection's webhooks read again.
struct ReplayRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .post,
                "/v1/connections/{connection_id}/replay-events",
                .holder(of: .eventsWrite),
                body: .json,
                replay
            )
        ]
    }

    private struct Wish {
        let reason: String?
        let from: Instant?
        let before: Instant?

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (reason, from, before) = try body.finish(
                body.optional("reason", .string(1...255)),
                body.optional("received_from", .instant { Instant(rfc3339: $0) }),
                body.optional("received_before", .instant { Instant(rfc3339: $0) })
            )
        }
    }

    @Sendable private func replay(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let wish = try call.decode(Wish.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let tenant = principal.tenant
            let found = try await transaction.query(ConnectionStore.connection(id, tenant: tenant))
            guard let connection = try found[0].first.map(ConnectionStore.decode) else { throw Problem.notFound }
            let now = environment.clock.now()
            let operation = Operation(
                id: .new(),
                store: connection.store,
                kind: .replayEvents,
                state: .running,
                target: nil,
                progress: 0,
                error: nil,
                createdAt: now,
                finishedAt: nil
            )
            let begun = try await transaction.query(OperationStore.begin(operation, tenant: tenant))
            guard !begun[0].isEmpty else {
                throw Problem(.stateConflict, "Webhooks of this store are being replayed already.")
            }
            let task = ReplayTask(
                connection: id,
                reason: wish.reason,
                after: ReplayTask.Position(at: wish.from ?? Instant(microseconds: 0), id: UUID(bits: 0)),
                before: min(wish.before ?? now, now)
            )
            transaction.add(ReplayStore.set(task, of: operation.id, read: 0, tenant: tenant))
            transaction.add(JobStore.enqueue(ReplayEvents.job(for: operation, tenant, now: now), now: now))
            var reply = Reply.json(.accepted) { operation.write(to: &$0) }
            reply.headers[.location] = "/v1/operations/\(operation.id)"
            reply.headers[.retryAfter] = "1"
            return reply
        }
        environment.wakeWorker()
        return reply
    }
}

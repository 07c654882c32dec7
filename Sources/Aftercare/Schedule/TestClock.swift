import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/stores/{store_id}/test-clock`: lets a sandbox store's time pass at once.
struct TestClockRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .post,
                "/v1/stores/{store_id}/test-clock/advance",
                .holder(of: .testClockWrite),
                body: .json,
                advance
            )
        ]
    }

    /// What one call may skip: further than anything is scheduled ahead.
    static let reach = Duration.seconds(400 * 86_400)

    private struct Advance {
        let target: Instant

        init(_ body: inout FieldReader) throws(FieldErrors) {
            target = try body.finish(body.required("to", .instant { Instant(rfc3339: $0) }))
        }
    }

    @Sendable private func advance(_ call: Call) async throws -> Reply {
        let id = try call.id("store_id", StoreKind.self)
        let target = try call.decode(Advance.init).target
        let reply = try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(ScheduleStore.lockClock(id, tenant: principal.tenant))
            guard let store = try rows[0].first.map(TenantStore.decode) else { throw Problem.notFound }
            let now = environment.clock.now()
            try check(target, for: store, now: now)
            let operation = Operation(
                id: .new(),
                store: id,
                kind: .advanceTestClock,
                state: .running,
                target: target,
                progress: 0,
                error: nil,
                createdAt: now,
                finishedAt: nil
            )
            let begun = try await transaction.query(OperationStore.begin(operation, tenant: principal.tenant))
            guard !begun[0].isEmpty else {
                throw Problem(.stateConflict, "The store's clock is being advanced already.")
            }
            // From now on the store lives by its own clock; it stands still until the job moves it.
            if store.testClock == nil {
                transaction.add(ScheduleStore.setClock(id, tenant: principal.tenant, to: now, now: now))
            }
            transaction.add(ScheduleStore.moveToTestClock(id, tenant: principal.tenant))
            transaction.add(JobStore.enqueue(job(for: operation, principal.tenant, now: now), now: now))
            return accepted(operation)
        }
        environment.wakeWorker()
        return reply
    }

    private func check(_ target: Instant, for store: Store, now: Instant) throws {
        guard store.mode == .sandbox else {
            throw Problem(.stateConflict, "Only a sandbox store has a clock of its own.")
        }
        let storeNow = store.now(now)
        guard target > storeNow else {
            throw Problem.field("#/to", .outOfRange, "must be later than the store's time, \(storeNow.rfc3339)")
        }
        guard target - storeNow <= Self.reach else {
            throw Problem.field("#/to", .outOfRange, "must be at most 400 days after the store's time")
        }
    }

    private func job(for operation: Operation, _ tenant: TenantID, now: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: operation.store.uuid,
            kind: AdvanceTestClock.kind,
            subject: operation.id.uuid,
            runAt: now
        )
    }

    private func accepted(_ operation: Operation) -> Reply {
        var reply = Reply.json(.accepted) { operation.write(to: &$0) }
        reply.headers[.location] = "/v1/operations/\(operation.id)"
        reply.headers[.retryAfter] = "1"
        return reply
    }
}

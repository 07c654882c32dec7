import FoundationEssentials
import Jobs
import Postgres
import Time

/// Advances a sandbox store's clock from one due instant to the next, and lets everything settle in between, so that
/// what runs on the way sees the time it was due at. The job's subject is the operation.
struct AdvanceTestClock {
    static let kind = "advance_test_clock"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, maximumAttempts: Self.maximumAttempts, run: run) }

    private static let maximumAttempts = 12
    /// Rows of one due instant that are promoted at a time.
    private static let batch = 500
    private static let pause = Duration.milliseconds(20)
    /// Steps are taken in a row, as the queue would add its own delays to each; and yet now and then the job goes
    /// through the queue, so that a stop of the program need not wait for a year to pass.
    private static let turn = Duration.seconds(2)

    private enum Step { case moved, busy, arrived }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let tenant = TenantID(job.tenant)
        do {
            let id = OperationID(job.subject)
            let rows = try await environment.pool.transaction(
                environment.settings(for: job.tenant),
                OperationStore.operation(id, tenant: tenant)
            )
            guard let operation = try rows[0].first.map(OperationStore.decode), operation.state == .running,
                let target = operation.target
            else { return .done }
            let end = ContinuousClock.now + Self.turn
            while ContinuousClock.now < end {
                switch try await step(job, operation, to: target) {
                case .arrived: return .finished
                case .moved: environment.wakeWorker()
                case .busy: break
                }
                try await Task.sleep(for: Self.pause)
            }
            return .again(at: environment.clock.now() + .milliseconds(50))
        } catch {
            // Or nobody could ever advance this clock again.
            if job.attempt >= Self.maximumAttempts, !(error is StaleLease) { try await giveUp(job) }
            throw error
        }
    }

    private func step(_ job: Job, _ operation: Operation, to target: Instant) async throws -> Step {
        let tenant = TenantID(job.tenant)
        let busy = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            ScheduleStore.isBusy(operation.store, tenant: tenant, beside: job.id, now: environment.clock.now())
        )
        // Nothing of it can begin between this look and the step: what begins a job of the store's schedule is the
        // step itself. A webhook may come at any time, and is then decided by whichever time it meets.
        if let row = busy[0].first, try row.decode(Bool.self) { return .busy }
        return try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(job),
                ScheduleStore.lockClock(operation.store, tenant: tenant),
                ScheduleStore.nextDue(operation.store, tenant: tenant, until: target)
            )
            guard try JobStore.isHeld(rows[0]), let store = try rows[1].first.map(TenantStore.decode) else {
                throw StaleLease()
            }
            guard let due = try rows[2].first?.decode(Instant.self) else {
                try await JobStore.finish(job, in: transaction, now: now)
                transaction.add(ScheduleStore.setClock(store.id, tenant: tenant, to: target, now: now))
                transaction.add(
                    OperationStore.end(operation.id, tenant: tenant, as: .succeeded, error: nil, now: now)
                )
                return .arrived
            }
            // Never back: what was scheduled for the past is due now.
            let clock = max(due, store.now(now))
            transaction.add(ScheduleStore.setClock(store.id, tenant: tenant, to: clock, now: now))
            transaction.add(
                ScheduleStore.promote(
                    store.id,
                    tenant: tenant,
                    at: clock,
                    for: operation.id,
                    limit: Self.batch,
                    now: now
                )
            )
            return .moved
        }
    }

    private func giveUp(_ job: Job) async throws {
        let now = environment.clock.now()
        _ = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            OperationStore.end(
                OperationID(job.subject),
                tenant: TenantID(job.tenant),
                as: .failed,
                error: "The clock could not be advanced to its end. It stands where it got to.",
                now: now
            )
        )
    }
}

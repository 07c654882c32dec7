import FoundationEssentials
import Jobs
import Postgres
import Time

/// What a workflow had scheduled has fallen due: decides again, on the facts as they are now. The job's subject is the
/// row's id in `fired`.
struct RunDueWorkflow {
    /// The name is from when only follow-ups fell due; rows of `schedule` and `fired` carry it.
    static let kind = "follow_up_due"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    /// Rolls the transaction back: the job is not finished, it waits.
    private struct Quiet: Error {
        let end: Instant
        let isOnTestClock: Bool
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        do {
            try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
                try await decideAgain(job, in: transaction)
                environment.failpoint.pass(.decideBeforeCommit)
            }
            environment.failpoint.pass(.decideAfterCommit)
        } catch let quiet as Quiet {
            // Nobody knows when a test clock reaches the end, so it is looked at now and then.
            return .again(at: quiet.isOnTestClock ? environment.clock.now() + .seconds(2) : quiet.end)
        }
        environment.wakeWorker()
        return .finished
    }

    private func decideAgain(_ job: Job, in transaction: Transaction) async throws {
        let now = environment.clock.now()
        let origin = AutomationStore.Origin.due(job.subject, tenant: job.tenant)
        var rows = try await transaction.query(
            [JobStore.finishIfHeld(job, now: now)] + Known.statements(origin) + [
                AutomationStore.due(job.subject, tenant: job.tenant)
            ]
        )[...]
        try JobStore.requireFinished(rows.removeFirst())
        guard let known = try Known(&rows), let due = rows.removeFirst().first else { return }
        let trigger = try Trigger.due(
            schedule: due("schedule_id"),
            episode: due("occurrence"),
            notAfter: due("not_after")
        )
        let question = try known.question(trigger, AutomationStore.decodeVersion(due), isScheduled: true, now: now)
        let plan = decide(question)
        if case .wait(let end) = plan { throw Quiet(end: end, isOnTestClock: known.store.testClock != nil) }
        try Execute(environment: environment, store: known.store, customer: known.customer, now: now)
            .add([(question, plan)], to: transaction)
    }
}

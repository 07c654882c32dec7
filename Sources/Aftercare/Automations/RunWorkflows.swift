import FoundationEssentials
import Jobs
import Postgres
import Time

/// A fact became known: asks every workflow it triggers. The job's subject is the fact.
struct RunWorkflows {
    static let kind = "run_workflows"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let origin = AutomationStore.Origin.fact(job.subject, tenant: job.tenant)
            var rows = try await transaction.query(
                [JobStore.finishIfHeld(job, now: now)] + Known.statements(origin) + [
                    AutomationStore.fact(job.subject, tenant: job.tenant),
                    AutomationStore.triggered(by: job.subject, tenant: job.tenant),
                ]
            )[...]
            try JobStore.requireFinished(rows.removeFirst())
            guard let known = try Known(&rows), let trigger = try rows.removeFirst().first.map(Trigger.init(fact:))
            else { return }
            let decisions = try rows.removeFirst().map { row in
                let workflow = try AutomationStore.decodeVersion(row)
                let question = try known.question(trigger, workflow, isScheduled: row("is_scheduled"), now: now)
                return (question, decide(question))
            }
            try Execute(environment: environment, store: known.store, customer: known.customer, now: now)
                .add(decisions, to: transaction)
            environment.failpoint.pass(.decideBeforeCommit)
        }
        environment.failpoint.pass(.decideAfterCommit)
        return .finished
    }
}

extension Trigger {
    fileprivate init(fact row: Row) throws {
        guard let kind = Workflow.FactKind(rawValue: try row("kind")) else { throw UnreadableRow(table: "facts") }
        self = try .fact(id: row("id"), kind: kind, episode: row("episode"), happenedAt: row("happened_at"))
    }
}

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
            let rows = try await transaction.query(
                JobStore.finishIfHeld(job, now: now),
                AutomationStore.holdClock(origin),
                AutomationStore.lockOrder(origin),
                AutomationStore.store(origin),
                AutomationStore.policy(origin),
                AutomationStore.parcels(origin),
                AutomationStore.sent(origin),
                AutomationStore.openTickets(origin),
                AutomationStore.fact(job.subject, tenant: job.tenant),
                AutomationStore.triggered(by: job.subject, tenant: job.tenant)
            )
            try JobStore.requireFinished(rows[0])
            guard let trigger = try rows[8].first.map(Trigger.init(fact:)),
                let known = try Known(
                    order: rows[2],
                    store: rows[3],
                    policy: rows[4],
                    parcels: rows[5],
                    sent: rows[6],
                    tickets: rows[7]
                )
            else { return }
            let decisions = try rows[9].map { row in
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

/// What was read for a decision, whatever asked for it.
struct Known {
    let store: Store
    let customer: Execute.Customer
    private let policy: PolicyVersion
    private let facts: OrderFacts

    /// Nil where the order, its store or the store's policy is gone.
    init?(order: Rows, store: Rows, policy: Rows, parcels: Rows, sent: Rows, tickets: Rows) throws {
        guard let order = order.first, let store = store.first, let policy = policy.first else { return nil }
        self.store = try TenantStore.decode(store)
        self.policy = try PolicyStore.decode(policy)
        let email: String? = try order("email")
        customer = try Execute.Customer(email: email, name: order("customer_name"))
        let times: [Instant] = try parcels.map { try $0("as_of") }
        facts = try OrderFacts(
            order: ID(order("id")),
            number: order("number"),
            isComplete: order("is_complete"),
            isHistorical: order("historical"),
            hasEmail: email != nil,
            financialStatus: order("financial_status"),
            fulfillmentStatus: order("fulfillment_status"),
            lifecycleStatus: order("lifecycle_status"),
            returnStatus: order("return_status"),
            asOf: times.reduce(order("as_of"), max),
            parcels: parcels.map { row in
                try OrderFacts.Parcel(
                    externalID: row("external_id"),
                    status: row("status"),
                    deliveredAt: row("delivered_at")
                )
            },
            sent: Set(sent.decode(String.self)),
            openTickets: tickets.decode(String.self)
        )
    }

    func question(_ trigger: Trigger, _ workflow: WorkflowVersion, isScheduled: Bool, now: Instant) -> Question {
        Question(
            trigger: trigger,
            facts: facts,
            isScheduled: isScheduled,
            workflow: workflow,
            policy: policy,
            zone: store.zone,
            now: store.now(now)
        )
    }
}

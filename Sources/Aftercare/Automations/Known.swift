import FoundationEssentials
import Postgres
import Time

/// What was read for a decision, whatever asked for it.
struct Known {
    let store: Store
    let customer: Execute.Customer
    private let policy: PolicyVersion
    private let facts: OrderFacts

    /// What is read for it. The lock comes first: the other statements see what its last holder wrote.
    static func statements(_ origin: AutomationStore.Origin) -> [SQL] {
        [
            AutomationStore.holdClock(origin), AutomationStore.lockOrder(origin), AutomationStore.store(origin),
            AutomationStore.policy(origin), AutomationStore.parcels(origin), AutomationStore.refunds(origin),
            AutomationStore.sent(origin), AutomationStore.openTickets(origin), AutomationStore.openDisputes(origin),
        ]
    }

    /// Takes the answers to `statements` off the front. Nil where the order, its store or the store's policy is gone.
    init?(_ rows: inout ArraySlice<Rows>) throws {
        _ = rows.removeFirst()
        let (order, store, policy) = (rows.removeFirst(), rows.removeFirst(), rows.removeFirst())
        let (parcels, refunds) = (rows.removeFirst(), rows.removeFirst())
        let (sent, tickets, disputes) = (rows.removeFirst(), rows.removeFirst(), rows.removeFirst())
        guard let order = order.first, let store = store.first, let policy = policy.first else { return nil }
        self.store = try TenantStore.decode(store)
        self.policy = try PolicyStore.decode(policy)
        let email: String? = try order("email")
        customer = try Execute.Customer(email: email, name: order("customer_name"))
        let times: [Instant] = try (parcels.map { $0 } + refunds.map { $0 }).map { try $0("as_of") }
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
            refunds: refunds.map(OrderFacts.Refund.init),
            sent: Set(sent.decode(String.self)),
            openTickets: tickets.decode(String.self),
            openDisputes: disputes.decode(String.self),
            riskLevel: order("risk_level")
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

extension OrderFacts.Refund {
    fileprivate init(_ row: Row) throws {
        let (state, currency): (String, String?) = try (row("state"), row("currency"))
        let (amount, moved): (Int64?, Int64?) = try (row("amount"), row("moved_amount"))
        guard let state = RefundState(rawValue: state) else { throw UnreadableRow(table: "refunds") }
        func money(_ amount: Int64?) -> Money? {
            guard let amount, let currency else { return nil }
            return Money(amount: amount, currency: currency)
        }
        self = try OrderFacts.Refund(
            externalID: row("external_id"),
            state: state,
            amount: money(amount),
            moved: money(moved),
            recordedAt: row("recorded_at"),
            movedAt: row("moved_at")
        )
    }
}

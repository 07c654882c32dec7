import FoundationEssentials
import Jobs
import Postgres
import Time

/// What is told of a return, a dispute, a customer, or asked for by one: each is applied by its feature.
extension ApplyInboundEvent {
    func apply(_ change: ReturnChange, of event: InboundEvent, _ job: Job) async throws {
        try await applying(event, job) { transaction, now in
            let apply = ApplyReturn(
                tenant: event.tenant,
                store: try await store(of: event, in: transaction),
                event: event.id,
                receivedAt: event.receivedAt,
                now: now
            )
            let applied = try await apply.apply(change, in: transaction)
            return Applied(order: applied.order, isRedacted: applied.isRedacted, last: applied.last)
        }
    }

    func apply(_ change: DisputeChange, of event: InboundEvent, _ job: Job) async throws {
        try await applying(event, job) { transaction, now in
            let apply = ApplyDispute(
                tenant: event.tenant,
                store: try await store(of: event, in: transaction),
                event: event.id,
                receivedAt: event.receivedAt,
                now: now
            )
            let applied = try await apply.apply(change, in: transaction)
            return Applied(order: applied.order, last: applied.last)
        }
    }

    func apply(
        _ change: CustomerChange,
        of event: InboundEvent,
        _ provider: Connection.Provider,
        _ job: Job
    ) async throws {
        try await applying(event, job) { transaction, now in
            let place = CustomerStore.Place(tenant: event.tenant, store: event.store, source: provider.rawValue)
            switch try await ApplyCustomer(place: place, now: now).apply(change, in: transaction) {
            case .success(let outcome):
                return Applied(customer: outcome.customer, isRedacted: outcome.isRedacted, last: outcome.last)
            case .failure(let refusal):
                return Applied(ignored: refusal.reason)
            }
        }
    }

    func apply(_ change: PrivacyChange, of event: InboundEvent, _ job: Job) async throws {
        try await applying(event, job) { transaction, now in
            Applied(last: try await ApplyPrivacy(event: event, now: now).apply(change, in: transaction))
        }
    }

    // MARK: The returns of an order that a shop has answered with

    typealias HeldReturn = (change: ReturnChange, known: ReturnStore.Held)

    /// In one order everywhere, so that two events about the same returns do not wait for each other.
    func hold(
        _ returns: [ReturnChange],
        of event: InboundEvent,
        now: Instant,
        in transaction: Transaction
    ) async throws -> [HeldReturn] {
        var held: [HeldReturn] = []
        for change in returns.sorted(by: { $0.externalID < $1.externalID }) {
            let known = try await ReturnStore.hold(
                change.externalID,
                tenant: event.tenant,
                store: event.store,
                now: now,
                in: transaction
            )
            held.append((change, known))
        }
        return held
    }

    func apply(
        _ held: HeldReturn,
        of event: InboundEvent,
        isHistorical: Bool,
        now: Instant,
        in transaction: Transaction
    ) async throws -> ApplyReturn.Outcome {
        let apply = ApplyReturn(
            tenant: event.tenant,
            store: try await store(of: event, in: transaction),
            event: event.id,
            receivedAt: event.receivedAt,
            isHistorical: isHistorical,
            now: now
        )
        return try await apply.apply(held.change, to: held.known, in: transaction)
    }

    // MARK: In one transaction

    /// What a feature made of an event.
    private struct Applied {
        /// The order it was about.
        var order: OrderID?
        /// Whom it told of.
        var customer: CustomerID?
        /// What it told of was erased, and so its own body is as well.
        var isRedacted = false
        /// What enqueues and so comes last.
        var last: [SQL] = []
        /// Why it came to nothing.
        var ignored: IgnoredReason?
    }

    /// One transaction: the job is finished, a feature applies what it understands, and the event is settled.
    private func applying(
        _ event: InboundEvent,
        _ job: Job,
        _ apply: (Transaction, Instant) async throws -> Applied
    ) async throws {
        let now = environment.clock.now()
        let wakes = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            try await JobStore.finish(job, in: transaction, now: now)
            let applied = try await apply(transaction, now)
            var event = event
            event.state = applied.ignored == nil ? .applied : .ignored
            (event.reason, event.settledAt, event.order) = (applied.ignored?.rawValue, now, applied.order)
            event.customer = applied.customer
            transaction.add(InboundEventStore.settle(event))
            if applied.isRedacted {
                transaction.add(PrivacyStore.redact(events: [event.id.uuid], tenant: event.tenant, now: now))
            }
            for statement in applied.last { transaction.add(statement) }
            return !applied.last.isEmpty
        }
        if wakes { environment.wakeWorker() }
    }

    private func store(of event: InboundEvent, in transaction: Transaction) async throws -> Store {
        let rows = try await transaction.query(TenantStore.store(event.store, tenant: event.tenant))
        guard let row = rows[0].first else { throw UnreadableRow(table: "stores") }
        return try TenantStore.decode(row)
    }
}

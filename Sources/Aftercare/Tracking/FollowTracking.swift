import FoundationEssentials
import Postgres
import Time

/// What follows when the mirror of orders has changed, whoever told it and of whatever part: people are told of what
/// contradicts or went wrong, and a shipment that has a number now is told what was known of it before.
struct FollowTracking {
    private(set) var statements: [SQL] = []
    /// They enqueue, and so come last in the transaction.
    private(set) var last: [SQL] = []

    /// - Parameter origin: the public id of the event that told it, or of the order where none did.
    mutating func add(_ state: OrderState, over held: OrderMirrorStore.Held, by origin: String? = nil, now: Instant) {
        find(state, over: held, by: origin ?? "\(held.id)", now: now)
        guard TrackingMatch.isDue(from: held.state, to: state) else { return }
        last.append(TrackerStore.enqueueMatch([held.id], tenant: held.tenant, store: held.store, now: now))
    }

    /// The same for many orders of one store, that were told of together.
    mutating func add(_ changes: [OrderMirrorStore.Change], tenant: TenantID, store: StoreID, now: Instant) {
        for change in changes { find(change.state, over: change.held, by: "\(change.held.id)", now: now) }
        let due = changes.filter { TrackingMatch.isDue(from: $0.held.state, to: $0.state) }.map(\.held.id)
        guard !due.isEmpty else { return }
        last.append(TrackerStore.enqueueMatch(due, tenant: tenant, store: store, now: now))
    }

    private mutating func find(_ state: OrderState, over held: OrderMirrorStore.Held, by origin: String, now: Instant) {
        for finding in TrackingFinding.new(from: held.state, to: state) {
            add(Escalation(finding, of: held.id, in: state, by: origin), tenant: held.tenant, now: now)
        }
        for conflict in OrderConflict.new(from: held.state, to: state) {
            guard let escalation = Escalation(conflict, of: held.id, in: state, by: origin) else { continue }
            add(escalation, tenant: held.tenant, now: now)
        }
        if let concern = Escalation(riskOf: state, over: held.state, held.id, by: origin) {
            add(concern, tenant: held.tenant, now: now)
        }
    }

    mutating func add(_ escalation: Escalation, tenant: TenantID, now: Instant) {
        statements += EscalationStore.open(escalation, tenant: tenant, now: now)
        last.append(EscalationStore.announce(escalation, tenant: tenant, now: now))
    }
}

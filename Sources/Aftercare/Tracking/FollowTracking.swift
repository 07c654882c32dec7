import FoundationEssentials
import Postgres
import Time

/// What follows when the mirror of orders has changed, whoever told it: people are told of what contradicts or went
/// wrong, and a shipment that has a number now is told what was known of it before.
struct FollowTracking {
    private(set) var statements: [SQL] = []
    /// They enqueue, and so come last in the transaction.
    private(set) var last: [SQL] = []

    /// - Parameter origin: the public id of the event that told it, or of the order where none did.
    mutating func add(_ state: OrderState, over held: OrderMirrorStore.Held, by origin: String? = nil, now: Instant) {
        for finding in TrackingFinding.new(from: held.state, to: state) {
            add(
                Escalation(finding, of: held.id, in: state, by: origin ?? "\(held.id)"),
                tenant: held.tenant,
                now: now
            )
        }
        if TrackingMatch.isDue(from: held.state, to: state) { last.append(TrackerStore.enqueueMatch(held, now: now)) }
    }

    mutating func add(_ escalation: Escalation, tenant: TenantID, now: Instant) {
        statements += EscalationStore.open(escalation, tenant: tenant, now: now)
        last.append(EscalationStore.announce(escalation, tenant: tenant, now: now))
    }
}

import FoundationEssentials
import Jobs
import Postgres
import Time

/// A source asks for what is kept of somebody, or for it to be erased: makes the request, within the transaction that
/// settles the webhook. Each webhook makes one, however often it is applied.
struct ApplyPrivacy {
    let event: InboundEvent
    let now: Instant

    /// Gives what enqueues and so comes last.
    func apply(_ change: PrivacyChange, in transaction: Transaction) async throws -> [SQL] {
        // Held only where it matters: whoever holds a connection keeps its webhooks from being stored.
        let rows = try await transaction.query(
            change.kind == .storeRedaction
                ? ConnectionStore.lock(event.connection, tenant: event.tenant)
                : ConnectionStore.connection(event.connection, tenant: event.tenant)
        )
        guard let connection = try rows[0].first.map(ConnectionStore.decode) else {
            throw UnreadableRow(table: "connections")
        }
        var request = PrivacyRequest(
            id: .new(),
            store: event.store,
            connection: event.connection,
            event: event.id,
            kind: change.kind,
            state: .open,
            subject: change.subject,
            step: change.kind == .customerData ? nil : .orders,
            counts: [:],
            dueAt: event.receivedAt + PrivacyRequest.period,
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        // A shop that left and came back keeps its orders: Shopify asks two days after it left, and may not know.
        if change.kind == .storeRedaction, connection.state == .active {
            request.end(as: .notCarriedOut, because: .connectionInUse, at: now)
        }
        let made = try await transaction.query(PrivacyStore.insert(request, tenant: event.tenant))
        guard !made[0].isEmpty, request.state == .open, change.kind != .customerData else { return [] }
        return [JobStore.enqueue(RedactPersonalData.job(for: request, tenant: event.tenant, now: now), now: now)]
    }
}

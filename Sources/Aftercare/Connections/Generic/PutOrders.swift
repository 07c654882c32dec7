import FoundationEssentials
import JSON
import Postgres
import Time

/// Many orders put in one transaction, in a few round trips whatever their number: a bulk write, or a piece of an
/// import. Each goes by the same rules as a PUT of its own (`PutOrder.apply`).
enum PutOrders {
    struct Applied: Sendable {
        let id: OrderID
        let outcome: PutOrder.Outcome
        let version: Int64
    }

    /// Somebody else has made one of these orders meanwhile. Rolled back and done anew, it is found and locked.
    struct Overtaken: Error {}

    /// How often to do it anew before giving up. Each time somebody else has got on with the same orders, so that it takes
    /// as many as there are who write them at once.
    static let tries = 20

    /// Whether nothing but others who write the same orders was in the way.
    static func wasOvertaken(_ error: any Error) -> Bool {
        error is Overtaken || (error as? PostgresError)?.sqlState == .deadlockDetected
    }

    /// What becomes of each of the entries, in their order; no two of them may name the same order. One that contradicts
    /// what is known is rejected, as a PUT of its own is.
    ///
    /// One round trip locks and reads the orders there are, another reads the parts of those that change, a third
    /// writes the orders; their parts and facts are left to travel with whatever the transaction says next.
    static func apply(
        _ entries: [PutOrderEntry],
        tenant: TenantID,
        store: StoreID,
        now: Instant,
        in transaction: Transaction
    ) async throws -> [Result<Applied, PutOrderEntry.Rejection>] {
        guard !entries.isEmpty else { return [] }
        var held = try await OrderMirrorStore.hold(
            entries.map(\.externalID),
            tenant: tenant,
            store: store,
            in: transaction
        )
        let changing = entries.indices.filter { place in
            held[place].state != nil && !entries[place].order.isKnown(to: held[place].state)
        }
        try await OrderMirrorStore.readParts(of: changing, in: &held, tenant: tenant, transaction)
        var applied: [Result<Applied, PutOrderEntry.Rejection>] = []
        var changes: [OrderMirrorStore.Change] = []
        for (index, entry) in entries.enumerated() {
            let held = held[index]
            if let taken = held.state.flatMap({ entry.order.taken(in: $0) }) {
                applied.append(.failure(.init(FieldErrors(taken), of: entry.externalID)))
                continue
            }
            let (outcome, next) = entry.order.apply(to: held.state, of: entry.externalID, receivedAt: now)
            let version = next.map { held.version(with: $0.state) } ?? held.version
            applied.append(.success(Applied(id: held.id, outcome: outcome, version: version)))
            guard let next else { continue }
            changes.append(
                OrderMirrorStore.Change(
                    held: held,
                    externalID: entry.externalID,
                    state: next.state,
                    facts: next.facts,
                    isHistorical: entry.order.isHistorical
                )
            )
        }
        guard !changes.isEmpty else { return applied }
        // In one order everywhere, so that of two who make some of the same orders one waits for the other.
        changes.sort { $0.externalID.utf8.lexicographicallyPrecedes($1.externalID.utf8) }
        let changed = changes.filter { $0.version != $0.held.version }
        let written = try await transaction.query(
            OrderMirrorStore.upsert(changed, tenant: tenant, store: store, now: now)
        )
        guard written[0].affected == changed.count else { throw Overtaken() }
        let place = CustomerStore.Place(tenant: tenant, store: store, source: CustomerStore.Place.api)
        let link = CustomerStore.link(changes, at: place, now: now)
        let parts = OrderMirrorStore.parts(of: changes, tenant: tenant, store: store, now: now)
        var follow = FollowTracking()
        follow.add(changes, tenant: tenant, store: store, now: now)
        for statement in link.statements + parts.dropLast() + follow.statements { transaction.add(statement) }
        // They enqueue, and so come last.
        for statement in link.last + parts.suffix(1) + follow.last { transaction.add(statement) }
        return applied
    }
}

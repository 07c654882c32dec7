import FoundationEssentials
import Postgres
import Time

/// Stores what a shop answered, in the transaction of whoever asked: an event and its job for each order that is news,
/// and the time of asking for each that is not.
struct KeepPulled {
    let tenant: TenantID
    let store: StoreID
    let connection: ConnectionID
    /// Before the question was sent: what the shop changed meanwhile may be missing in the answer.
    let askedAt: Instant
    let now: Instant

    struct Kept {
        /// How many orders were news.
        var changed = 0
        /// The events that have answers which are not in the mirror yet.
        var waiting: [InboundEventID] = []
        /// What enqueues, and so comes last.
        var last: [SQL] = []
    }

    func keep(_ answers: [PulledOrders.Answer], in transaction: Transaction) async throws -> Kept {
        // A page that lists an order twice: the later word.
        let byID = Dictionary(answers.map { ($0.externalID, $0) }, uniquingKeysWith: { $1 })
        guard !byID.isEmpty else { return Kept() }
        let ids = byID.keys.sorted()
        let rows = try await transaction.query(
            PulledOrderStore.known(ids, tenant: tenant, store: store, connection: connection)
        )
        var known: [String: PulledOrders.Known] = [:]
        for index in 0..<rows[0].count {
            let (id, standing) = try PulledOrderStore.decode(rows[0][index])
            known[id] = standing
        }
        var kept = Kept()
        var (news, verified): ([PulledOrderStore.News], [OrderID]) = ([], [])
        for id in ids {
            guard let answer = byID[id] else { continue }
            switch PulledOrders.verdict(on: answer, known: known[id] ?? PulledOrders.Known()) {
            case .store(let topic): news.append(PulledOrderStore.News(event: .new(), topic: topic, answer: answer))
            case .verify(let order): verified.append(order)
            case .leave(let event): kept.waiting.append(event)
            }
        }
        if !verified.isEmpty { transaction.add(OrderStore.verify(verified, tenant: tenant, at: askedAt)) }
        guard !news.isEmpty else { return kept }
        transaction.add(
            PulledOrderStore.insertEvents(
                news,
                tenant: tenant,
                store: store,
                connection: connection,
                askedAt: askedAt
            )
        )
        transaction.add(
            PulledOrderStore.remember(news, tenant: tenant, store: store, connection: connection, askedAt: askedAt)
        )
        kept.changed = news.count
        kept.waiting += news.map(\.event)
        kept.last = [PulledOrderStore.enqueue(news, tenant: tenant, store: store, now: now)]
        return kept
    }
}

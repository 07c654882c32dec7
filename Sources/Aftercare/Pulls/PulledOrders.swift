import Crypto
import FoundationEssentials
import JSON
import Time

/// What is to be done about orders that a shop told of when it was asked. Pure.
///
/// Most of what is asked about has not changed. Such an order is not stored again, and only counts as compared; it is
/// known by the hash of what the shop told last. That alone is not enough: after a webhook about the order the same answer
/// says again what is so, and is stored and applied after it.
enum PulledOrders {
    /// What the database knows of an order that was asked about.
    struct Known: Sendable {
        /// Of the last answer about it; nil where there was none.
        var fingerprint: [UInt8]?
        /// The event that has it, and what became of that.
        var event: InboundEventID?
        var state: InboundEvent.State?
        /// It was ignored for the moment: the connection was not in use, or an older version of this program, which still
        /// ran, did not know what it is.
        var wasPassedOver = false
        /// Something else was told of the order since.
        var isOvertaken = false
        /// Its row in the mirror, and whether it is deleted there.
        var order: OrderID?
        var isDeleted = false
    }

    /// An answer about one order: what the shop told, or that it has none.
    struct Answer: Sendable {
        let externalID: String
        let body: [UInt8]
        let fingerprint: [UInt8]
        /// The shop's own time of the order; nil where it tells none, or it cannot be read.
        let saidAt: Instant?
        /// It has the order, in its bin or not.
        let isThere: Bool
        /// It has it, and not as deleted.
        let isLive: Bool
    }

    enum Verdict: Hashable, Sendable {
        case store(PullTopic)
        /// The mirror is as the shop told.
        case verify(OrderID)
        /// Nothing new, and what was told is not in the mirror: its event waits, or cannot be understood.
        case leave(InboundEventID)
    }

    static func verdict(on answer: Answer, known: Known) -> Verdict {
        guard answer.isThere else {
            if let order = known.order, known.isDeleted { return .verify(order) }
            return .store(.missingOrder)
        }
        if known.isDeleted, answer.isLive { return .store(.restoredOrder) }
        guard let fingerprint = known.fingerprint, fingerprint == answer.fingerprint, let event = known.event else {
            return .store(.order)
        }
        switch known.state {
        case .applied:
            guard let order = known.order, !known.isOvertaken else { return .store(.order) }
            return .verify(order)
        case .ignored: return known.wasPassedOver ? .store(.order) : .leave(event)
        case .received, .quarantined: return .leave(event)
        case nil: return .store(.order)
        }
    }

    // MARK: Answers

    /// - Parameter understood: what the connection's provider makes of a pulled body.
    static func answer(
        _ order: PulledOrder,
        _ understood: (PullTopic, [UInt8]) throws(Poison) -> Understanding
    ) -> Answer {
        var (saidAt, isLive): (Instant?, Bool) = (nil, true)
        // One that cannot be understood is stored all the same, and quarantined by whoever applies it.
        let changes: [OrderChange] =
            switch try? understood(.order, order.body) {
            case .changes(let changes), .answer(let changes, _): changes
            default: []
            }
        for case .order(let statement) in changes.map(\.content) {
            saidAt = statement.stamp.at ?? saidAt
            if statement.told.contains(.lifecycle) { isLive = statement.values.lifecycle != .deleted }
        }
        return Answer(
            externalID: order.externalID,
            body: order.body,
            fingerprint: fingerprint(of: order.body),
            saidAt: saidAt,
            isThere: true,
            isLive: isLive
        )
    }

    static func missing(_ externalID: String) -> Answer {
        let body = JSON.object(["id": .string(externalID)]).serializedBytes
        return Answer(
            externalID: externalID,
            body: body,
            fingerprint: fingerprint(of: body),
            saidAt: nil,
            isThere: false,
            isLive: false
        )
    }

    /// Of the canonical form: the same members in another order are the same answer.
    private static func fingerprint(of body: [UInt8]) -> [UInt8] {
        let canonical = (try? JSON(parsing: body, limits: .foreign))?.canonicalBytes ?? body
        return Array(SHA256.hash(data: canonical))
    }

    // MARK: History

    /// Whether what an answer says is history, of which nothing starts: the order is older than the connection and was
    /// not known before, or is known as history and nothing of it has happened since.
    ///
    /// A shop's past is not made to happen once more; what a webhook should have told, and did not, is.
    static func isHistory(_ outcome: OrderMirror.Outcome, of known: OrderState?, connectedAt: Instant) -> Bool {
        guard known?.isHistorical ?? true, let placedAt = outcome.state.values.placedAt, placedAt < connectedAt else {
            return false
        }
        return known == nil || !outcome.facts.contains { $0.happenedAt >= connectedAt }
    }
}

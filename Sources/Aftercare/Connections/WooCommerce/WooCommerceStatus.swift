/// An order's one status, and what it says on each of our axes. Pure.
struct WooCommerceStatus: Hashable, Sendable {
    enum Known: String, CaseIterable, Sendable {
        case pending
        case onHold = "on-hold"
        case processing, completed, cancelled, refunded, failed, trash
    }

    let raw: String?
    /// Nil for a status some plugin has made.
    let known: Known?

    init(_ raw: String?) {
        // The database's own spelling comes out of some plugins.
        let word = raw.map { $0.hasPrefix("wc-") ? String($0.dropFirst(3)) : $0 }
        (self.raw, known) = (raw, word.flatMap { Known(rawValue: $0) })
    }

    /// What the refunds that the shop has recorded come to.
    enum Refunded: Hashable, Sendable {
        case nothing, part, all
        /// There are some, and not of sums that can be told.
        case unknown

        static func amount(_ sum: Money?, of total: Money?) -> Self {
            guard let sum, let total, sum.currency == total.currency else { return .unknown }
            // Nothing is what a restock gives back, also of an order that cost nothing.
            return sum.amount <= 0 ? .nothing : sum.amount < total.amount ? .part : .all
        }
    }

    /// A refund of a part leaves the status as it is, so it is the sums that tell.
    func financial(isPaid: Bool, refunded: Refunded) -> FinancialStatus {
        guard let known else { return .unknown }
        if known == .refunded { return .refunded }
        switch refunded {
        case .all: return .refunded
        case .part: return .partiallyRefunded
        case .unknown: return .unknown
        case .nothing: break
        }
        switch known {
        case .pending, .onHold: return .pending
        case .processing, .completed: return .paid
        case .failed: return .failed
        // They say nothing of the money: the date of its payment does.
        case .cancelled, .trash: return isPaid ? .paid : .pending
        case .refunded: return .refunded
        }
    }

    /// - Parameter isCompleted: whether it has been `completed` some time: a refund does not undo that.
    func fulfillment(isCompleted: Bool) -> FulfillmentStatus {
        switch known {
        case .completed: .fulfilled
        case .refunded, .cancelled, .trash: isCompleted ? .fulfilled : .unfulfilled
        case .pending, .onHold, .processing, .failed: .unfulfilled
        case nil: .unknown
        }
    }

    var lifecycle: LifecycleStatus {
        switch known {
        case .cancelled: .cancelled
        case .trash: .deleted
        case .pending, .onHold, .processing, .completed, .refunded, .failed, nil: .open
        }
    }
}

/// An order's one status, and what it says on each of our axes. Pure.
struct WooCommerceStatus: Hashable, Sendable {
    enum Known: String, CaseIterable, Sendable {
        case pending
        case onHold = "on-hold"
        case processing, completed, cancelled, refunded, failed, trash
        // Of plugins for shipping, which many shops have.
        case shipped, delivered
        case partialShipped = "partial-shipped"
        case partiallyShipped = "partially-shipped"
        case updatedTracking = "updated-tracking"
    }

    let raw: String?
    /// Nil for a status of which nobody here knows what it means.
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

    /// A refund of a part leaves the status as it is, so it is the sums that tell; and an order that is paid on delivery is
    /// processed before, so it is the date of its payment.
    ///
    /// - Parameter isPaid: whether it has such a date; nil where the body says nothing of one.
    func financial(isPaid: Bool?, refunded: Refunded) -> FinancialStatus {
        guard let known else { return .unknown }
        if known == .refunded { return .refunded }
        switch refunded {
        case .all: return .refunded
        case .part: return .partiallyRefunded
        case .unknown: return .unknown
        case .nothing: break
        }
        switch known {
        case .completed: return .paid
        case .processing: return isPaid ?? true ? .paid : .pending
        case .pending, .onHold, .cancelled, .trash: return isPaid ?? false ? .paid : .pending
        case .shipped, .delivered, .partialShipped, .partiallyShipped, .updatedTracking:
            return isPaid.map { $0 ? .paid : .pending } ?? .unknown
        case .failed: return .failed
        case .refunded: return .refunded
        }
    }

    /// - Parameters:
    ///   - isCompleted: whether it has been `completed` some time: a refund does not undo that.
    ///   - hasParcels: a shop that notes parcels does not say that nothing was shipped.
    func fulfillment(isCompleted: Bool, hasParcels: Bool) -> FulfillmentStatus {
        switch known {
        // That an order is called delivered is the shop's word for it being done; of a parcel its carrier tells.
        case .completed, .shipped, .delivered, .updatedTracking: .fulfilled
        case .partialShipped, .partiallyShipped: .partiallyFulfilled
        case .refunded, .cancelled, .trash: isCompleted ? .fulfilled : .unfulfilled
        case .pending, .onHold, .processing: hasParcels ? .inProgress : .unfulfilled
        case .failed: .unfulfilled
        case nil: .unknown
        }
    }

    var lifecycle: LifecycleStatus {
        switch known {
        case .cancelled: .cancelled
        case .trash: .deleted
        case .pending, .onHold, .processing, .completed, .refunded, .failed, .shipped, .delivered, .partialShipped,
            .partiallyShipped, .updatedTracking, nil:
            .open
        }
    }
}

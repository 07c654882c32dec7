import Time

/// What a provider said about one order, in our words, whoever the provider is.
struct OrderChange: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        case order(OrderStatement)
        case shipment(ShipmentStatement)
        case tracking(TrackingEvent, shipment: String)
        case tracker(TrackerWord, shipment: String)
        case refund(RefundStatement)
        case refundList(RefundList)
        case refundTransaction(RefundTransactionStatement)
        case risk(RiskStatement)

        /// Whether it is about the order itself, and not about a part of it.
        var isTheOrder: Bool { if case .order = self { true } else { false } }
    }

    /// The order's id at its source.
    let order: String
    let content: Content
}

/// What was said of the order itself.
struct OrderStatement: Hashable, Sendable {
    var stamp: Stamp
    /// The fields it speaks of; of the others it says nothing, not even that they are empty.
    var told: Set<OrderField>
    var values: OrderValues
    /// It is the whole order, not some fields of it.
    var isComplete: Bool
    var cancelledAt: Instant?
}

/// What was said of a shipment, by the shop and not by the carrier.
struct ShipmentStatement: Hashable, Sendable {
    let externalID: String
    var stamp: Stamp
    var told: Set<ShipmentField>
    var values: ShipmentValues
    /// When it was handed over, if it says so. The earliest statement counts.
    var shippedAt: Instant?
    /// When it said that the parcel is delivered, if it says so. A carrier's event tells the time better, and earlier.
    var deliveredAt: Instant?
}

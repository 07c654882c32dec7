import FoundationEssentials
import JSON
import Time

/// An order as a shop without a connector puts it: all of it, in our words. Pure.
struct PutOrder: Hashable, Sendable {
    /// When the shop had it like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow.
    var isHistorical: Bool
    let values: OrderValues
    let cancelledAt: Instant?
    let shipments: [Shipment]
    let refunds: [Refund]
    /// Where it is not told, nothing is said of it: it may be somebody else who assesses.
    let risk: Risk?
    /// Tells it from other bodies; reckoned once, when it is read.
    let stamp: Stamp

    struct Shipment: Hashable, Sendable {
        let externalID: String
        let values: ShipmentValues
        let shippedAt: Instant?
        let deliveredAt: Instant?
        let events: [Event]
    }

    struct Event: Hashable, Sendable {
        let externalID: String
        let kind: TrackingEvent.Kind
        let raw: String?
        let message: String?
        let happenedAt: Instant
    }

    struct Refund: Hashable, Sendable {
        let externalID: String
        let recordedAt: Instant?
        let transactions: [Transaction]
    }

    /// A payment transaction that pays money back.
    struct Transaction: Hashable, Sendable {
        let externalID: String
        let status: RefundTransactionStatus
        let raw: String?
        let gateway: String?
        let parent: String?
        let amount: Money?
        let shopAmount: Money?
        let startedAt: Instant?
        let processedAt: Instant?
    }

    /// How likely it is that the order is fraudulent.
    struct Risk: Hashable, Sendable {
        let level: RiskLevel
        let levelRaw: String?
        let reasons: [String]
        let assessedAt: Instant?
        /// Who assessed it.
        let source: String

        /// Where a shop does not say who.
        static let shop = "shop"
    }

    /// What became of it.
    enum Outcome: String, CaseIterable, Sendable {
        case created, updated
        /// It is what was known already.
        case unchanged
        /// Something newer was known: nothing of it was taken.
        case stale
    }

    /// How far ahead of the store's time `as_of` may lie. Clocks differ, but one mistaken year would make every later
    /// body a stale one.
    static let reach = Duration.seconds(24 * 3600)

    // MARK: Applying it

    /// What becomes of it where it changes nothing; nil where it is to be applied. All it takes to say so is what is
    /// known of the order itself, without its parts.
    func standing(against known: OrderState?) -> Outcome? {
        guard let known, let newest = known.provenance.newest else { return nil }
        if stamp < newest { return .stale }
        return stamp == newest && (isHistorical || !known.isHistorical) ? .unchanged : nil
    }

    /// What the mirror and the facts become. Nothing of a stale one counts, other than of a provider's late webhook:
    /// it is the whole order, so that there is nothing in it that a newer one left unsaid.
    func apply(to known: OrderState?, of order: String, receivedAt: Instant) -> (Outcome, OrderMirror.Outcome?) {
        if let standing = standing(against: known) { return (standing, nil) }
        let next = OrderMirror.apply(
            changes(of: order, receivedAt: receivedAt),
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        return (known == nil ? .created : .updated, next)
    }

    func changes(of order: String, receivedAt: Instant) -> [OrderChange] {
        let statement = OrderStatement(
            stamp: stamp,
            told: Set(OrderField.allCases),
            values: values,
            isComplete: true,
            cancelledAt: cancelledAt
        )
        var contents = [OrderChange.Content.order(statement)]
        for shipment in shipments {
            contents.append(.shipment(shipment.statement(stamp)))
            contents += shipment.events.map { .tracking($0.report(receivedAt), shipment: shipment.externalID) }
        }
        contents += refunds.map { .refund($0.statement(stamp)) }
        if let risk { contents.append(.risk(risk.statement(stamp))) }
        return contents.map { OrderChange(order: order, content: $0) }
    }
}

extension PutOrder.Shipment {
    /// - Parameter told: what it speaks of.
    func statement(_ stamp: Stamp, told: Set<ShipmentField> = Set(ShipmentField.allCases)) -> ShipmentStatement {
        let status = values.reported ?? .unknown
        return ShipmentStatement(
            externalID: externalID,
            stamp: stamp,
            told: told,
            values: values,
            // Where it says that something happened and not when, it had happened by then.
            shippedAt: shippedAt ?? (status.impliesShipped ? stamp.at : nil),
            deliveredAt: deliveredAt ?? (status == .delivered && !hasDelivery ? stamp.at : nil)
        )
    }

    /// The carrier's own report tells the time better.
    private var hasDelivery: Bool { events.contains { $0.kind.status == .delivered } }
}

extension PutOrder.Refund {
    func statement(_ stamp: Stamp) -> RefundStatement {
        RefundStatement(
            externalID: externalID,
            stamp: stamp,
            recordedAt: recordedAt ?? stamp.at,
            transactions: transactions.map { transaction in
                RefundTransactionStatement(
                    externalID: transaction.externalID,
                    stamp: stamp,
                    status: transaction.status,
                    statusRaw: transaction.raw,
                    gateway: transaction.gateway,
                    parent: transaction.parent,
                    amount: transaction.amount,
                    shopAmount: transaction.shopAmount,
                    startedAt: transaction.startedAt,
                    processedAt: transaction.processedAt
                )
            }
        )
    }
}

extension PutOrder.Risk {
    func statement(_ stamp: Stamp) -> RiskStatement {
        RiskStatement(
            source: source,
            assessment: RiskAssessment(
                level: level,
                levelRaw: levelRaw,
                reasons: reasons,
                assessedAt: assessedAt ?? stamp.at,
                stamp: stamp
            )
        )
    }
}

extension PutOrder.Event {
    func report(_ receivedAt: Instant) -> TrackingEvent {
        TrackingEvent(
            externalID: externalID,
            kind: kind,
            raw: raw,
            message: message,
            happenedAt: happenedAt,
            receivedAt: receivedAt
        )
    }
}

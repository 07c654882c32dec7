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
        /// Something newer was known of it: only parts of it were taken that nobody had told of yet.
        case stale
    }

    /// How far ahead of the store's time `as_of` may lie. Clocks differ, but one mistaken year would make every later
    /// body a stale one.
    static let reach = Duration.seconds(24 * 3600)

    /// What it tells later bodies are compared with.
    var times: [ToldTime] {
        [.asOf(asOf)]
            + shipments.enumerated().flatMap { $1.times(at: ["shipments", "\($0)"]) }
    }

    /// Transactions that are known to be another refund's; nil where there is none.
    func taken(in known: OrderState) -> [FieldError]? {
        let taken = refunds.enumerated().flatMap { $1.taken(in: known, at: ["refunds", "\($0)"]) ?? [] }
        return taken.isEmpty ? nil : taken
    }

    // MARK: Applying it

    /// Whether it changes nothing. All it takes to say so is what is known of the order itself, without its parts.
    func isKnown(to known: OrderState?) -> Bool {
        guard let known, let newest = known.provenance.newest else { return false }
        return stamp == newest && (isHistorical || !known.isHistorical)
    }

    /// What the mirror and the facts become. Of a stale one, as of a provider's late webhook, what counts is what a newer
    /// one left unsaid: a parcel, a report or a refund that it names and nobody has told of yet, and what has become true
    /// meanwhile. So whatever comes first, the mirror ends the same.
    func apply(to known: OrderState?, of order: String, receivedAt: Instant) -> (Outcome, OrderMirror.Outcome?) {
        if isKnown(to: known) { return (.unchanged, nil) }
        let next = OrderMirror.apply(
            changes(of: order, receivedAt: receivedAt),
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        guard let known else { return (.created, next) }
        guard let newest = known.provenance.newest, stamp < newest else { return (.updated, next) }
        return (.stale, next.state == known && next.facts.isEmpty ? nil : next)
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

    func times(at path: [String]) -> [ToldTime] {
        let told = [("shipped_at", shippedAt), ("delivered_at", deliveredAt)]
        return told.compactMap { name, instant in instant.map { ToldTime(path: path + [name], instant: $0) } }
            + events.times(at: path)
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

extension [PutOrder.Event] {
    func times(at path: [String]) -> [ToldTime] {
        enumerated().map { ToldTime(path: path + ["events", "\($0)", "happened_at"], instant: $1.happenedAt) }
    }
}

extension PutOrder.Refund {
    /// Its transactions that are known to be another refund's: a shop that counts them anew for each refund has to give
    /// them ids that tell them apart. Nil where there is none.
    func taken(in known: OrderState, at path: [String]) -> [FieldError]? {
        let taken = transactions.enumerated().compactMap { place, transaction -> FieldError? in
            guard let owner = known.refundTransactions[transaction.externalID]?.refund, owner != externalID
            else { return nil }
            let pointer = (path + ["transactions", "\(place)", "external_id"]).joined(separator: "/")
            return FieldError(
                pointer: "#/\(pointer)",
                code: .unknownValue,
                detail: "is a transaction of the refund \(owner)"
            )
        }
        return taken.isEmpty ? nil : taken
    }
}

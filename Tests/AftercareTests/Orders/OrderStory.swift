import Time

@testable import Aftercare

/// An order's life as it is told: days are the source's own time, and everything reaches us an hour later.
struct OrderStory {
    static let day0 = Instant(seconds: 1_760_000_000)
    static func day(_ day: Double) -> Instant { day0 + .seconds(Int(day * 86_400)) }
    static func received(_ day: Double) -> Instant { Self.day(day) + .seconds(3600) }

    private(set) var state: OrderState?
    /// Before the last of it was told.
    private(set) var before: OrderState?
    private(set) var facts: [Fact.Kind] = []
    var isHistorical = false
    private var count: UInt8 = 0

    private mutating func tell(_ content: OrderChange.Content, _ day: Double) {
        before = state
        let outcome = OrderMirror.apply(
            [OrderChange(order: "1", content: content)],
            to: state,
            receivedAt: Self.received(day),
            isHistorical: isHistorical
        )
        (state, facts) = (outcome.state, facts + outcome.facts.map(\.key.kind))
    }

    private mutating func stamp(_ day: Double) -> Stamp {
        count += 1
        return Stamp(at: Self.day(day), hash: [count])
    }

    /// Placed on day 0, paid with EUR 100.00 and shipped.
    mutating func order(_ day: Double, _ edit: (inout OrderValues) -> Void = { _ in }) {
        var values = OrderValues(number: "#1", financial: .paid, fulfillment: .fulfilled)
        (values.total, values.presentmentTotal) = (.eur(10_000), .eur(10_000))
        values.placedAt = Self.day0
        edit(&values)
        let statement = OrderStatement(
            stamp: stamp(day),
            told: Set(OrderField.allCases),
            values: values,
            isComplete: true,
            cancelledAt: values.lifecycle == .cancelled ? Self.day(day) : nil
        )
        tell(.order(statement), day)
    }

    mutating func shipment(
        _ id: String,
        _ day: Double,
        number: String? = nil,
        reported: ShipmentStatus? = nil,
        shipped: Double? = nil
    ) {
        let statement = ShipmentStatement(
            externalID: id,
            stamp: stamp(day),
            told: Set(ShipmentField.allCases),
            values: ShipmentValues(carrier: "DHL", trackingNumber: number ?? "N\(id)", reported: reported),
            shippedAt: shipped.map(Self.day) ?? (reported == .cancelled ? nil : Self.day(day)),
            deliveredAt: reported == .delivered ? Self.day(day) : nil
        )
        tell(.shipment(statement), day)
    }

    /// By a tracking provider.
    mutating func report(_ id: String, _ day: Double, _ status: ShipmentStatus, number: String? = nil) {
        let event = TrackingEvent(
            externalID: "\(status.rawValue)-\(day)",
            kind: .progress(status),
            raw: nil,
            happenedAt: Self.day(day),
            receivedAt: Self.received(day),
            number: TrackingNumber(number ?? "N\(id)")
        )
        tell(.tracking(event, shipment: id), day)
    }

    /// With a payment of that status, or without one.
    mutating func refund(
        _ id: String,
        _ day: Double,
        _ amount: Money,
        _ status: RefundTransactionStatus?,
        terms: Bool = false
    ) {
        let stamp = stamp(day)
        let payments = status.map { status in
            [
                RefundTransactionStatement(
                    externalID: "T\(id)",
                    stamp: stamp,
                    status: status,
                    amount: amount,
                    processedAt: status == .pending ? nil : Self.day(day)
                )
            ]
        }
        var statement = RefundStatement(
            externalID: id,
            stamp: stamp,
            recordedAt: Self.day(day),
            transactions: payments ?? []
        )
        if terms { statement.terms = RefundTerms(amount: amount, reason: nil) }
        tell(.refund(statement), day)
    }

    mutating func list(_ day: Double, _ refunds: Set<String>) {
        tell(.refundList(RefundList(stamp: stamp(day), refunds: refunds)), day)
    }

    mutating func dispute(_ id: String, _ day: Double, _ status: DisputeStatus, _ type: DisputeType, _ amount: Money) {
        before = state
        var statement = DisputeStatement(stamp: stamp(day), type: type, status: status)
        statement.amount = amount
        let dispute = Dispute.applying(statement, to: state?.disputes[id], receivedAt: Self.received(day))
        _ = state?.note(dispute, id)
    }

    mutating func comeBack(_ id: String, _ day: Double, announced: Int?, received: Int, state: ReturnState? = nil) {
        before = self.state
        var statement = ReturnStatement(stamp: stamp(day), receipts: ["L": received])
        if let announced {
            statement.told.insert(.announced)
            statement.values.announced = [AnnouncedLine(externalID: "L", quantity: announced)]
        }
        if let state {
            statement.told.insert(.reported)
            statement.values.reported = state
        }
        var known = Return()
        known.apply(statement, receivedAt: Self.received(day))
        _ = self.state?.note(known, id)
    }

    var conflicts: [OrderConflict] { state.map { OrderConflict.all(in: $0) } ?? [] }
    /// What the last of it brought up for a person.
    var news: [OrderConflict] { state.map { OrderConflict.new(from: before, to: $0) } ?? [] }
}

extension Money {
    static func eur(_ amount: Int64) -> Money { Money(amount: amount, currency: "EUR") }
    static func usd(_ amount: Int64) -> Money { Money(amount: amount, currency: "USD") }
}

import Support
import Testing
import Time

@testable import Aftercare

/// As the two jobs do it: the shop's changes and the providers' updates, each as it comes, and after each of them
/// what is known of the numbers.
struct TrackingMirror {
    var state: OrderState?
    var trackers: [Tracker.Key: Tracker] = [:]
    var facts: [Fact] = []
    var findings: [TrackingFinding] = []
    var conflicts: [OrderConflict] = []

    enum Step {
        case shop(OrderChange)
        case carrier(TrackingUpdate)
    }

    init(_ steps: [Step]) {
        for step in steps {
            switch step {
            case .shop(let change): apply(change)
            case .carrier(let update): apply(update)
            }
        }
    }

    mutating func apply(_ change: OrderChange) {
        let known = state
        take(OrderMirror.apply(change, to: known, receivedAt: Told.day0), over: known)
    }

    mutating func apply(_ update: TrackingUpdate) {
        var tracker = trackers[update.key] ?? Tracker(update, receivedAt: Told.day0)
        tracker.merge(update, receivedAt: Told.day0)
        trackers[update.key] = tracker
        match([tracker])
    }

    private mutating func match(_ trackers: [Tracker]) {
        guard let known = state else { return }
        let changes = TrackingMatch.changes(trackers, to: known, of: "1")
        take(OrderMirror.apply(changes, to: known, receivedAt: Told.day0), over: known)
    }

    private mutating func take(_ outcome: OrderMirror.Outcome, over known: OrderState?) {
        findings += TrackingFinding.new(from: known, to: outcome.state)
        conflicts += OrderConflict.new(from: known, to: outcome.state)
        facts += outcome.facts
        state = outcome.state
        if TrackingMatch.isDue(from: known, to: outcome.state) { match(Array(trackers.values)) }
    }

    func status(_ id: String = "S") -> ShipmentStatus? { state?.shipments[id]?.status }
    func events(_ id: String = "S") -> Int { state?.shipments[id]?.events.count ?? 0 }
    var kinds: [Ticket.Kind] { findings.map(\.kind) + conflicts.compactMap(\.ticket) }
}

/// What shops and carriers say, by days from the first.
enum Told {
    static let day0 = Instant(seconds: 1_760_000_000)

    static func day(_ day: Double) -> Instant { day0 + .seconds(Int(day * 86_400)) }

    /// An order that was placed on day 0, with its shipments.
    static func order(
        _ minute: Int = 0,
        placed: Double? = 0,
        fulfillment: FulfillmentStatus = .fulfilled,
        lifecycle: LifecycleStatus = .open,
        at: Double = 0
    ) -> OrderChange {
        var values = OrderValues(number: "#1", fulfillment: fulfillment, lifecycle: lifecycle)
        values.placedAt = placed.map(day)
        let statement = OrderStatement(
            stamp: Stamp(at: day(at), hash: [UInt8(clamping: minute)]),
            told: Set(OrderField.allCases),
            values: values,
            isComplete: true,
            cancelledAt: lifecycle == .cancelled ? day(at) : nil
        )
        return OrderChange(order: "1", content: .order(statement))
    }

    static func shipment(
        _ id: String = "S",
        number: String = "N1",
        carrier: String? = "USPS",
        at: Double = 1,
        cancelled: Bool = false
    ) -> OrderChange {
        let statement = ShipmentStatement(
            externalID: id,
            stamp: Stamp(at: day(at), hash: [0]),
            told: Set(ShipmentField.allCases),
            values: ShipmentValues(
                carrier: carrier,
                trackingNumber: number,
                reported: cancelled ? .cancelled : nil,
                reportedRaw: cancelled ? "cancelled" : nil
            ),
            shippedAt: cancelled ? nil : day(at)
        )
        return OrderChange(order: "1", content: .shipment(statement))
    }

    static func update(
        _ scans: [(Double, ShipmentStatus)],
        number: String = "N1",
        carrier: String? = "usps",
        provider: Connection.Provider = .easypost,
        saidOn: Double? = nil
    ) throws -> TrackingUpdate {
        TrackingUpdate(
            provider: provider,
            number: try #require(TrackingNumber(number)),
            carrier: carrier,
            tracker: nil,
            saidAt: day(saidOn ?? scans.map(\.0).max() ?? 0),
            status: TrackingWord(.progress(.unknown), nil, nil),
            estimatedDelivery: nil,
            signedBy: nil,
            scans: scans.map { at, status in
                TrackingUpdate.Scan(
                    word: TrackingWord(.progress(status), status.rawValue, nil),
                    message: nil,
                    place: nil,
                    time: CarrierTime(day(at).rfc3339Exact, known: day(at))
                )
            }
        )
    }
}

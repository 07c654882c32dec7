import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Order mirror` {
    private static let receivedAt = Instant(seconds: 2_000_000)

    private static func at(_ minute: Int) -> Instant { Instant(seconds: Int64(minute) * 60) }

    private static func order(
        _ minute: Int?,
        hash: UInt8 = 0,
        told: Set<OrderField> = Set(OrderField.allCases),
        isComplete: Bool = true,
        _ edit: (inout OrderValues) -> Void = { _ in }
    ) -> OrderChange {
        var values = OrderValues(number: "#1001", email: "ada@example.com", financial: .pending)
        values.lines = [OrderLine(externalID: "1", title: "Pen", sku: nil, quantity: 1, unitPrice: 100)]
        edit(&values)
        let statement = OrderStatement(
            stamp: Stamp(at: minute.map(at), hash: [hash]),
            told: told,
            values: values,
            isComplete: isComplete,
            cancelledAt: values.lifecycle == .cancelled ? minute.map(at) : nil
        )
        return OrderChange(order: "1", content: .order(statement))
    }

    private static func shipment(
        _ minute: Int,
        _ reported: ShipmentStatus? = nil,
        number: String = "T1",
        isShipped: Bool = true
    ) -> OrderChange {
        let statement = ShipmentStatement(
            externalID: "S",
            stamp: Stamp(at: at(minute), hash: [0]),
            told: Set(ShipmentField.allCases),
            values: ShipmentValues(trackingNumber: number, reported: reported, reportedRaw: reported?.rawValue),
            shippedAt: isShipped ? at(10) : nil,
            deliveredAt: reported == .delivered ? at(minute) : nil
        )
        return OrderChange(order: "1", content: .shipment(statement))
    }

    private static func event(_ id: String, _ minute: Int, _ kind: TrackingEvent.Kind) -> OrderChange {
        let event = TrackingEvent(
            externalID: id,
            kind: kind,
            raw: kind.rawValue,
            message: nil,
            happenedAt: at(minute),
            receivedAt: receivedAt
        )
        return OrderChange(order: "1", content: .tracking(event, shipment: "S"))
    }

    private static func applied(_ changes: [OrderChange]) -> (state: OrderState?, facts: [Fact], regressions: Int) {
        var state: OrderState?
        var facts: [Fact] = []
        var regressions = 0
        for change in changes {
            let outcome = OrderMirror.apply(change, to: state, receivedAt: receivedAt)
            state = outcome.state
            facts += outcome.facts
            regressions += outcome.regressions.count
        }
        return (state, facts, regressions)
    }

    private static func status(_ changes: [OrderChange]) -> ShipmentStatus? {
        applied(changes).state?.shipments["S"]?.status
    }

    // MARK: Any order, any number of times

    /// A life of an order with all that makes trouble: stale retries, one instant with two versions, partial bodies,
    /// bodies without a time, an event id used twice, a scan after delivery, a cancellation.
    private static func randomChange(_ random: inout SeededGenerator) -> OrderChange {
        let minute = Int.random(in: 1...12, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0...2:
            let email = ["a@example.com", "b@example.com", nil].randomElement(using: &random) ?? nil
            let financial = FinancialStatus.allCases.randomElement(using: &random) ?? .unknown
            let lifecycle: LifecycleStatus = Bool.random(using: &random) ? .open : .cancelled
            let hash = UInt8.random(in: 0...255, using: &random)
            return order(minute, hash: hash) {
                ($0.email, $0.financial, $0.lifecycle) = (email, financial, lifecycle)
                $0.customerName = "\(hash)"
            }
        case 3...4:
            let told = Set(OrderField.allCases.filter { _ in Bool.random(using: &random) })
            let hash = UInt8.random(in: 0...255, using: &random)
            let at = Bool.random(using: &random) ? minute : nil
            return order(at, hash: hash, told: told, isComplete: false) { $0.number = "#\(hash)" }
        case 5...6:
            let reported = ([nil] + ShipmentStatus.allCases).randomElement(using: &random) ?? nil
            // One instant tells one thing of a shipment here: its hash is always the same.
            return shipment(100 + (reported.map { ShipmentStatus.allCases.firstIndex(of: $0) ?? 0 } ?? 50), reported)
        default:
            let status = ShipmentStatus.allCases.randomElement(using: &random) ?? .unknown
            let kind: TrackingEvent.Kind = Bool.random(using: &random) ? .progress(status) : .delay
            return event("\(Int.random(in: 0..<6, using: &random))", minute, kind)
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the order and however often, the mirror and its facts end up the same`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var changes: [OrderChange] = []
        for _ in 0..<Int.random(in: 1...10, using: &random) {
            let change = Self.randomChange(&random)
            // A source gives one time and hash to one content only.
            let isTaken = changes.contains { other in
                guard case .order(let a) = other.content, case .order(let b) = change.content else { return false }
                return a.stamp == b.stamp && a != b
            }
            if !isTaken { changes.append(change) }
        }
        let expected = Self.applied(changes)
        for _ in 0..<12 {
            let copies = changes + changes.filter { _ in Bool.random(using: &random) }
            let (state, facts, _) = Self.applied(copies.shuffled(using: &random))
            #expect(state == expected.state)
            #expect(Set(facts.map(\.key)) == Set(expected.facts.map(\.key)))
            #expect(Set(facts.map(\.key)).count == facts.count, "a fact was raised twice")
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the same change again changes nothing and raises nothing`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var state: OrderState?
        for _ in 0..<8 {
            let change = Self.randomChange(&random)
            let once = OrderMirror.apply(change, to: state, receivedAt: Self.receivedAt)
            let twice = OrderMirror.apply(change, to: once.state, receivedAt: Self.receivedAt)
            #expect(twice.state == once.state && twice.facts.isEmpty)
            state = once.state
        }
    }

    // MARK: Cases by name

    // domain.md 5, Ingest 1.
    @Test func `a shipment and its delivery may come before the order`() {
        let early = [Self.event("e", 30, .progress(.delivered)), Self.shipment(20)]
        let (stub, facts, _) = Self.applied(early)
        #expect(stub?.isComplete == false && stub?.provenance.newest == nil)
        #expect(facts.map(\.key.kind) == [.shipped, .delivered] && facts.last?.happenedAt == Self.at(30))
        let (state, all, _) = Self.applied(early + [Self.order(5)])
        #expect(state?.isComplete == true && all.last?.key.kind == .orderPlaced)
    }

    // domain.md 5, Ingest 4.
    @Test func `a retry hours late changes no newer value, and still raises what it tells`() {
        let paid = Self.order(1) { $0.financial = .paid }
        let refunded = Self.order(2) { $0.financial = .refunded }
        let (state, facts, _) = Self.applied([refunded, paid])
        #expect(state?.values.financial == .refunded && state?.provenance.newest?.at == Self.at(2))
        #expect(facts.map(\.key.kind) == [.orderPlaced, .orderPaid])
    }

    @Test func `a fact happened at the earliest time that anything says of it, whichever came first`() {
        let first = Self.order(1) { $0.financial = .paid }
        let second = Self.order(2) { $0.financial = .paid }
        for changes in [[first, second], [second, first]] {
            let (state, facts, _) = Self.applied(changes)
            #expect(state?.facts[Fact.Key(kind: .orderPaid, episode: "order")] == Self.at(1))
            #expect(facts.map(\.key.kind) == [.orderPlaced, .orderPaid])
        }
    }

    // domain.md 5, Ingest 3.
    @Test func `of two versions of one instant the same one wins in both orders`() {
        let a = Self.order(1, hash: 1) { $0.email = "a@example.com" }
        let b = Self.order(1, hash: 2) { $0.email = "b@example.com" }
        #expect(Self.applied([a, b]).state?.values.email == "b@example.com")
        #expect(Self.applied([b, a]).state?.values.email == "b@example.com")
    }

    @Test func `an older partial body fills what newer ones did not mention, and no more`() {
        let newer = Self.order(3, told: [.financial]) { $0.financial = .paid }
        let middle = Self.order(2, told: [.email, .financial]) { $0.email = "b@example.com" }
        let older = Self.order(1, told: [.email]) { $0.email = "a@example.com" }
        for changes in [[newer, older, middle], [middle, newer, older], [older, newer, middle]] {
            let state = Self.applied(changes).state
            #expect(state?.values.email == "b@example.com" && state?.values.financial == .paid)
            #expect(state?.provenance.stamp(of: .email)?.at == Self.at(2))
        }
    }

    @Test func `a newer body that says there is no address any more is believed`() {
        let state = Self.applied([Self.order(1), Self.order(2) { $0.email = nil }]).state
        #expect(state?.values.email == nil)
    }

    @Test func `a statement without a time only fills gaps`() {
        let dated = Self.order(1, told: [.email]) { $0.email = "a@example.com" }
        let undated = Self.order(nil, told: [.email, .number]) { $0.email = "x@example.com" }
        for changes in [[dated, undated], [undated, dated]] {
            let values = Self.applied(changes).state?.values
            #expect(values?.email == "a@example.com" && values?.number == "#1001")
        }
    }

    @Test func `tracking goes by the carrier's time, and by rank only within one instant`() {
        let transit = Self.event("a", 1, .progress(.inTransit))
        let out = Self.event("b", 2, .progress(.outForDelivery))
        let back = Self.event("c", 3, .progress(.inTransit))
        let tie = Self.event("d", 2, .progress(.attempted))
        #expect(Self.status([out, transit]) == .outForDelivery)
        #expect(Self.status([out, transit, back]) == .inTransit)
        #expect(Self.status([tie, out]) == .attempted)
        #expect(Self.status([out, tie]) == .attempted)
    }

    // domain.md 5, case 15.
    @Test func `delivered stays when the parcel is scanned again later, and that is noticed`() {
        let delivered = Self.event("a", 5, .progress(.delivered))
        let later = Self.event("b", 9, .progress(.inTransit))
        let (state, facts, regressions) = Self.applied([delivered, later])
        #expect(state?.shipments["S"]?.status == .delivered && state?.shipments["S"]?.statusAt == Self.at(5))
        #expect(facts.map(\.key.kind) == [.shipped, .delivered] && regressions == 1)
        #expect(Self.status([later, delivered]) == .delivered)
    }

    @Test func `a delay is a flag beside the status, until the parcel moves on`() {
        let transit = Self.event("a", 1, .progress(.inTransit))
        let delay = Self.event("b", 2, .delay)
        let out = Self.event("c", 3, .progress(.outForDelivery))
        let late = Self.applied([delay, transit]).state?.shipments["S"]
        #expect(late?.status == .inTransit && late?.isDelayed == true)
        let moved = Self.applied([delay, transit, out]).state?.shipments["S"]
        #expect(moved?.status == .outForDelivery && moved?.isDelayed == false)
    }

    @Test func `the shop's summary counts where an event must have been lost, else the carrier's events do`() {
        let out = Self.event("a", 11, .progress(.outForDelivery))
        #expect(Self.status([out, Self.shipment(20, .inTransit)]) == .outForDelivery)
        #expect(Self.status([out, Self.shipment(20, .attempted)]) == .attempted)
        #expect(Self.status([out, Self.shipment(10, .attempted)]) == .outForDelivery)
        #expect(Self.status([Self.shipment(20, .inTransit)]) == .inTransit)
    }

    // domain.md 5, case 15.
    @Test func `a cancelled fulfillment is cancelled, unless it was delivered`() {
        let cancelled = Self.shipment(20, .cancelled, isShipped: false)
        #expect(Self.status([Self.event("a", 30, .progress(.inTransit)), cancelled]) == .cancelled)
        #expect(Self.status([cancelled, Self.event("a", 30, .progress(.delivered))]) == .delivered)
    }

    @Test func `what the shop says of a parcel again is no news of it, and of another number it is`() {
        let told = [
            Self.shipment(20, .inTransit, number: "T1"), Self.shipment(30, .inTransit, number: "T1"),
            Self.shipment(40, .inTransit, number: "T1"),
        ]
        for changes in [told, told.reversed()] {
            let shipment = Self.applied(changes).state?.shipments["S"]
            #expect(shipment?.status == .inTransit && shipment?.statusAt == Self.at(20))
            #expect(shipment?.lastEventAt == Self.at(20))
        }
        // Held, on its way, and held once more: that is news.
        let again = [
            Self.shipment(20, .heldActionRequired), Self.shipment(30, .inTransit),
            Self.shipment(40, .heldActionRequired),
            Self.shipment(50, .heldActionRequired),
        ]
        for changes in [again, again.reversed()] {
            #expect(Self.applied(changes).state?.shipments["S"]?.statusAt == Self.at(30))
        }
        let replaced = Self.applied(told + [Self.shipment(50, .inTransit, number: "T2")]).state?.shipments["S"]
        #expect(replaced?.statusAt == Self.at(50))
    }

    @Test func `each parcel has its own facts, and a replaced tracking number raises none`() {
        let (state, facts, _) = Self.applied([Self.shipment(20), Self.shipment(21, number: "T2")])
        #expect(state?.shipments["S"]?.values.trackingNumber == "T2")
        #expect(facts.map(\.key) == [Fact.Key(kind: .shipped, episode: "S")])
    }

    @Test func `a request to ship that failed is not shipped`() {
        let (state, facts, _) = Self.applied([Self.shipment(20, .failed, isShipped: false)])
        #expect(state?.shipments["S"]?.status == .failed && facts.isEmpty)
    }
}

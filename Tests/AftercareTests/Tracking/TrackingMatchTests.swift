import Support
import Testing
import Time

@testable import Aftercare

/// Which reports are about which shipment, and what the mirror makes of them.
@Suite struct `Tracking and shipments` {
    private static let day0 = Instant(seconds: 1_760_000_000)

    private static func day(_ day: Double) -> Instant { day0 + .seconds(Int(day * 86_400)) }

    /// An order that was placed on day 0, with its shipments.
    private static func order(
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

    private static func shipment(
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

    private static func update(
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

    /// As the two jobs do it: the shop's changes and the providers' updates, each as it comes, and after each of them
    /// what is known of the numbers.
    private struct Mirror {
        var state: OrderState?
        var trackers: [Tracker.Key: Tracker] = [:]
        var facts: [Fact] = []
        var findings: [TrackingFinding] = []
        var conflicts: [OrderConflict] = []

        mutating func apply(_ change: OrderChange) {
            let known = state
            take(OrderMirror.apply(change, to: known, receivedAt: day0), over: known)
        }

        mutating func apply(_ update: TrackingUpdate) {
            var tracker = trackers[update.key] ?? Tracker(update, receivedAt: day0)
            tracker.merge(update, receivedAt: day0)
            trackers[update.key] = tracker
            match([tracker])
        }

        private mutating func match(_ trackers: [Tracker]) {
            guard let known = state else { return }
            let changes = TrackingMatch.changes(trackers, to: known, of: "1")
            take(OrderMirror.apply(changes, to: known, receivedAt: day0), over: known)
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

    private enum Step {
        case shop(OrderChange)
        case carrier(TrackingUpdate)
    }

    private static func mirror(_ steps: [Step]) -> Mirror {
        var mirror = Mirror()
        for step in steps {
            switch step {
            case .shop(let change): mirror.apply(change)
            case .carrier(let update): mirror.apply(update)
            }
        }
        return mirror
    }

    // MARK: Whoever comes first

    // domain.md 5, case 15.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the order and however often, the mirror and its facts end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var steps: [Step] = [.shop(Self.order())]
        for (index, number) in ["N1", "n 2"].enumerated() {
            steps.append(.shop(Self.shipment("S\(index)", number: number, at: 1)))
            if Bool.random(using: &random) {
                let event = TrackingEvent(
                    externalID: "shop-\(index)",
                    kind: .progress([.inTransit, .delivered].randomElement(using: &random) ?? .inTransit),
                    raw: nil,
                    message: nil,
                    happenedAt: Self.day(.random(in: 2...9, using: &random)),
                    receivedAt: Self.day0
                )
                steps.append(.shop(OrderChange(order: "1", content: .tracking(event, shipment: "S\(index)"))))
            }
        }
        let statuses: [ShipmentStatus] = [
            .labelCreated, .pickedUp, .inTransit, .outForDelivery, .attempted, .delivered, .returning, .lost, .unknown,
        ]
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            var scans: [(Double, ShipmentStatus)] = []
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                // Some long before the order, and some long after it: another parcel's.
                let day = [Double.random(in: 0...12, using: &random), -200, -31, 190].randomElement(using: &random)
                scans.append((day ?? 0, statuses.randomElement(using: &random) ?? .unknown))
            }
            let update = try Self.update(
                scans,
                number: ["N-1", "N2", "N3"].randomElement(using: &random) ?? "",
                carrier: ["usps", "UPS", nil, "fedex"].randomElement(using: &random) ?? nil,
                provider: Connection.Provider.trackers.randomElement(using: &random) ?? .easypost,
                saidOn: .random(in: 10...20, using: &random)
            )
            steps.append(.carrier(update))
        }
        let expected = Self.mirror(steps)
        for _ in 0..<12 {
            let copies = steps + steps.filter { _ in Bool.random(using: &random) }
            let mirror = Self.mirror(copies.shuffled(using: &random))
            #expect(mirror.state == expected.state)
            #expect(Set(mirror.facts.map(\.key)) == Set(expected.facts.map(\.key)))
            #expect(Set(mirror.facts.map(\.key)).count == mirror.facts.count, "a fact was raised twice")
        }
    }

    @Test func `an update again changes nothing`() throws {
        let update = try Self.update([(1, .inTransit), (2, .delivered)])
        let steps: [Step] = [.shop(Self.order()), .shop(Self.shipment()), .carrier(update)]
        let (once, twice) = (Self.mirror(steps), Self.mirror(steps + [.carrier(update)]))
        #expect(once.state == twice.state && once.facts == twice.facts && once.events() == 2)
    }

    @Test func `an update before the shop's shipment is kept for it, and so is one before its order`() throws {
        let update = try Self.update([(1, .inTransit), (2, .delivered)])
        for steps in [
            [.carrier(update), .shop(Self.shipment()), .shop(Self.order())],
            [.shop(Self.shipment()), .carrier(update), .shop(Self.order())],
            [.shop(Self.order()), .carrier(update), .shop(Self.shipment())],
        ] as [[Step]] {
            let mirror = Self.mirror(steps)
            #expect(mirror.status() == .delivered && mirror.state?.shipments["S"]?.deliveredAt == Self.day(2))
            #expect(mirror.facts.count { $0.key.kind == .delivered } == 1)
        }
    }

    // MARK: Case 15

    // domain.md 5, case 15.
    @Test func `of two parcels one is delivered and one is lost`() throws {
        let mirror = Self.mirror([
            .shop(Self.order()), .shop(Self.shipment("A", number: "N1")), .shop(Self.shipment("B", number: "N2")),
            .carrier(try Self.update([(2, .inTransit), (3, .delivered)])),
            .carrier(try Self.update([(2, .inTransit), (4, .lost)], number: "N2")),
        ])
        #expect(mirror.status("A") == .delivered && mirror.status("B") == .lost)
        #expect(mirror.facts.filter { $0.key.kind == .delivered }.map(\.key.episode) == ["A"])
        #expect(mirror.kinds == [.missingShipment] && mirror.findings.first?.shipment == "B")
    }

    // domain.md 5, case 15.
    @Test(arguments: [
        (ShipmentStatus.inTransit, 5.0), (.returning, 5.0), (.returning, 2.5), (.returned, 2.5), (.lost, 5),
    ])
    func `what contradicts a delivery is for a person, once, and not applied`(
        _ status: ShipmentStatus,
        _ at: Double
    ) throws {
        let shop: [Step] = [.shop(Self.order()), .shop(Self.shipment())]
        let delivered = Step.carrier(try Self.update([(2, .inTransit), (3, .delivered)]))
        let both = Step.carrier(try Self.update([(2, .inTransit), (3, .delivered), (at, status)]))
        for steps in [shop + [delivered, both, both], [both, delivered] + shop] {
            let mirror = Self.mirror(steps)
            #expect(mirror.status() == .delivered && mirror.state?.shipments["S"]?.statusAt == Self.day(3))
            #expect(mirror.kinds == [.conflictingTracking])
        }
        // A scan before it is none.
        #expect(Self.mirror(shop + [delivered]).kinds == [])
    }

    // domain.md 5, case 15.
    @Test func `a number that is used again a year later is another parcel`() throws {
        let old = try Self.update([(-400, .inTransit), (-398, .delivered)])
        let new = try Self.update([(-400, .inTransit), (-398, .delivered), (2, .inTransit)])
        for steps in [[.carrier(old), .carrier(new)], [.carrier(new), .carrier(old)], [.carrier(new)]] as [[Step]] {
            let mirror = Self.mirror([.shop(Self.order()), .shop(Self.shipment())] + steps)
            #expect(mirror.status() == .inTransit && mirror.events() == 1)
            #expect(!mirror.facts.contains { $0.key.kind == .delivered } && mirror.kinds == [])
            // And the other way round: the new parcel's reports are not those of last year's order.
            let former = Self.mirror([.shop(Self.order(placed: -401)), .shop(Self.shipment(at: -400.5))] + steps)
            #expect(former.status() == .delivered && former.events() == 2 && former.kinds == [])
        }
        // Of a parcel that never arrived too: a number does not rest for months in the middle of a journey.
        let lost = try Self.update([(2, .inTransit), (150, .inTransit), (151, .delivered)])
        let mirror = Self.mirror([.shop(Self.order()), .shop(Self.shipment()), .carrier(lost)])
        #expect(mirror.status() == .inTransit && mirror.events() == 1)
    }

    // domain.md 5, case 15.
    @Test func `reports of a number that was replaced count no more`() throws {
        let old = try Self.update([(1.1, .labelCreated), (2, .inTransit)])
        let new = try Self.update([(1.5, .labelCreated)], number: "N2")
        let (first, second) = (Step.shop(Self.shipment(at: 1)), Step.shop(Self.shipment(number: "N2", at: 1.4)))
        for steps in [
            [first, .carrier(old), second, .carrier(new)], [first, second, .carrier(old), .carrier(new)],
            [.carrier(old), .carrier(new), second, first],
            [first, .carrier(old), .carrier(new), second, .carrier(old)],
        ] as [[Step]] {
            let mirror = Self.mirror([.shop(Self.order())] + steps)
            #expect(mirror.status() == .labelCreated)
            #expect(mirror.state?.shipments["S"]?.countedEvents.map(\.number?.key) == ["N2"])
        }
    }

    // domain.md 5, case 15.
    @Test func `a fulfilment that is cancelled and made again leaves its number to the new one`() throws {
        let update = try Self.update([(2, .inTransit), (3, .delivered)])
        let cancelled = Step.shop(Self.shipment("A", at: 1.5, cancelled: true))
        let mirror = Self.mirror([
            .shop(Self.order()), .shop(Self.shipment("A")), cancelled, .shop(Self.shipment("B", at: 1.6)),
            .carrier(update),
        ])
        #expect(mirror.status("A") == .cancelled && mirror.status("B") == .delivered && mirror.kinds == [])
        #expect(mirror.facts.filter { $0.key.kind == .delivered }.map(\.key.episode) == ["B"])
        // Made again with another number, and the first parcel came all the same.
        let other = Self.mirror([
            .shop(Self.order()), .shop(Self.shipment("A")), cancelled, .shop(Self.shipment("B", number: "N2", at: 1.6)),
            .carrier(update),
        ])
        #expect(other.status("A") == .delivered && other.kinds == [.conflictingTracking])
    }

    // domain.md 5, cases 16 and 19.
    @Test func `a delivery that the shop knows nothing of, or has cancelled, is for a person`() throws {
        let delivered = Step.carrier(try Self.update([(2, .inTransit), (3, .delivered)]))
        let shop: [Step] = [.shop(Self.order()), .shop(Self.shipment())]
        let cancelled = Step.shop(Self.order(1, lifecycle: .cancelled, at: 2.5))
        for steps in [shop + [cancelled, delivered], shop + [delivered, cancelled]] {
            #expect(Self.mirror(steps).kinds == [.conflictingOrderData])
        }
        // By the shop's word alone it counts where the order was cancelled first.
        let event = TrackingEvent(
            externalID: "shop",
            kind: .progress(.delivered),
            raw: nil,
            message: nil,
            happenedAt: Self.day(3),
            receivedAt: Self.day0
        )
        let told = Step.shop(OrderChange(order: "1", content: .tracking(event, shipment: "S")))
        let later = Step.shop(Self.order(1, lifecycle: .cancelled, at: 4))
        #expect(Self.mirror(shop + [told, cancelled]).kinds == [.conflictingOrderData])
        #expect(Self.mirror(shop + [told, later]).kinds == [])
        let unfulfilled = Step.shop(Self.order(1, fulfillment: .unfulfilled, at: 4))
        #expect(Self.mirror(shop + [delivered, unfulfilled]).kinds == [.conflictingOrderData])
        // It may only be late: what it said before the delivery is no contradiction.
        let early = Step.shop(Self.order(1, fulfillment: .unfulfilled, at: 2.9))
        #expect(Self.mirror(shop + [early, delivered]).kinds == [])
    }

    @Test(
        arguments: [
            (ShipmentStatus.lost, Ticket.Kind.missingShipment), (.damaged, .damagedGoods),
            (.returning, .deliveryException), (.returned, .deliveryException),
            (.heldActionRequired, .deliveryException), (.noDataExpired, .missingShipment),
        ]
    )
    func `an exception is found once, and again when it comes again`(
        _ status: ShipmentStatus,
        _ kind: Ticket.Kind
    ) throws {
        let shop: [Step] = [.shop(Self.order()), .shop(Self.shipment())]
        let one = Step.carrier(try Self.update([(2, status)]))
        #expect(Self.mirror(shop + [one, one]).kinds == [kind])
        let over = Step.carrier(try Self.update([(2, status), (3, .inTransit)]))
        let again = Step.carrier(try Self.update([(2, status), (3, .inTransit), (4, status)]))
        let mirror = Self.mirror(shop + [one, over, again, again])
        #expect(mirror.kinds == [kind, kind] && Set(mirror.findings.map(\.evidence)).count == 2)
        // It was over before anybody heard of it.
        #expect(Self.mirror(shop + [over]).kinds == [])
    }

    @Test func `another carrier's parcel with that number is not meant`() throws {
        let update = try Self.update([(2, .delivered)], carrier: "fedex")
        let ups = Self.mirror([.shop(Self.order()), .shop(Self.shipment(carrier: "UPS")), .carrier(update)])
        #expect(ups.events() == 0)
        let unknown = Self.mirror([.shop(Self.order()), .shop(Self.shipment(carrier: "Standard")), .carrier(update)])
        #expect(unknown.status() == .delivered)
    }

    // MARK: Times without a zone

    /// Local times keep their order, and nothing is held against a carrier that may only have another zone.
    @Test func `times on the wall make no false contradiction, and a real one is found`() throws {
        func tracker(_ scans: [(String, ShipmentStatus)]) throws -> Tracker {
            let update = TrackingUpdate(
                provider: .aftership,
                number: try #require(TrackingNumber("N1")),
                carrier: nil,
                tracker: nil,
                saidAt: try Instant.at("2025-10-20T00:00:00Z"),
                status: TrackingWord(.progress(.unknown), nil, nil),
                estimatedDelivery: nil,
                signedBy: nil,
                scans: try scans.map { text, status in
                    TrackingUpdate.Scan(
                        word: TrackingWord(.progress(status), nil, nil),
                        message: nil,
                        place: nil,
                        time: CarrierTime(text, known: try Instant.at("2025-10-20T00:00:00Z"))
                    )
                }
            )
            return Tracker(update, receivedAt: Self.day0)
        }
        func shipment(_ scans: [(String, ShipmentStatus)], deliveredAt: String? = nil) throws -> Shipment? {
            var state = Self.mirror([.shop(Self.order()), .shop(Self.shipment())]).state
            if let deliveredAt {
                let event = TrackingEvent(
                    externalID: "shop",
                    kind: .progress(.delivered),
                    raw: nil,
                    message: nil,
                    happenedAt: try Instant.at(deliveredAt),
                    receivedAt: Self.day0
                )
                let change = OrderChange(order: "1", content: .tracking(event, shipment: "S"))
                state = OrderMirror.apply(change, to: state, receivedAt: Self.day0).state
            }
            let changes = TrackingMatch.changes([try tracker(scans)], to: try #require(state), of: "1")
            return OrderMirror.apply(changes, to: state, receivedAt: Self.day0).state.shipments["S"]
        }
        // Placed on 2025-10-09. Out for delivery at nine and delivered at ten, on one wall.
        let walls = try shipment([("2025-10-12T10:00:00", .delivered), ("2025-10-12T09:00:00", .outForDelivery)])
        #expect(walls?.status == .delivered && walls?.contradictions == [])
        let later = try shipment([("2025-10-12T10:00:00", .delivered), ("2025-10-12T11:00:00", .inTransit)])
        #expect(later?.contradictions.count == 1)
        // The shop knows the instant. Eleven on some wall may have been before it, the day after next cannot.
        let mixed = try shipment([("2025-10-12T11:00:00", .inTransit)], deliveredAt: "2025-10-12T10:00:00Z")
        #expect(mixed?.contradictions == [])
        let sure = try shipment([("2025-10-14T11:00:00", .inTransit)], deliveredAt: "2025-10-12T10:00:00Z")
        #expect(sure?.contradictions.count == 1)
        // A date alone, and a time beside it.
        let date = try shipment([("2025-10-12", .outForDelivery)], deliveredAt: "2025-10-11T10:00:00Z")
        #expect(date?.contradictions == [])
    }

    @Test func `a tracker keeps so many reports and no more, the latest`() throws {
        let scans = (0..<700).map { (Double($0) / 100, ShipmentStatus.inTransit) }
        var tracker = Tracker(try Self.update(scans), receivedAt: Self.day0)
        #expect(tracker.events.count == Tracker.limit)
        #expect(tracker.events.values.map(\.happenedAt).max() == Self.day(6.99))
        tracker.merge(try Self.update([(6.995, .delivered)]), receivedAt: Self.day0)
        #expect(tracker.events.count == Tracker.limit)
        #expect(Tracker.events(tracker.eventsJSON, of: tracker.key.number) == tracker.events)
    }
}

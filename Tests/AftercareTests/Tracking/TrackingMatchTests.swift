import Support
import Testing
import Time

@testable import Aftercare

/// Which reports are about which shipment, and what the mirror makes of them.
@Suite struct `Tracking and shipments` {
    private typealias Step = TrackingMirror.Step

    // MARK: Whoever comes first

    // domain.md 5, case 15.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the order and however often, the mirror and its facts end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var steps: [Step] = [.shop(Told.order())]
        for (index, number) in ["N1", "n 2"].enumerated() {
            steps.append(.shop(Told.shipment("S\(index)", number: number, at: 1)))
            if Bool.random(using: &random) {
                let event = TrackingEvent(
                    externalID: "shop-\(index)",
                    kind: .progress([.inTransit, .delivered].randomElement(using: &random) ?? .inTransit),
                    raw: nil,
                    message: nil,
                    happenedAt: Told.day(.random(in: 2...9, using: &random)),
                    receivedAt: Told.day0
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
            let update = try Told.update(
                scans,
                number: ["N-1", "N2", "N3"].randomElement(using: &random) ?? "",
                carrier: ["usps", "UPS", nil, "fedex"].randomElement(using: &random) ?? nil,
                provider: Connection.Provider.trackers.randomElement(using: &random) ?? .easypost,
                saidOn: .random(in: 10...20, using: &random)
            )
            steps.append(.carrier(update))
        }
        let expected = TrackingMirror(steps)
        for _ in 0..<12 {
            let copies = steps + steps.filter { _ in Bool.random(using: &random) }
            let mirror = TrackingMirror(copies.shuffled(using: &random))
            #expect(mirror.state == expected.state)
            #expect(Set(mirror.facts.map(\.key)) == Set(expected.facts.map(\.key)))
            #expect(Set(mirror.facts.map(\.key)).count == mirror.facts.count, "a fact was raised twice")
        }
    }

    @Test func `an update again changes nothing`() throws {
        let update = try Told.update([(1, .inTransit), (2, .delivered)])
        let steps: [Step] = [.shop(Told.order()), .shop(Told.shipment()), .carrier(update)]
        let (once, twice) = (TrackingMirror(steps), TrackingMirror(steps + [.carrier(update)]))
        #expect(once.state == twice.state && once.facts == twice.facts && once.events() == 2)
    }

    @Test func `an update before the shop's shipment is kept for it, and so is one before its order`() throws {
        let update = try Told.update([(1, .inTransit), (2, .delivered)])
        for steps in [
            [.carrier(update), .shop(Told.shipment()), .shop(Told.order())],
            [.shop(Told.shipment()), .carrier(update), .shop(Told.order())],
            [.shop(Told.order()), .carrier(update), .shop(Told.shipment())],
        ] as [[Step]] {
            let mirror = TrackingMirror(steps)
            #expect(mirror.status() == .delivered && mirror.state?.shipments["S"]?.deliveredAt == Told.day(2))
            #expect(mirror.facts.count { $0.key.kind == .delivered } == 1)
        }
    }

    // MARK: Case 15

    // domain.md 5, case 15.
    @Test func `of two parcels one is delivered and one is lost`() throws {
        let mirror = TrackingMirror([
            .shop(Told.order()), .shop(Told.shipment("A", number: "N1")), .shop(Told.shipment("B", number: "N2")),
            .carrier(try Told.update([(2, .inTransit), (3, .delivered)])),
            .carrier(try Told.update([(2, .inTransit), (4, .lost)], number: "N2")),
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
        let shop: [Step] = [.shop(Told.order()), .shop(Told.shipment())]
        let delivered = Step.carrier(try Told.update([(2, .inTransit), (3, .delivered)]))
        let both = Step.carrier(try Told.update([(2, .inTransit), (3, .delivered), (at, status)]))
        for steps in [shop + [delivered, both, both], [both, delivered] + shop] {
            let mirror = TrackingMirror(steps)
            #expect(mirror.status() == .delivered && mirror.state?.shipments["S"]?.statusAt == Told.day(3))
            #expect(mirror.kinds == [.conflictingTracking])
        }
        // A scan before it is none.
        #expect(TrackingMirror(shop + [delivered]).kinds == [])
    }

    // domain.md 5, case 15.
    @Test func `a number that is used again a year later is another parcel`() throws {
        let old = try Told.update([(-400, .inTransit), (-398, .delivered)])
        let new = try Told.update([(-400, .inTransit), (-398, .delivered), (2, .inTransit)])
        for steps in [[.carrier(old), .carrier(new)], [.carrier(new), .carrier(old)], [.carrier(new)]] as [[Step]] {
            let mirror = TrackingMirror([.shop(Told.order()), .shop(Told.shipment())] + steps)
            #expect(mirror.status() == .inTransit && mirror.events() == 1)
            #expect(!mirror.facts.contains { $0.key.kind == .delivered } && mirror.kinds == [])
            // And the other way round: the new parcel's reports are not those of last year's order.
            let former = TrackingMirror([.shop(Told.order(placed: -401)), .shop(Told.shipment(at: -400.5))] + steps)
            #expect(former.status() == .delivered && former.events() == 2 && former.kinds == [])
        }
        // Of a parcel that never arrived too: a number does not rest for months in the middle of a journey.
        let lost = try Told.update([(2, .inTransit), (150, .inTransit), (151, .delivered)])
        let mirror = TrackingMirror([.shop(Told.order()), .shop(Told.shipment()), .carrier(lost)])
        #expect(mirror.status() == .inTransit && mirror.events() == 1)
    }

    // domain.md 5, case 15.
    @Test func `reports of a number that was replaced count no more`() throws {
        let old = try Told.update([(1.1, .labelCreated), (2, .inTransit)])
        let new = try Told.update([(1.5, .labelCreated)], number: "N2")
        let (first, second) = (Step.shop(Told.shipment(at: 1)), Step.shop(Told.shipment(number: "N2", at: 1.4)))
        for steps in [
            [first, .carrier(old), second, .carrier(new)], [first, second, .carrier(old), .carrier(new)],
            [.carrier(old), .carrier(new), second, first],
            [first, .carrier(old), .carrier(new), second, .carrier(old)],
        ] as [[Step]] {
            let mirror = TrackingMirror([.shop(Told.order())] + steps)
            #expect(mirror.status() == .labelCreated)
            #expect(mirror.state?.shipments["S"]?.countedEvents.map(\.number?.key) == ["N2"])
        }
    }

    // domain.md 5, case 15.
    @Test func `a fulfilment that is cancelled and made again leaves its number to the new one`() throws {
        let update = try Told.update([(2, .inTransit), (3, .delivered)])
        let cancelled = Step.shop(Told.shipment("A", at: 1.5, cancelled: true))
        let mirror = TrackingMirror([
            .shop(Told.order()), .shop(Told.shipment("A")), cancelled, .shop(Told.shipment("B", at: 1.6)),
            .carrier(update),
        ])
        #expect(mirror.status("A") == .cancelled && mirror.status("B") == .delivered && mirror.kinds == [])
        #expect(mirror.facts.filter { $0.key.kind == .delivered }.map(\.key.episode) == ["B"])
        // Made again with another number, and the first parcel came all the same.
        let other = TrackingMirror([
            .shop(Told.order()), .shop(Told.shipment("A")), cancelled, .shop(Told.shipment("B", number: "N2", at: 1.6)),
            .carrier(update),
        ])
        #expect(other.status("A") == .delivered && other.kinds == [.conflictingTracking])
    }

    // domain.md 5, cases 16 and 19.
    @Test func `a delivery that the shop knows nothing of, or has cancelled, is for a person`() throws {
        let delivered = Step.carrier(try Told.update([(2, .inTransit), (3, .delivered)]))
        let shop: [Step] = [.shop(Told.order()), .shop(Told.shipment())]
        let cancelled = Step.shop(Told.order(1, lifecycle: .cancelled, at: 2.5))
        for steps in [shop + [cancelled, delivered], shop + [delivered, cancelled]] {
            #expect(TrackingMirror(steps).kinds == [.conflictingOrderData])
        }
        // By the shop's word alone it counts where the order was cancelled first.
        let event = TrackingEvent(
            externalID: "shop",
            kind: .progress(.delivered),
            raw: nil,
            message: nil,
            happenedAt: Told.day(3),
            receivedAt: Told.day0
        )
        let told = Step.shop(OrderChange(order: "1", content: .tracking(event, shipment: "S")))
        let later = Step.shop(Told.order(1, lifecycle: .cancelled, at: 4))
        #expect(TrackingMirror(shop + [told, cancelled]).kinds == [.conflictingOrderData])
        #expect(TrackingMirror(shop + [told, later]).kinds == [])
        let unfulfilled = Step.shop(Told.order(1, fulfillment: .unfulfilled, at: 4))
        #expect(TrackingMirror(shop + [delivered, unfulfilled]).kinds == [.conflictingOrderData])
        // It may only be late: what it said before the delivery is no contradiction.
        let early = Step.shop(Told.order(1, fulfillment: .unfulfilled, at: 2.9))
        #expect(TrackingMirror(shop + [early, delivered]).kinds == [])
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
        let shop: [Step] = [.shop(Told.order()), .shop(Told.shipment())]
        let one = Step.carrier(try Told.update([(2, status)]))
        #expect(TrackingMirror(shop + [one, one]).kinds == [kind])
        let over = Step.carrier(try Told.update([(2, status), (3, .inTransit)]))
        let again = Step.carrier(try Told.update([(2, status), (3, .inTransit), (4, status)]))
        let mirror = TrackingMirror(shop + [one, over, again, again])
        #expect(mirror.kinds == [kind, kind] && Set(mirror.findings.map(\.evidence)).count == 2)
        // It was over before anybody heard of it.
        #expect(TrackingMirror(shop + [over]).kinds == [])
    }

    @Test func `another carrier's parcel with that number is not meant`() throws {
        let update = try Told.update([(2, .delivered)], carrier: "fedex")
        let ups = TrackingMirror([.shop(Told.order()), .shop(Told.shipment(carrier: "UPS")), .carrier(update)])
        #expect(ups.events() == 0)
        let unknown = TrackingMirror([.shop(Told.order()), .shop(Told.shipment(carrier: "Standard")), .carrier(update)])
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
            return Tracker(update, receivedAt: Told.day0)
        }
        func shipment(_ scans: [(String, ShipmentStatus)], deliveredAt: String? = nil) throws -> Shipment? {
            var state = TrackingMirror([.shop(Told.order()), .shop(Told.shipment())]).state
            if let deliveredAt {
                let event = TrackingEvent(
                    externalID: "shop",
                    kind: .progress(.delivered),
                    raw: nil,
                    message: nil,
                    happenedAt: try Instant.at(deliveredAt),
                    receivedAt: Told.day0
                )
                let change = OrderChange(order: "1", content: .tracking(event, shipment: "S"))
                state = OrderMirror.apply(change, to: state, receivedAt: Told.day0).state
            }
            let changes = TrackingMatch.changes([try tracker(scans)], to: try #require(state), of: "1")
            return OrderMirror.apply(changes, to: state, receivedAt: Told.day0).state.shipments["S"]
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
        var tracker = Tracker(try Told.update(scans), receivedAt: Told.day0)
        #expect(tracker.events.count == Tracker.limit)
        #expect(tracker.events.values.map(\.happenedAt).max() == Told.day(6.99))
        tracker.merge(try Told.update([(6.995, .delivered)]), receivedAt: Told.day0)
        #expect(tracker.events.count == Tracker.limit)
        #expect(Tracker.events(tracker.eventsJSON, of: tracker.key.number) == tracker.events)
    }
}

import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `The assessment of an order` {
    private static func day(_ day: Double) -> Instant { OrderStory.day(day) }

    private static func assess(_ story: OrderStory, verified: Double? = nil) throws -> OrderAssessment {
        OrderAssessment(try #require(story.state), verifiedAt: verified.map(day))
    }

    // MARK: Times

    @Test func `has the source's time, when that reached us, and how old it is by now`() throws {
        var story = OrderStory()
        story.order(1)
        let assessment = try Self.assess(story)
        for times in [assessment.order, assessment.money, assessment.everything] {
            #expect(times.happenedAt == Self.day(1) && times.receivedAt == OrderStory.received(1))
            #expect(times.verifiedAt == nil && times.asOf == Self.day(1))
        }
        #expect(assessment.order.age(at: Self.day(3)) == Int64(2 * 86_400))
        // A source whose clock is ahead.
        #expect(assessment.order.age(at: Self.day(0)) == 0)
        let none = KnownTimes(happenedAt: nil, receivedAt: nil, verifiedAt: nil, asOf: nil)
        for times in [assessment.shipment, assessment.disputes] { #expect(times == none && times.age(at: .at0) == nil) }
    }

    // domain.md 5, Ingest 4: a retry hours late.
    @Test func `is no younger because the same, or something older, is told again`() throws {
        var story = OrderStory()
        story.order(3) { $0.fulfillment = .unfulfilled }
        let expected = try Self.assess(story)
        let state = try #require(story.state)
        let statement = OrderStatement(
            stamp: Stamp(at: Self.day(3), hash: [1]),
            told: Set(OrderField.allCases),
            values: state.values,
            isComplete: true,
            cancelledAt: nil
        )
        let change = OrderChange(order: "1", content: .order(statement))
        let again = OrderMirror.apply(change, to: state, receivedAt: Self.day(9)).state
        #expect(again == state && again.provenance.newest?.receivedAt == OrderStory.received(3))
        #expect(OrderAssessment(again, verifiedAt: nil) == expected)
        story.order(2)
        #expect(try Self.assess(story).order == expected.order)
    }

    @Test func `of a part that an older statement told is as old as that one`() throws {
        var values = OrderValues()
        values.lifecycle = .deleted
        let deletion = OrderStatement(
            stamp: Stamp(at: Self.day(5), hash: [9]),
            told: [.lifecycle],
            values: values,
            isComplete: false,
            cancelledAt: nil
        )
        var story = OrderStory()
        story.order(1)
        let change = OrderChange(order: "1", content: .order(deletion))
        let state = OrderMirror.apply(change, to: story.state, receivedAt: Self.day(6)).state
        let order = OrderAssessment(state, verifiedAt: nil).order
        #expect(order.happenedAt == Self.day(5) && order.receivedAt == Self.day(6))
        // Of its fulfilment nobody has said anything since.
        #expect(order.asOf == Self.day(1))
        #expect(OrderAssessment(state, verifiedAt: nil).money.asOf == Self.day(1))
        #expect(OrderAssessment(state, verifiedAt: Self.day(4)).order.asOf == Self.day(4))
    }

    @Test func `is raised by asking the shop, for what the shop says`() throws {
        var story = OrderStory()
        story.order(1)
        story.shipment("S", 1, reported: .inTransit)
        story.shipment("T", 1)
        story.report("T", 2, .inTransit)
        story.refund("R", 1, .eur(100), .pending)
        let assessment = try Self.assess(story, verified: 7)
        for times in [assessment.order, assessment.money] + assessment.refundAges.map(\.times) {
            #expect(times.verifiedAt == Self.day(7) && times.asOf == Self.day(7) && times.happenedAt == Self.day(1))
        }
        let parcels = assessment.parcels.map(\.times)
        #expect(assessment.parcels.map(\.toldBy) == [.shop, .carrier])
        #expect(parcels.map(\.asOf) == [Self.day(7), Self.day(2)])
        #expect(parcels.map(\.verifiedAt) == [Self.day(7), nil])
        // The oldest of those that may still change.
        #expect(assessment.shipment.asOf == Self.day(2) && assessment.everything.asOf == Self.day(2))
    }

    @Test func `of a parcel goes by the carrier's time, and by when its provider last told of it`() throws {
        var story = OrderStory()
        story.order(1)
        story.shipment("S", 1)
        story.report("S", 2, .inTransit)
        var state = try #require(story.state)
        let word = TrackerWord(saidAt: Self.day(4), estimatedDelivery: nil)
        let change = OrderChange(order: "1", content: .tracker(word, shipment: "S"))
        state = OrderMirror.apply(change, to: state, receivedAt: OrderStory.received(4)).state
        let parcel = try #require(OrderAssessment(state, verifiedAt: nil).parcels.first)
        #expect(parcel.times.happenedAt == Self.day(2) && parcel.times.receivedAt == OrderStory.received(2))
        #expect(parcel.times.verifiedAt == Self.day(4) && parcel.times.asOf == Self.day(4))
        // What will not change any more makes nothing old.
        story.report("S", 3, .delivered)
        story.order(9)
        let assessment = try Self.assess(story)
        #expect(assessment.shipment.asOf == Self.day(3) && assessment.everything.asOf == Self.day(9))
    }

    @Test func `of returns and disputes goes by what was last said of them`() throws {
        var story = OrderStory()
        story.order(9)
        story.comeBack("B", 5, announced: 3, received: 1)
        story.dispute("D", 4, .needsResponse, .chargeback, .eur(100))
        let assessment = try Self.assess(story, verified: 10)
        #expect(assessment.returns.asOf == Self.day(5) && assessment.returns.receivedAt == OrderStory.received(5))
        #expect(assessment.disputes.asOf == Self.day(4) && assessment.disputes.verifiedAt == nil)
        #expect(assessment.everything.asOf == Self.day(4))
        // Of one whose parts are all over, the newest counts.
        story.dispute("D", 8, .won, .chargeback, .eur(100))
        #expect(try Self.assess(story, verified: 10).everything.asOf == Self.day(5))
    }

    @Test func `says what nobody has told`() throws {
        var story = OrderStory()
        story.shipment("S", 1)
        func kinds(_ verified: Double? = nil) throws -> Set<OrderUnknown.Kind> {
            Set(try Self.assess(story, verified: verified).unknowns.map(\.kind))
        }
        #expect(
            try kinds() == [
                .orderIncomplete, .neverVerified, .placedAtUntold, .paymentUnknown, .fulfillmentUnknown,
                .parcelStatusUnknown, .noCarrierReport, .noDeliveryDate,
            ]
        )
        #expect(try Self.assess(story).everything.asOf == nil)
        story.order(1)
        story.report("S", 3, .delivered)
        #expect(try kinds() == [.neverVerified] && kinds(4) == [])
        story.refund("R", 3, .eur(100), nil, terms: true)
        story.refund("Q", 3, .eur(100), nil)
        story.refund("P", 3, .eur(100), .unknown)
        story.comeBack("B", 4, announced: nil, received: 0)
        story.dispute("D", 4, .unknown, .chargeback, .eur(1))
        #expect(
            try kinds(4) == [
                .refundUnverified, .refundAmountUntold, .refundUnknown, .returnUnknown, .disputeUnknown,
            ]
        )
        var bare = OrderStory()
        bare.order(1)
        #expect(try Self.assess(bare).unknowns.map(\.kind) == [.neverVerified, .noParcelTold])
    }

    // MARK: Whatever is told

    /// Everything that can be told, in a mess.
    private static func mess(_ random: inout SeededGenerator) -> OrderStory {
        var story = OrderStory()
        for _ in 0..<Int.random(in: 1...25, using: &random) {
            let day = Double(Int.random(in: -8...40, using: &random)) / 4
            let part = "\(Int.random(in: 0..<3, using: &random))"
            let amounts: [Int64] = [-100, 0, 100, 6_000, .max]
            let amount = amounts.randomElement(using: &random) ?? 0
            let money: Money = Bool.random(using: &random) ? .eur(amount) : .usd(amount)
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                let financial = FinancialStatus.allCases.randomElement(using: &random) ?? .unknown
                let fulfillment = FulfillmentStatus.allCases.randomElement(using: &random) ?? .unknown
                let lifecycle = LifecycleStatus.allCases.randomElement(using: &random) ?? .open
                story.order(day) {
                    ($0.financial, $0.fulfillment, $0.lifecycle) = (financial, fulfillment, lifecycle)
                    if day < 0 { ($0.total, $0.placedAt) = (nil, nil) }
                    if day > 8 { $0.presentmentTotal = money }
                }
            case 1...2:
                let reported = ([nil] + ShipmentStatus.allCases).randomElement(using: &random) ?? nil
                story.shipment(part, day, number: Bool.random(using: &random) ? "N" : nil, reported: reported)
            case 3...4:
                let status = ShipmentStatus.allCases.randomElement(using: &random) ?? .unknown
                story.report(part, day, status, number: Bool.random(using: &random) ? "N" : nil)
            case 5:
                let status = ([nil] + RefundTransactionStatus.allCases).randomElement(using: &random) ?? nil
                story.refund(part, day, money, status, terms: Bool.random(using: &random))
                if Bool.random(using: &random) { story.list(day + 0.5, []) }
            case 6:
                let status = DisputeStatus.allCases.randomElement(using: &random) ?? .unknown
                let type = DisputeType.allCases.randomElement(using: &random) ?? .unknown
                story.dispute(part, day, status, type, money)
            default:
                let announced = Bool.random(using: &random) ? 2 : nil
                let state = ([nil] + ReturnState.allCases).randomElement(using: &random) ?? nil
                let received = Int.random(in: 0...3, using: &random)
                story.comeBack(part, day, announced: announced, received: received, state: state)
            }
        }
        return story
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `stands whatever is told, and says of every conflict who contradicts whom`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let story = Self.mess(&random)
        guard let state = story.state else { return }
        let assessment = OrderAssessment(state, verifiedAt: nil)
        #expect(assessment == OrderAssessment(state, verifiedAt: nil))
        for conflict in assessment.conflicts {
            #expect(!conflict.evidence.isEmpty && !conflict.episodes.isEmpty)
            if let escalation = Escalation(conflict, of: .new(), in: state, by: "") {
                #expect(escalation.kind == conflict.ticket && escalation.subject.unicodeScalars.count <= 200)
            }
        }
        #expect(OrderConflict.new(from: state, to: state) == [])
        for times in [assessment.order, assessment.money, assessment.shipment, assessment.returns, assessment.disputes]
        {
            #expect(times.age(at: Self.day(100)).map { $0 >= 0 } ?? true)
            #expect(times.asOf.map { $0 <= Self.day(20) } ?? true)
        }
    }

    /// An order as it should be: shipped, delivered, partly refunded and sent back.
    private static func clean(_ random: inout SeededGenerator) -> [@Sendable (inout OrderStory) -> Void] {
        var steps: [@Sendable (inout OrderStory) -> Void] = []
        let parcels = Int.random(in: 0...3, using: &random)
        let statuses: [ShipmentStatus] = [.labelCreated, .pickedUp, .inTransit, .outForDelivery, .delivered]
        for parcel in 0..<parcels {
            let left = Double(Int.random(in: 1...8, using: &random)) / 4
            steps.append { $0.shipment("\(parcel)", left) }
            for (index, status) in statuses.enumerated() where index == 4 || Bool.random(using: &random) {
                steps.append { $0.report("\(parcel)", left + Double(index) / 8, status) }
            }
        }
        let refunds = Int.random(in: 0...3, using: &random)
        for refund in 0..<refunds { steps.append { $0.refund("\(refund)", 5, .eur(3_000), .succeeded) } }
        let financial: FinancialStatus = refunds == 0 ? .paid : .partiallyRefunded
        let fulfillment: FulfillmentStatus = parcels == 0 ? .unfulfilled : .fulfilled
        steps.append { story in
            story.order(6) { ($0.financial, $0.fulfillment) = (financial, fulfillment) }
        }
        steps.append { $0.order(0.1) { $0.fulfillment = .unfulfilled } }
        return steps
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `finds nothing wrong with an order that goes its way, in whatever order it is told`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var steps = Self.clean(&random)
        steps.shuffle(using: &random)
        var story = OrderStory()
        for step in steps + steps.filter({ _ in Bool.random(using: &random) }) { step(&story) }
        let isShipped = story.state?.values.fulfillment == .fulfilled
        if isShipped { story.comeBack("B", 8, announced: 2, received: Int.random(in: 0...2, using: &random)) }
        #expect(story.conflicts == [], "\(seed)")
        #expect(try Self.assess(story).everything.asOf != nil)
    }
}

extension Instant {
    fileprivate static let at0 = Instant(microseconds: 0)
}

import Foundation
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Conflicts of an order` {
    /// One of each kind. The last thing told is what brings it up.
    struct Case: Sendable, CustomTestStringConvertible {
        let kind: OrderConflict.Kind
        let severity: OrderConflict.Severity
        /// Of what the evidence is, in its order.
        let subjects: [String]
        let name: String
        let tell: @Sendable (inout OrderStory) -> Void

        init(
            _ kind: OrderConflict.Kind,
            _ severity: OrderConflict.Severity,
            _ name: String,
            _ subjects: [String],
            _ tell: @escaping @Sendable (inout OrderStory) -> Void
        ) {
            (self.kind, self.severity, self.name, self.subjects, self.tell) = (kind, severity, name, subjects, tell)
        }

        var testDescription: String { "\(kind.rawValue), \(name)" }

        func story(isHistorical: Bool = false) -> OrderStory {
            var story = OrderStory()
            story.isHistorical = isHistorical
            tell(&story)
            return story
        }
    }

    /// Shipped on day 1 and delivered by the carrier on day 3.
    private static func delivered(_ story: inout OrderStory) {
        story.order(1)
        story.shipment("S", 1)
        story.report("S", 2, .inTransit)
        story.report("S", 3, .delivered)
    }

    // domain.md 5, cases 15, 16 and 19.
    private static let ofParcels = [
        Case(.scannedAfterDelivery, .warning, "on its way again", ["tracking_event", "tracking_event"]) {
            delivered(&$0)
            $0.report("S", 4, .inTransit)
        },
        Case(.scannedAfterDelivery, .warning, "on its way back", ["tracking_event", "tracking_event"]) {
            delivered(&$0)
            $0.report("S", 4, .returning)
        },
        Case(.scannedAfterDelivery, .warning, "it came back", ["tracking_event", "tracking_event"]) {
            delivered(&$0)
            $0.report("S", 4, .returned)
        },
        Case(.deliveredButShipmentCancelled, .warning, "the parcel came", ["shipment", "tracking_event"]) {
            delivered(&$0)
            $0.shipment("S", 4, reported: .cancelled)
        },
        Case(.deliveredButUnfulfilled, .warning, "the shop says so since", ["order", "tracking_event"]) {
            delivered(&$0)
            $0.order(4) { $0.fulfillment = .unfulfilled }
        },
        Case(.deliveredButUnfulfilled, .notice, "the shop may be late", ["order", "tracking_event"]) {
            $0.order(1) { $0.fulfillment = .unfulfilled }
            $0.shipment("S", 1)
            $0.report("S", 3, .delivered)
        },
        Case(.lostButFulfilled, .warning, "one parcel", ["order", "tracking_event"]) {
            $0.order(1)
            $0.shipment("S", 1)
            $0.report("S", 3, .lost)
        },
        Case(.formerNumberGoesOn, .warning, "after it was replaced", ["shipment", "tracking_event"]) {
            $0.order(1)
            $0.shipment("S", 1)
            $0.report("S", 4, .inTransit)
            $0.shipment("S", 3, number: "OTHER")
        },
        Case(.numberUsedTwice, .notice, "two shipments", ["shipment", "shipment"]) {
            $0.order(1)
            $0.shipment("S", 1, number: "N")
            $0.shipment("T", 1, number: "n-")
        },
        Case(.shippedBeforePlaced, .warning, "three days", ["order", "shipment"]) {
            $0.order(1)
            $0.shipment("S", 1, shipped: -3)
        },
        Case(.cancelledButShipped, .warning, "by the carrier's word", ["order", "tracking_event"]) {
            $0.order(1) { $0.lifecycle = .cancelled }
            $0.shipment("S", 0.5)
            $0.report("S", 2, .inTransit)
        },
        Case(.cancelledButShipped, .warning, "by the shop's", ["order", "shipment"]) {
            $0.order(1) { $0.lifecycle = .cancelled }
            $0.shipment("S", 2, reported: .inTransit)
        },
        Case(.cancelledButDelivered, .warning, "by the carrier's word", ["order", "tracking_event"]) {
            delivered(&$0)
            $0.order(2.5) { $0.lifecycle = .cancelled }
        },
        Case(.deletedButGoesOn, .warning, "its parcel does", ["order", "tracking_event"]) {
            $0.order(1) { $0.lifecycle = .deleted }
            $0.shipment("S", 0.5)
            $0.report("S", 2, .inTransit)
        },
        Case(.deletedButGoesOn, .warning, "it is refunded", ["order", "refund"]) {
            $0.order(1) { $0.lifecycle = .deleted }
            $0.refund("R", 2, .eur(100), .succeeded)
        },
    ]

    // domain.md 5, cases 12, 13, 14 and 18.
    private static let ofMoneyAndReturns = [
        Case(.refundedAboveTotal, .critical, "it has moved", ["order", "refund", "refund"]) {
            $0.order(1)
            $0.refund("R1", 2, .eur(6_000), .succeeded)
            $0.refund("R2", 3, .eur(6_000), .succeeded)
        },
        Case(.refundedAboveTotal, .warning, "it may yet", ["order", "refund", "refund"]) {
            $0.order(1)
            $0.refund("R1", 2, .eur(6_000), .succeeded)
            $0.refund("R2", 3, .eur(6_000), .pending)
        },
        Case(.refundedWithoutMoney, .warning, "it was refused", ["order", "refund"]) {
            $0.refund("R", 2, .eur(100), .failed)
            $0.order(3) { $0.financial = .refunded }
        },
        Case(.refundedWithoutMoney, .warning, "no payment is known", ["order", "refund"]) {
            $0.refund("R", 2, .eur(100), nil)
            $0.order(3) { $0.financial = .partiallyRefunded }
        },
        Case(.refundedWithoutRefund, .notice, "the shop never lists any", ["order"]) {
            $0.order(1) { $0.financial = .refunded }
        },
        Case(.refundedWithoutRefund, .warning, "its list is empty", ["order", "order"]) {
            $0.list(1, [])
            $0.order(1) { $0.financial = .refunded }
        },
        Case(.refundTakenBack, .warning, "it is listed no more", ["refund", "order"]) {
            $0.order(1)
            $0.refund("R", 2, .eur(100), nil, terms: true)
            $0.list(3, [])
        },
        Case(.refundedAndDisputed, .critical, "the bank is asked", ["dispute", "refund"]) {
            $0.order(1)
            $0.refund("R", 2, .eur(6_000), .succeeded)
            $0.dispute("D", 3, .needsResponse, .chargeback, .eur(10_000))
        },
        Case(.refundedAndDisputed, .critical, "the bank has decided", ["dispute", "refund"]) {
            $0.order(1)
            $0.dispute("D", 2, .lost, .chargeback, .eur(10_000))
            $0.refund("R", 3, .eur(6_000), .succeeded)
        },
        Case(.currenciesDiffer, .warning, "one nobody pays in", ["order", "order", "refund"]) {
            $0.order(1)
            $0.refund("R", 2, .usd(100), .succeeded)
        },
        Case(.currenciesDiffer, .warning, "two", ["order", "order", "refund", "refund"]) {
            $0.order(1) { $0.total = .usd(11_000) }
            $0.refund("R1", 2, .eur(100), .succeeded)
            $0.refund("R2", 3, .usd(100), .succeeded)
        },
        Case(.returnNotExpected, .warning, "never announced", ["return"]) {
            delivered(&$0)
            $0.comeBack("B", 5, announced: nil, received: 2)
        },
        Case(.returnNotExpected, .warning, "declined", ["return"]) {
            delivered(&$0)
            $0.comeBack("B", 5, announced: 2, received: 2, state: .declined)
        },
        Case(.returnBeforeDelivery, .warning, "the carrier has it", ["tracking_event", "return"]) {
            $0.order(1)
            $0.shipment("S", 1)
            $0.report("S", 2, .inTransit)
            $0.comeBack("B", 5, announced: 2, received: 2)
        },
        Case(.returnBeforeDelivery, .notice, "the shop may be late", ["order", "return"]) {
            $0.order(1) { $0.fulfillment = .unfulfilled }
            $0.comeBack("B", 5, announced: 2, received: 2)
        },
        Case(.returnBeforeDelivery, .warning, "the shop says so since", ["order", "return"]) {
            $0.order(1) { $0.fulfillment = .unfulfilled }
            $0.comeBack("B", 5, announced: 2, received: 2)
            $0.order(6) { $0.fulfillment = .unfulfilled }
        },
    ]

    private static let cases = ofParcels + ofMoneyAndReturns

    @Test(arguments: cases) func `are found with who says what, and when`(_ example: Case) throws {
        let story = example.story()
        let found = story.conflicts
        #expect(found.map(\.kind) == [example.kind])
        let conflict = try #require(found.first)
        #expect(conflict.severity == example.severity && !conflict.episodes.isEmpty)
        #expect(conflict.evidence.map(\.subject.name.rawValue) == example.subjects)
        for evidence in conflict.evidence {
            #expect(!evidence.says.isEmpty && evidence.at != nil)
            // An hour after it was said, for all of them.
            let receivedAt = try #require(evidence.receivedAt, "\(evidence)")
            #expect(receivedAt >= OrderStory.received(0.5))
            #expect((evidence.source == .carrier) == (evidence.subject.name == .trackingEvent))
        }
    }

    @Test func `have a case for each kind`() {
        #expect(Set(Self.cases.map(\.kind)) == Set(OrderConflict.Kind.allCases))
    }

    @Test(arguments: cases) func `are for a person once, when they come up, and never where all is history`(
        _ example: Case
    ) throws {
        let story = example.story()
        let state = try #require(story.state)
        let isTicket = example.severity != .notice && example.kind.ticket != nil
        #expect(story.news.map(\.kind) == (isTicket ? [example.kind] : []))
        #expect(OrderConflict.new(from: state, to: state) == [])
        #expect(example.story(isHistorical: true).news == [])
        guard let conflict = story.news.first else { return }
        let order = OrderID(UUID(uuidString: "00000000-0000-7000-8000-000000000001") ?? UUID())
        let escalation = try #require(Escalation(conflict, of: order, in: state, by: "evt_1"))
        #expect(escalation.kind == example.kind.ticket && escalation.openedBy == "evt_1")
        #expect(escalation.effectKey.hasPrefix("\(escalation.kind.rawValue):\(order):"))
        #expect(escalation.summary.hasPrefix(example.kind.sentence))
        for evidence in conflict.evidence { #expect(escalation.summary.contains(evidence.says)) }
    }

    @Test func `a cancellation stays where it was when the shop says it again after the delivery`() {
        var story = OrderStory()
        story.order(1) { $0.lifecycle = .cancelled }
        story.shipment("S", 3, reported: .delivered)
        story.order(5) { $0.lifecycle = .cancelled }
        #expect(story.conflicts.map(\.kind) == [.cancelledButDelivered])
    }

    @Test func `of imported times are not raised when the order becomes a living one`() throws {
        var story = OrderStory()
        story.isHistorical = true
        Self.delivered(&story)
        story.order(2.5) { $0.lifecycle = .cancelled }
        story.isHistorical = false
        story.order(6) { $0.lifecycle = .cancelled }
        #expect(story.state?.isHistorical == false)
        #expect(story.conflicts.map(\.kind) == [.cancelledButDelivered] && story.news == [])
    }

    @Test func `are told again for what is new of them, and when they come up again`() throws {
        var story = OrderStory()
        Self.delivered(&story)
        story.report("S", 4, .inTransit)
        #expect(story.news.first?.episodes == ["S:in_transit-4.0"])
        story.report("S", 5, .outForDelivery)
        #expect(story.news.first?.episodes == ["S:out_for_delivery-5.0"] && story.conflicts.count == 1)

        var refunds = OrderStory()
        refunds.order(1)
        refunds.refund("R1", 2, .eur(6_000), .succeeded)
        refunds.refund("R2", 3, .eur(6_000), .pending)
        #expect(refunds.news.map(\.severity) == [.warning])
        refunds.refund("R2", 4, .eur(6_000), .succeeded)
        #expect(refunds.news.map(\.severity) == [.critical] && refunds.news.first?.episodes == ["moved"])

        // Each time with another key, and so with a comment of its own.
        var fickle = OrderStory()
        Self.delivered(&fickle)
        var keys: Set<String> = []
        for day in [4.0, 6, 8] {
            fickle.order(day) { $0.fulfillment = .unfulfilled }
            let news = try #require(fickle.news.first)
            let state = try #require(fickle.state)
            keys.insert(try #require(Escalation(news, of: .new(), in: state, by: "")?.evidenceKey))
            fickle.order(day + 0.5) { $0.fulfillment = .unfulfilled }
            #expect(fickle.news == [])
            fickle.order(day + 1)
            #expect(fickle.conflicts == [])
        }
        #expect(keys.count == 3)
    }

    /// What looks alike, and is in order.
    @Test func `are not seen where there are none`() {
        func none(_ tell: (inout OrderStory) -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
            var story = OrderStory()
            tell(&story)
            #expect(story.conflicts == [], sourceLocation: sourceLocation)
        }
        none(Self.delivered)
        // A shop may cancel what it knows to be delivered.
        none {
            $0.order(1)
            $0.shipment("S", 1, reported: .delivered)
            $0.order(5) { $0.lifecycle = .cancelled }
        }
        // Two parts of the total; an inquiry that a refund settles; a dispute that was won.
        none {
            $0.order(1)
            $0.refund("R", 2, .eur(4_000), .succeeded)
            $0.dispute("D", 3, .lost, .chargeback, .eur(6_000))
        }
        none {
            $0.order(1)
            $0.refund("R", 2, .eur(10_000), .succeeded)
            $0.dispute("D", 3, .underReview, .inquiry, .eur(10_000))
            $0.dispute("E", 3, .won, .chargeback, .eur(10_000))
        }
        // domain.md 5, case 12: restock without money, refused and tried elsewhere, three parts that reach the whole.
        none {
            $0.order(1)
            $0.refund("R0", 2, .eur(0), nil, terms: true)
            $0.refund("R1", 2, .eur(10_000), .failed)
            for (day, amount) in [(3.0, Int64(3_000)), (4, 3_000), (5, 4_000)] {
                $0.refund("P\(day)", day, .eur(amount), .succeeded)
            }
            $0.order(6) { $0.financial = .refunded }
            $0.list(7, ["R1", "P3.0", "P4.0", "P5.0"])
        }
        // domain.md 5, case 13: the customer pays in one currency, the shop accounts in another.
        none {
            $0.order(1) { $0.total = .usd(11_000) }
            $0.refund("R", 2, .eur(10_000), .succeeded)
        }
        // domain.md 5, case 18: announced three, received two; a parcel that was refused and came back.
        none {
            Self.delivered(&$0)
            $0.comeBack("B", 5, announced: 3, received: 2)
        }
        none {
            $0.order(1)
            $0.shipment("S", 1)
            $0.report("S", 2, .returned)
            $0.comeBack("B", 5, announced: 3, received: 3)
        }
        // A shipment that was cancelled and made again with its number; a number that was replaced in time.
        none {
            $0.order(1)
            $0.shipment("S", 1, number: "N", reported: .cancelled)
            $0.shipment("T", 2, number: "N")
        }
        none {
            $0.order(1)
            $0.shipment("S", 1)
            $0.report("S", 2, .inTransit)
            $0.shipment("S", 3, number: "OTHER")
        }
        // The day it was handed over, told as its midnight in a zone far away.
        none {
            $0.order(1)
            $0.shipment("S", 1, shipped: -1)
        }
    }

    @Test func `are explained, each with its ticket, in the documentation`() throws {
        let path = "\(TestCluster.repository)/Sources/Aftercare/Documentation.docc/OrderState.md"
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        let conflicts = lines.compactMap { line in
            line.firstMatch(of: #/^\| `(\w+)` \| (?:`(\w+)`|none) \| (.+) \|$/#).map {
                "\($0.1) \($0.2 ?? "none") \($0.3)"
            }
        }
        #expect(
            conflicts
                == OrderConflict.Kind.allCases.map {
                    "\($0.rawValue) \($0.ticket?.rawValue ?? "none") \($0.sentence)"
                }
        )
        let unknowns = lines.compactMap { line in
            line.firstMatch(of: #/^\| `(\w+)` \| ([A-Z][^|]+) \|$/#).map { "\($0.1) \($0.2)" }
        }
        #expect(unknowns == OrderUnknown.Kind.allCases.map { "\($0.rawValue) \($0.sentence)" })
    }
}

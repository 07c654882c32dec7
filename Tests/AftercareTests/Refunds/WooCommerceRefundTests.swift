import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Refunds of WooCommerce` {
    private static func body(_ minute: Int, _ refunds: JSON..., status: JSON = "completed") -> JSON {
        WooOrder.body(727, minute: minute, ("status", status), ("refunds", .array(refunds)))
    }

    @Test func `a refund is recorded with its amount and reason, and nothing says that money moved`() throws {
        let (state, facts) = try WooOrder.applied([
            WooOrder.Event(body: Self.body(5, WooOrder.refund(801, "10.00", reason: "Sold out")))
        ])
        let refund = try #require(state.refunds["801"])
        #expect(refund.state == .recordedUnverified && refund.moved == nil && refund.movedAt == nil)
        #expect(refund.amount == Money(amount: 1000, currency: "EUR") && refund.terms?.reason == "Sold out")
        #expect(refund.recordedAt.rfc3339 == "2026-05-04T10:05:00.000Z" && state.refundTransactions.isEmpty)
        #expect(facts.contains(Fact.Key(kind: .refundRecorded, episode: "801")))
        #expect(!facts.contains { $0.kind == .refundSucceeded || $0.kind == .refundFailed })
    }

    // domain.md 5, case 12: the status stays, so the sums have to tell.
    @Test func `three partial refunds reach the whole, and the shop's status never says so`() throws {
        let refunds = [WooOrder.refund(801, "10.00"), WooOrder.refund(802, "20.00"), WooOrder.refund(803, "19.90")]
        let expected: [FinancialStatus] = [.paid, .partiallyRefunded, .partiallyRefunded, .refunded]
        for count in 0...3 {
            let body = WooOrder.body(727, minute: count, ("refunds", .array(Array(refunds.prefix(count)))))
            let state = try WooOrder.state(body)
            #expect(state.values.financial == expected[count] && state.values.financialRaw == "processing")
            #expect(state.refunds.count == count)
        }
    }

    // domain.md 5, cases 8 and 12.
    @Test func `refunds whose sum cannot be told leave the payment unknown`() throws {
        let finer = Self.body(1, WooOrder.refund(801, "10.005"))
        #expect(try WooOrder.state(finer).values.financial == .unknown)
        #expect(try WooOrder.state(finer).refunds["801"]?.state == .recordedUnverified)
        #expect(try WooOrder.state(finer).refunds["801"]?.amount == nil)
        // Of nothing but a restock: no money goes back.
        #expect(try WooOrder.state(Self.body(1, WooOrder.refund(801, "0.00"))).values.financial == .paid)
        let free = Self.body(1, WooOrder.refund(801, "0.00")).with("total", "0.00")
        #expect(try WooOrder.state(free).values.financial == .paid)
    }

    // domain.md 5, Ingest 10 and case 12.
    @Test func `a refund that is missing from a newer order was taken back`() throws {
        let (first, second) = (WooOrder.refund(801, "10.00"), WooOrder.refund(802, "5.00"))
        let (both, one) = (Self.body(5, first, second), Self.body(9, second))
        for bodies in [[both, one], [one, both], [both, one, both]] {
            let (state, facts) = try WooOrder.applied(bodies.map { WooOrder.Event(body: $0) })
            #expect(state.refunds["801"]?.state == .removed && state.refunds["802"]?.state == .recordedUnverified)
            // How much it was can still be read.
            #expect(state.refunds["801"]?.amount?.amount == 1000)
            #expect(facts.filter { $0.kind == .refundRecorded }.map(\.episode).sorted() == ["801", "802"])
        }
        #expect(try WooOrder.state(both, Self.body(9)).values.financial == .paid)
    }

    // domain.md 5, Ingest 10: taking a refund back gives the order no new time.
    @Test func `of two orders of one second the one with fewer refunds is the newer`() throws {
        for seed in 0..<20 {
            let refund = WooOrder.refund(801 + seed, "10.00")
            let (with, without) = (Self.body(5, refund), Self.body(5))
            for state in [try WooOrder.state(with, without), try WooOrder.state(without, with)] {
                #expect(state.refunds["\(801 + seed)"]?.state == .removed && state.values.financial == .paid)
            }
        }
    }

    @Test func `a body that does not list refunds takes none back`() throws {
        let listed = Self.body(5, WooOrder.refund(801, "10.00"))
        for minute in [5, 9] {
            let silent = WooOrder.body(727, minute: minute, ("status", "completed"), ("refunds", nil))
            let state = try WooOrder.state(listed, silent)
            #expect(state.refunds["801"]?.state == .recordedUnverified)
            #expect(try WooOrder.state(silent, listed) == state)
        }
    }

    // MARK: Any order, any number of times

    /// A random life of an order: paid, refunded in parts, refunds taken back with and without a new time, shipped,
    /// thrown away and restored; and a webhook of each moment.
    struct History {
        private(set) var events: [WooOrder.Event] = []
        private(set) var listed: Set<String> = []
        private(set) var known: Set<String> = []
        private(set) var isDeleted = false

        init(_ random: inout SeededGenerator) {
            // A step a minute: what is changed in it has its time, and is told of a little later.
            var (modified, status, parcels): (Int, String, [JSON]) = (0, "pending", [])
            var refunds: [(id: Int, cents: Int)] = []
            for step in 0..<Int.random(in: 3...12, using: &random) {
                var topic = isDeleted ? "order.restored" : step == 0 ? "order.created" : "order.updated"
                switch Int.random(in: 0..<10, using: &random) {
                case 0...2:
                    modified = step
                    refunds.append((id: 800 + step, cents: Int.random(in: 1...999, using: &random)))
                    known.insert("\(800 + step)")
                case 3...4 where !refunds.isEmpty:
                    if Bool.random(using: &random) { modified = step }
                    refunds.remove(at: Int.random(in: refunds.indices, using: &random))
                case 5...6:
                    modified = step
                    let all = ["processing", "completed", "on-hold", "cancelled", "teleported"]
                    status = all[Int.random(in: all.indices, using: &random)]
                case 7:
                    modified = step
                    parcels.append(WooOrder.parcel("p\(step)"))
                case 8 where step > 0 && !isDeleted:
                    topic = "order.deleted"
                default:
                    modified = step
                }
                isDeleted = topic == "order.deleted"
                let list = refunds.map {
                    WooOrder.refund($0.id, "\($0.cents / 100).\($0.cents / 10 % 10)\($0.cents % 10)")
                }
                let order = WooOrder.body(
                    727,
                    minute: modified,
                    ("status", .string(status)),
                    ("refunds", .array(list)),
                    ("meta_data", [["key": "_wc_shipment_tracking_items", "value": .array(parcels)]])
                )
                if !isDeleted { listed = Set(refunds.map { "\($0.id)" }) }
                events.append(
                    WooOrder.Event(
                        topic: topic,
                        body: isDeleted ? ["id": 727] : order,
                        receivedAt: WooOrder.tenOClock
                            + .seconds(step * 60 + Int.random(in: 1...50, using: &random))
                    )
                )
            }
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the order and however often, orders and their refunds end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let history = History(&random)
        let expected = try WooOrder.applied(history.events)
        for _ in 0..<10 {
            let copies = history.events + history.events.filter { _ in Bool.random(using: &random) }
            let (state, facts) = try WooOrder.applied(copies.shuffled(using: &random))
            #expect(state == expected.state)
            #expect(Set(facts) == Set(expected.facts))
            #expect(Set(facts).count == facts.count, "a fact was raised twice")
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `what the mirror ends with is what the shop ended with`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let history = History(&random)
        let (state, facts) = try WooOrder.applied(history.events.shuffled(using: &random))
        #expect(Set(state.refunds.keys) == history.known)
        for (id, refund) in state.refunds {
            #expect(refund.state == (history.listed.contains(id) ? .recordedUnverified : .removed), "\(id)")
            #expect(facts.contains(Fact.Key(kind: .refundRecorded, episode: id)))
        }
        #expect((state.values.lifecycle == .deleted) == history.isDeleted)
    }
}

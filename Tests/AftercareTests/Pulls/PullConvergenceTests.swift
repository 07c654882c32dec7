import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Webhooks and pulls tell of the same orders, and come in any order.
@Suite(.timeLimit(.minutes(3))) struct `Webhooks and pulls` {
    /// What a shop makes of an order, step by step, and sometimes without a new time.
    private struct Story {
        var body: JSON
        var modified: Instant
        var refunds: [Int] = []
        private var steps = 0

        init(_ id: Int, at start: Instant) {
            modified = start
            body = WooOrder.body(id, at: start, [("status", "pending"), ("date_created_gmt", WooOrder.gmt(start))])
        }

        mutating func step(using generator: inout SeededGenerator) {
            steps += 1
            // Making a refund always gives a new time, taking one back never does.
            var bumps = Bool.random(using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0:
                let line: JSON = [
                    "id": 31, "name": "Rain jacket", "quantity": .number(JSONNumber(steps)), "price": 39.9,
                ]
                body = body.with("line_items", [line])
            case 1: body = body.with("total", .string("\(40 + steps).00"))
            case 2:
                refunds.append(800 + steps)
                bumps = true
            case 3 where !refunds.isEmpty:
                refunds.remove(at: Int.random(in: refunds.indices, using: &generator))
                bumps = false
            case 4:
                body = body.with("meta_data", WooOrder.tracking(WooOrder.parcel("p\(steps % 3)", number: "N\(steps)")))
            case _:
                body = body.with("status", "processing")
                bumps = true
            }
            if bumps { modified = modified + .seconds(1) }
            body = body.with("date_modified_gmt", WooOrder.gmt(modified))
                .with("refunds", .array(refunds.map { WooOrder.refund($0, "1.00") }))
        }

        /// As the shop answers a question: some of the refunds were paid by its gateway.
        var answer: JSON {
            let rows = refunds.map { id in
                WooOrder.refund(id, "1.00").with("refunded_payment", .bool(id % 2 == 0))
                    .with("date_created_gmt", WooOrder.gmt(WooOrder.tenOClock))
            }
            return body.with("refunds", .array(rows))
        }
    }

    private struct Word {
        let body: JSON
        let at: Instant
        let isPulled: Bool

        func changes() throws -> [OrderChange] {
            let bytes = body.serializedBytes
            let understanding =
                isPulled
                ? try WooCommerce.understand(pulled: .order, body: bytes, askedAt: at)
                : try WooCommerce.understand(topic: "order.updated", body: bytes, receivedAt: at)
            guard case .changes(let changes) = understanding else { return [] }
            return changes
        }
    }

    private func mirror(_ words: [Word]) throws -> OrderState {
        var state: OrderState?
        for word in words { state = OrderMirror.apply(try word.changes(), to: state, receivedAt: word.at).state }
        return state ?? OrderState()
    }

    @Test(arguments: 0..<60) func `come to the same mirror and facts, in whatever order`(_ seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        var story = Story(727, at: WooOrder.tenOClock)
        var words: [Word] = []
        var now = WooOrder.tenOClock + .seconds(600)
        for _ in 0..<12 {
            story.step(using: &generator)
            now = now + .seconds(30)
            // Some webhooks are never sent.
            if Int.random(in: 0..<10, using: &generator) < 7 {
                words.append(Word(body: story.body, at: now, isPulled: false))
            }
            if Int.random(in: 0..<10, using: &generator) < 3 {
                words.append(Word(body: story.answer, at: now + .seconds(1), isPulled: true))
            }
        }
        let last = Word(body: story.answer, at: now + .seconds(60), isPulled: true)
        words.append(last)
        let told = try mirror(words)
        // The shop has the last word.
        let truth = try mirror([last])
        #expect(told.values == truth.values && told.refundList == truth.refundList)
        for (id, refund) in truth.refunds { #expect(told.refunds[id]?.state == refund.state, "\(id)") }
        for (id, refund) in told.refunds where truth.refunds[id] == nil { #expect(refund.state == .removed, "\(id)") }
        for _ in 0..<8 {
            // Some twice, as providers do.
            let again = words.shuffled(using: &generator).prefix(4)
            #expect(try mirror((words + again).shuffled(using: &generator)) == told)
        }
    }

    @Test func `come to the shop's own state in the database, with each fact once`() async throws {
        try await WooCommerceShop.run { shop in
            for seed in 0..<3 {
                var generator = SeededGenerator(seed: 77 + UInt64(seed))
                let tenant = try await TestTenant.make()
                let connected = try await WooShop.connect(tenant, to: shop)
                try await tenant.settle()
                var story = Story(727, at: tenant.server.environment.clock.now() - .seconds(300))
                var late: [JSON] = []
                for _ in 0..<10 {
                    story.step(using: &generator)
                    shop.put(story.body)
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: try await connected.post("order.updated", story.body)
                    case 1: late.append(story.body)
                    case 2: try await connected.pull(.reconcile)
                    case _: break
                    }
                }
                try await connected.pull(.sweep)
                let compared = try await connected.order().json
                // Hours late, and in another order.
                for body in late.shuffled(using: &generator) { try await connected.post("order.updated", body) }
                try await tenant.settle()
                try await connected.pull(.sweep)
                let truth = try mirror([Word(body: story.body, at: story.modified, isPulled: true)])
                let order = try await connected.order()
                #expect(order["total"]?["amount"]?.int64Value == truth.values.total?.amount)
                #expect(order["financial_status"] == .string(truth.values.financial.rawValue))
                let lines = order["lines"]?.arrayValue?.map { $0["quantity"]?.int64Value } ?? []
                #expect(lines == truth.values.lines.map { Int64($0.quantity) })
                let refunds = (order["refunds"]?.arrayValue ?? []).filter { $0["state"] != "removed" }
                #expect(
                    Set(refunds.compactMap { $0["external_id"]?.stringValue }) == Set(story.refunds.map(String.init))
                )
                #expect(order["lines"] == compared["lines"] && order["total"] == compared["total"])
                let facts = try await tenant.rows(
                    """
                    SELECT kind, episode, count(*) FROM facts
                     WHERE tenant_id = \(tenant.id.uuid)
                     GROUP BY kind, episode
                    """
                )
                let counts = try facts.decode((String, String, Int).self).map(\.2)
                #expect(!counts.isEmpty && counts.allSatisfy { $0 == 1 })
                shop.delete(727)
            }
        }
    }
}

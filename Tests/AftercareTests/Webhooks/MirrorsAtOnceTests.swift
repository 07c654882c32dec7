import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Everything a shop tells of one order and its customer, all at once: returns, disputes and customers have rows of
/// their own, and who holds which of them first is a rule (sql/migrations/0012 to 0014).
@Suite struct `Mirrors of one order` {
    private struct Delivery: Sendable {
        let topic: String
        let body: [UInt8]
    }

    private static let order = 9_107_199_254_740_991_001

    private static func deliveries() -> [Delivery] {
        let customers = (0..<4).map {
            Delivery(topic: "customers/update", body: CustomerBody.customer(7, email: "ada@example.com", minute: $0))
        }
        let orders = (0..<4).map { number in
            // Others of the same person, with the account and as a guest.
            Delivery(
                topic: "orders/create",
                body: CustomerBody.order(100 + number, customer: number < 2 ? 7 : nil, email: "Ada@example.com")
            )
        }
        return customers + orders + [
            Delivery(
                topic: "orders/create",
                body: CustomerBody.order(order, customer: 8, email: "old@example.com")
            ),
            Delivery(topic: "customers/merge", body: CustomerBody.merger(8, into: 7)),
            Delivery(topic: "returns/request", body: ReturnBody.whole("requested")),
            Delivery(topic: "returns/approve", body: ReturnBody.whole("open")),
            Delivery(topic: "reverse_deliveries/attach_deliverable", body: ReturnBody.label()),
            Delivery(topic: "returns/request", body: ReturnBody.whole("requested", id: "55")),
            Delivery(topic: "returns/close", body: ReturnBody.bare("closed", id: "55")),
            Delivery(topic: "disputes/create", body: DisputeBody.webhook("needs_response")),
            Delivery(topic: "disputes/update", body: DisputeBody.webhook("under_review")),
        ]
    }

    @Test func `stand in nobody's way when all is told at once, and twice`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let start = Instant(seconds: 1_780_000_000)
        let deliveries = Self.deliveries()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in (deliveries + deliveries).indices {
                let place = index % deliveries.count
                group.addTask {
                    let delivery = deliveries[place]
                    let sentAt = start + .seconds(place)
                    _ = try await demo.post(delivery.topic, body: delivery.body, triggeredAt: sentAt)
                }
            }
            try await group.waitForAll()
        }
        try await tenant.settle()

        let events = try await tenant.rows(
            "SELECT state, count(*) FROM inbound_events WHERE tenant_id = \(tenant.id.uuid) GROUP BY state"
        )
        let outcomes = try events.decode((String, Int).self)
        #expect(outcomes.map(\.0) == ["applied"] && outcomes.map(\.1) == [2 * deliveries.count])

        let person = try await tenant.list("/v1/customers")
        #expect(person.count == 1 && person.first?["external_id"] == "7")
        #expect(try await tenant.orders(of: person.first).count == 5)
        let path = "/v1/stores/\(tenant.store)/orders/by-external-id/\(Self.order)"
        let known = try await tenant.get(path)
        #expect(known["customer_id"] == person.first?["id"] && known["return_status"] == "in_progress")
        let id = known["id"]?.stringValue ?? ""
        let returns = try await tenant.list("/v1/returns?order_id=\(id)")
        #expect(Set(returns.map { $0["state"] }) == ["label_issued", "resolved"])
        #expect(try await tenant.list("/v1/disputes?order_id=\(id)").map { $0["status"] } == ["under_review"])
        #expect(try await tenant.list("/v1/tickets?order_id=\(id)").count == 1)
        let told = [
            "return_approved \(ReturnBody.id)", "return_closed 55", "return_requested \(ReturnBody.id)",
            "return_requested 55",
        ]
        #expect(try await tenant.returnFacts().sorted() == told.sorted())
    }
}

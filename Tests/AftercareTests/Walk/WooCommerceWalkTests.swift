import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// The whole walk of a WooCommerce order, over real HTTP and a real database.
@Suite struct WooCommerceWalkTests {
    @Test func `an order is placed, shipped and delivered, and its follow-up is decided and sent`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let now = tenant.server.environment.clock.now()
        let (placed, shipped) = (now - .seconds(3 * 86_400), now - .seconds(2 * 86_400))
        let day = String((shipped.microseconds / 86_400_000_000) * 86_400)

        try await shop.post("order.created", WooOrder.body(727, at: placed, [("status", "pending")]))
        try await shop.post("order.updated", WooOrder.body(727, at: placed + .seconds(60), []))
        let completed: [(String, JSON)] = [
            ("status", "completed"), ("date_completed_gmt", WooOrder.gmt(shipped)),
            ("meta_data", WooOrder.tracking(WooOrder.parcel("a1", shippedOn: day))),
        ]
        try await shop.post("order.updated", WooOrder.body(727, at: shipped, completed))
        try await tenant.settle()

        let order = try await shop.order()
        #expect(order.status == 200 && order["is_complete"] == true && order["number"] == "727")
        #expect(order["financial_status"] == "paid" && order["fulfillment_status"] == "fulfilled")
        #expect(order["lifecycle_status"] == "open" && order["fulfillment_status_raw"] == "completed")
        #expect(order["total"] == ["amount": 4990, "currency": "EUR"] && order["email"] == "ada@example.com")
        #expect(order["as_of"]?.stringValue?.prefix(19) == WooOrder.gmt(shipped).stringValue?.prefix(19))
        let parcel = order["shipments"]?[0]
        #expect(parcel?["tracking_number"] == "00340434" && parcel?["carrier"] == "dhl")
        // Completed is not delivered: nothing is decided on that.
        #expect(parcel?["status"] == "unknown")
        let id = try #require(order["id"]?.stringValue)
        #expect(try await tenant.get("/v1/runs?order_id=\(id)")["data"] == [])

        // The shop's people know that it arrived, and say so over the API.
        let delivered = PutBody.delivered(at: now - .seconds(86_400), asOf: now, shipment: "a1").with("number", "727")
        #expect(try await tenant.put(delivered, "727")["outcome"] == "updated")
        try await tenant.settle()
        let runs = try await tenant.get("/v1/runs?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(runs.map { $0["outcome"] } == ["acted"] && runs.first?["reason"] == "scheduled")
        try await tenant.advance(days: 60)
        let messages = try await tenant.get("/v1/messages?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(messages.map { $0["state"] } == ["accepted"])
    }
}

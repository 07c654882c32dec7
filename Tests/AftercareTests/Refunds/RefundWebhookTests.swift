import JSON
import Postgres
import Testing

@testable import Aftercare

/// Refunds over real HTTP into a real database.
@Suite struct `Refund webhooks` {
    private static let topics = ["orders/create", "refunds/create", "order_transactions/create"]

    /// The refunds of the tenant's one order as the API shows them, without our own ids.
    private func refunds(_ tenant: TestTenant) async throws -> [JSON] {
        let page = try await tenant.get("/v1/orders")
        let id = try #require(page["data"]?[0]?["id"]?.stringValue)
        let order = try await tenant.get("/v1/orders/\(id)")
        return order["refunds"]?.arrayValue?.map { $0.with("id", .null) } ?? []
    }

    private func facts(_ tenant: TestTenant) async throws -> [String] {
        let rows = try await tenant.rows(
            "SELECT kind, episode FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind, episode"
        )
        return try rows.decode((String, String).self).map { "\($0.0) \($0.1)" }
    }

    @Test func `in any order and twice they end in one refund whose money has moved`() async throws {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        for order in orders {
            let tenant = try await TestTenant.make()
            let demo = DemoOrder(tenant)
            for index in order + order.reversed() {
                #expect(try await demo.post(Self.topics[index]).status == 200)
                try await tenant.settle()
            }
            let refunds = try await refunds(tenant)
            #expect(refunds.count == 1)
            let refund = try #require(refunds.first)
            #expect(refund["state"] == "succeeded")
            #expect(refund["amount"] == ["amount": 1990, "currency": "EUR"] && refund["moved"] == refund["amount"])
            #expect(refund["recorded_at"]?.stringValue?.hasSuffix("T14:00:00.000Z") == true)
            #expect(refund["moved_at"]?.stringValue?.hasSuffix("T14:04:31.000Z") == true)
            #expect(refund["as_of"] == refund["moved_at"])
            let payments = refund["transactions"]?.arrayValue ?? []
            #expect(payments.map { $0["status"] } == ["succeeded"] && payments.first?["status_raw"] == "success")
            let told = try await facts(tenant).filter { $0.hasPrefix("refund") }
            #expect(told == ["refund_recorded 9107199254741031001", "refund_succeeded 9107199254741031001"])
        }
    }

    @Test func `a pending refund shows as pending, with what the shop said`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in Self.topics.prefix(2) { try await demo.post(topic) }
        try await tenant.settle()
        let refund = try #require(try await refunds(tenant).first)
        #expect(refund["state"] == "pending" && refund["moved"] == .null && refund["moved_at"] == .null)
        #expect(refund["transactions"]?[0]?["gateway"] == "shopify_payments")
    }

    // domain.md 5, Ingest 1.
    @Test func `a transaction nobody has named yet is kept, and an order's body may name it`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("order_transactions/create")
        try await tenant.settle()
        #expect(try await refunds(tenant).isEmpty)
        let kept = try await tenant.rows(
            "SELECT status, refund_external_id FROM refund_transactions WHERE tenant_id = \(tenant.id.uuid)"
        )
        #expect(try kept.decode((String, String?).self).map(\.0) == ["succeeded"])
        let refund = try JSON(parsing: demo.body("refunds/create"))
        let order = try JSON(parsing: demo.body("orders/create")).with("refunds", .array([refund]))
        try await demo.post("orders/updated", body: order.serializedBytes)
        try await tenant.settle()
        #expect(try await refunds(tenant).first?["state"] == "succeeded")
    }

    @Test func `a payment's webhook is ignored by name`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let sale = try JSON(parsing: demo.body("order_transactions/create")).with("kind", "sale")
        try await demo.post("order_transactions/create", body: sale.serializedBytes)
        try await tenant.settle()
        let event = try await tenant.get("/v1/inbound-events")["data"]?[0]
        #expect(event?["state"] == "ignored" && event?["reason"] == "payments_not_mirrored")
    }
}

import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Pulls through the whole program, from a shop that speaks Shopify's Admin API over local HTTP.
@Suite(.timeLimit(.minutes(3))) struct `Pulling from a Shopify shop` {
    private static func parcel(delivered: Bool) -> ShopifyStoreOrder.Parcel {
        let delivery = ShopifyStoreOrder.Report(id: 302, status: "delivered", at: 30)
        let reports = [ShopifyStoreOrder.Report(id: 301, status: "in_transit", at: 12)]
        return ShopifyStoreOrder.Parcel(
            id: 201,
            createdAt: 10,
            updatedAt: delivered ? 30 : 12,
            reports: reports + (delivered ? [delivery] : [])
        )
    }

    // domain.md 5, case 10.
    @Test func `what its webhooks did not tell is found, and raises its facts once`() async throws {
        var order = ShopifyStoreOrder(updatedAt: 12, financial: "paid", fulfillment: "FULFILLED")
        order.parcels = [Self.parcel(delivered: false)]
        let double = try ShopifyAdminDouble([order])
        let connected = try await ConnectedShopify(double)
        #expect(try await connected.pulls()["sweep"]?["failure"] == .null)
        let told = try await connected.order(order.id)
        #expect(told.status == 200 && told["financial_status"] == "paid" && told["historical"] == false)
        #expect(
            try await connected.tenant.factKeys(order.id) == ["order_paid order", "order_placed order", "shipped 201"]
        )
        // The same, told by a webhook that came late.
        try await connected.post("orders/updated", order.rest())
        #expect(try await connected.order(order.id)["fulfillment_status"] == told["fulfillment_status"])
        (order.updatedAt, order.returns) = (30, "RETURN_REQUESTED")
        order.parcels = [Self.parcel(delivered: true)]
        let later = order
        double.change { $0.orders = [later] }
        let pull = try await connected.pull(.reconcile)
        #expect(pull["failure"] == .null && pull["changed"] == 1)
        let now = try await connected.order(order.id)
        #expect(now["return_status"] == "requested" && now["shipments"]?[0]?["status"] == "delivered")
        #expect(
            try await connected.tenant.factKeys(order.id)
                == ["delivered 201", "order_paid order", "order_placed order", "shipped 201"]
        )
        _ = try await connected.pull(.sweep)
        #expect(try await connected.order(order.id)["version"] == now["version"])
    }

    // domain.md 5, case 10.
    @Test func `a return that no webhook told of is found with its order, and raises its facts once`() async throws {
        var order = ShopifyStoreOrder(updatedAt: 12, financial: "paid", fulfillment: "FULFILLED")
        let double = try ShopifyAdminDouble([order])
        let connected = try await ConnectedShopify(double)
        (order.updatedAt, order.returns) = (30, "IN_PROGRESS")
        let (later, id) = (order, ShopifyStoreOrder.gid("Order", order.id).stringValue ?? "")
        double.change { state in
            (state.orders, state.returnsOfOrders) = ([later], [id: [ShopifyStoreOrder.returned(7, "OPEN")]])
            state.scopes.append("read_returns")
        }
        #expect(try await connected.pull(.reconcile)["failure"] == .null)
        let returns = try await connected.tenant.list("/v1/returns")
        #expect(returns.count == 1 && returns.first?["external_id"] == "7" && returns.first?["state"] == "approved")
        #expect(returns.first?["announced_quantity"] == 1)
        #expect(try await connected.order(order.id)["return_status"] == "in_progress")
        let facts = try await connected.tenant.factKeys(order.id)
        #expect(facts.filter { $0.hasPrefix("return") } == ["return_approved 7"])
        // Its webhook, late; and once more the whole of it.
        try await connected.post(
            "returns/approve",
            ["id": 7, "admin_graphql_api_id": "gid://shopify/Return/7", "status": "open", "name": "#1001-R7"]
        )
        _ = try await connected.pull(.sweep)
        #expect(try await connected.tenant.factKeys(order.id) == facts)
        #expect(try await connected.tenant.list("/v1/returns").count == 1)
    }

    @Test func `an order the shop has no more is deleted, and one that it may only hide is not`() async throws {
        let orders = [ShopifyStoreOrder(id: 1001), ShopifyStoreOrder(id: 1002, updatedAt: 1)]
        let double = try ShopifyAdminDouble(orders)
        let connected = try await ConnectedShopify(double)
        #expect(try await connected.order(1001)["lifecycle_status"] == "open")
        double.change { ($0.orders, $0.scopes) = ([orders[1]], ["read_orders", "read_customers"]) }
        var sweep = try await connected.pull(.sweep)
        #expect(sweep["failure"] == .null && sweep["missing"] == 0)
        #expect(try await connected.order(1001)["lifecycle_status"] == "open")
        double.change { $0.scopes.append("read_all_orders") }
        sweep = try await connected.pull(.sweep)
        #expect(sweep["failure"] == .null && sweep["missing"] == 1)
        #expect(try await connected.order(1001)["lifecycle_status"] == "deleted")
        #expect(try await connected.order(1002)["lifecycle_status"] == "open")
        double.change { $0.orders = orders }
        _ = try await connected.pull(.sweep)
        #expect(try await connected.order(1001)["lifecycle_status"] == "open")
    }

    @Test func `a scope that is missing is named, also the one for whose an order is`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder(id: 1001)])
        double.change { $0.scopes = ["read_orders", "read_all_orders"] }
        let pulls = try await ConnectedShopify(double).pulls()
        #expect(pulls["sweep"]?["failure"] == "missing_scope" && pulls["sweep"]?["failure_detail"] == "read_customers")
    }

    @Test func `a token that is refused is named, and another one is tried at once`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder(id: 1001)])
        let connected = try await ConnectedShopify(double, token: "shpat_wrong")
        #expect(try await connected.pulls()["sweep"]?["failure"] == "credentials_refused")
        double.change {
            $0.mishaps = [.denied("orders", scope: "read_orders"), .denied("orders", scope: "read_orders")]
        }
        try await connected.give(ShopifyAdminDouble.token)
        let pulls = try await connected.pulls()
        #expect(pulls["sweep"]?["failure"] == "missing_scope" && pulls["sweep"]?["failure_detail"] == "read_orders")
        #expect(try await connected.pull(.sweep)["failure"] == .null)
        #expect(try await connected.order(1001).status == 200)
    }
}

import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Comparing one order with its shop at once.
@Suite(.timeLimit(.minutes(2))) struct `Refreshing an order` {
    private func told(
        _ tenant: TestTenant,
        _ shop: WooCommerceShop,
        asks: Bool = true
    ) async throws -> (WooShop, String) {
        let connected = try await WooShop.connect(tenant, to: shop, asks: false)
        try await connected.post("order.created", WooOrder.body())
        try await tenant.settle()
        // After the webhook, so that the sweep that follows has the order to compare.
        if asks { try await connected.giveCredentials() }
        try await tenant.settle()
        return (connected, try #require(try await connected.order()["id"]?.stringValue))
    }

    @Test func `the order is then as the shop has it, and says when it was compared`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            shop.put(WooOrder.body())
            let (connected, order) = try await told(tenant, shop)
            #expect(try await tenant.get("/v1/orders/\(order)/refresh")["state"] == .null)
            let before = tenant.server.environment.clock.now()
            shop.put(WooOrder.body(727, minute: 5, ("status", "cancelled")))
            let refresh = try await connected.refresh(order)
            #expect(refresh["state"] == "succeeded" && refresh["failure"] == .null)
            #expect(refresh["connection_id"] == .string(connected.connection))
            let read = try await connected.order()
            #expect(read["lifecycle_status"] == "cancelled")
            #expect(try #require(try await connected.verifiedAt()) >= before)
            // The same again: compared, and nothing else.
            let again = tenant.server.environment.clock.now()
            #expect(try await connected.refresh(order)["state"] == "succeeded")
            #expect(try await connected.order()["version"] == read["version"])
            #expect(try #require(try await connected.verifiedAt()) >= again)
        }
    }

    // domain.md 5, case 1.
    @Test func `an order that the shop no longer has is deleted`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            shop.put(WooOrder.body())
            let (connected, order) = try await told(tenant, shop)
            shop.delete(727)
            #expect(try await connected.refresh(order)["state"] == "succeeded")
            #expect(try await connected.order()["lifecycle_status"] == "deleted")
        }
    }

    // domain.md 5, case 19.
    @Test func `a refusal is named, and leaves the order as it was`() async throws {
        let cases: [(WooCommerceShop.Fault, String)] = [
            (.error(401, "woocommerce_rest_cannot_view"), "credentials_refused"),
            (.error(403, "woocommerce_rest_cannot_view"), "access_denied"),
            (.error(404, "rest_no_route"), "api_sunset"),
            (.error(429, "later", headers: [("Retry-After", "900")]), "throttled"),
            (.init(status: 200, body: "{}"), "unreadable"),
            (.init(status: 200, body: "{\"id\": 727, \"date_modified_gmt\": \"yesterday\"}"), "unreadable"),
        ]
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            shop.put(WooOrder.body())
            let (connected, order) = try await told(tenant, shop)
            let (before, verified) = (try await connected.order().json, try await connected.verifiedAt())
            for one in cases {
                let (fault, name) = one
                shop.fail(fault)
                let refresh = try await connected.refresh(order)
                #expect(refresh["state"] == "failed" && refresh["failure"] == .string(name), "\(refresh)")
                #expect(refresh["finished_at"]?.stringValue != nil)
            }
            #expect(try await connected.order().json == before)
            #expect(try await connected.verifiedAt() == verified)
        }
    }

    @Test func `what passes by itself is tried again`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            shop.put(WooOrder.body())
            let (connected, order) = try await told(tenant, shop)
            shop.fail(.init(status: 502), .error(429, "later", headers: [("Retry-After", "0")]))
            #expect(try await connected.refresh(order)["state"] == "succeeded")
        }
    }

    @Test func `an order from elsewhere is not the shop's to tell of`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connect(tenant, to: shop)
            try await tenant.settle()
            shop.forgetRequests()
            _ = try await tenant.put(PutBody.order, "727")
            let id = try #require(try await connected.order()["id"]?.stringValue)
            #expect(try await tenant.send("POST", "/v1/orders/\(id)/refresh").code == "state_conflict")
            #expect(shop.requests.isEmpty)
        }
    }

    @Test func `where nobody can be asked it is refused, and agents may ask`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            shop.put(WooOrder.body())
            let (connected, order) = try await told(tenant, shop, asks: false)
            let path = "/v1/orders/\(order)/refresh"
            let refused = try await tenant.send("POST", path)
            #expect(refused.status == 409 && refused.code == "state_conflict")
            try await connected.giveCredentials()
            let (agent, viewer) = (try await tenant.signIn(.agent), try await tenant.signIn(.viewer))
            #expect(try await tenant.send("POST", path, as: viewer).status == 403)
            let key = [("Idempotency-Key", "refresh")]
            for _ in 0..<2 {
                let accepted = try await tenant.send("POST", path, as: agent, headers: key)
                #expect(accepted.status == 202 && accepted.header("Location") == path)
            }
            try await eventually { try await tenant.get(path)["state"] == "succeeded" }
            _ = try await tenant.send("PATCH", "/v1/connections/\(connected.connection)", ["state": "disabled"])
            #expect(try await tenant.send("POST", path).status == 409)
        }
    }
}

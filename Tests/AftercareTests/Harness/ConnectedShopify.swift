import FoundationEssentials
import JSON
import Postgres
import Support
import Time

@testable import Aftercare

/// A store of a new tenant's whose shop is a double of Shopify's Admin API, with credentials and signed webhooks.
struct ConnectedShopify {
    let tenant: TestTenant
    let connection: String

    init(_ double: ShopifyAdminDouble, token: String = ShopifyAdminDouble.token) async throws {
        tenant = try await TestTenant.make()
        let body: JSON = [
            "store_id": .string(tenant.store.description), "provider": "shopify",
            "account": .string("port-\(double.port).myshopify.com"),
            "secret": "a-secret-of-the-app-0123456789",
        ]
        let created = try await tenant.send("POST", "/v1/connections", body)
        guard let id = created["id"]?.stringValue else { throw Unexpected(created) }
        connection = id
        // Made before the orders were placed, which are of the fourth of May.
        _ = try await tenant.server.database.superuser.execute(
            """
            UPDATE connections SET created_at = \(ShopifyStoreOrder.tenOClock - .seconds(86_400))
             WHERE tenant_id = \(tenant.id.uuid)
            """
        )
        try await give(token)
    }

    func give(_ token: String) async throws {
        let path = "/v1/connections/\(connection)/credentials"
        let put = try await tenant.send("PUT", path, ["access_token": .string(token)])
        guard put.status == 200 else { throw Unexpected(put) }
        try await tenant.settle()
    }

    func pulls() async throws -> JSON { try await tenant.get("/v1/connections/\(connection)/pulls").json }

    func pull(_ kind: Pull.Kind) async throws -> JSON {
        let path = "/v1/connections/\(connection)/pulls"
        let started = try await tenant.send("POST", path, ["kind": .string(kind.rawValue)])
        guard started.status == 202 else { throw Unexpected(started) }
        try await tenant.settle()
        return try await pulls()[kind.rawValue] ?? .null
    }

    func order(_ id: Int) async throws -> Answer {
        try await tenant.get("/v1/stores/\(tenant.store)/orders/by-external-id/\(id)")
    }

    func post(_ topic: String, _ body: JSON) async throws {
        let bytes = body.serializedBytes
        let signature = DemoOrder.signature(bytes, secret: "a-secret-of-the-app-0123456789")
        let headers = [
            ("Content-Type", "application/json"), ("X-Shopify-Topic", topic),
            ("X-Shopify-Hmac-Sha256", signature), ("X-Shopify-Webhook-Id", UUID().uuidString),
        ]
        let hook = "/v1/hooks/\(tenant.id)/\(connection)"
        let answer = try await tenant.server.send("POST", hook, headers: headers, raw: bytes)
        guard answer.status == 200 else { throw Unexpected(answer) }
        try await tenant.settle()
    }
}

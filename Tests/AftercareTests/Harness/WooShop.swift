import Foundation
import JSON

@testable import Aftercare

/// A WooCommerce shop that is connected to the tenant's store.
struct WooShop: Sendable {
    let tenant: TestTenant
    let connection: String
    let secret: String

    static func connect(_ tenant: TestTenant, account: String = "https://shop.example") async throws -> WooShop {
        let body: JSON = [
            "store_id": .string(tenant.store.description), "provider": "woocommerce", "account": .string(account),
        ]
        let created = try await tenant.send("POST", "/v1/connections", body)
        guard let id = created["id"]?.stringValue, let secret = created["secret"]?.stringValue else {
            throw Unexpected(created)
        }
        return WooShop(tenant: tenant, connection: id, secret: secret)
    }

    var hook: String { "/v1/hooks/\(tenant.id)/\(connection)" }

    /// As WooCommerce posts it, but for HTTP/1.0.
    @discardableResult
    func post(
        _ topic: String,
        _ body: JSON,
        secret: String? = nil,
        delivery: String = UUID().uuidString
    ) async throws -> Answer {
        try await post(topic, bytes: body.serializedBytes, secret: secret, delivery: delivery)
    }

    @discardableResult
    func post(
        _ topic: String,
        bytes: [UInt8],
        secret: String? = nil,
        delivery: String = UUID().uuidString
    ) async throws -> Answer {
        let parts = topic.split(separator: ".", maxSplits: 1).map(String.init)
        let headers = [
            ("Content-Type", "application/json"), ("User-Agent", "WooCommerce/10.3.5 Hookshot (WordPress/6.9)"),
            ("X-WC-Webhook-Source", "https://shop.example/"), ("X-WC-Webhook-Topic", topic),
            ("X-WC-Webhook-Resource", parts.first ?? ""), ("X-WC-Webhook-Event", parts.last ?? ""),
            ("X-WC-Webhook-Signature", DemoOrder.signature(bytes, secret: secret ?? self.secret)),
            ("X-WC-Webhook-ID", "7"), ("X-WC-Webhook-Delivery-ID", delivery),
        ]
        return try await tenant.server.send("POST", hook, headers: headers, raw: bytes)
    }

    /// The order of this id, whole.
    func order(_ id: Int = 727) async throws -> Answer {
        try await tenant.get("/v1/stores/\(tenant.store)/orders/by-external-id/\(id)")
    }
}

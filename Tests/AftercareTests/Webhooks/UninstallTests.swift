import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// A shop takes the app out, and perhaps puts it in again. Over real HTTP. Edge case 11.
@Suite struct UninstallTests {
    private func connection(_ tenant: TestTenant) async throws -> Answer {
        try await tenant.get("/v1/connections/\(tenant.demo.connection)")
    }

    private func uninstall(_ tenant: TestTenant, triggeredAt: Instant? = nil) async throws -> String {
        let demo = DemoOrder(tenant)
        let body = Array(#"{"id": 548380009, "name": "Demo", "domain": "demo.myshopify.com"}"#.utf8)
        var headers = [
            ("Content-Type", "application/json"), ("X-Shopify-Topic", "app/uninstalled"),
            ("X-Shopify-Hmac-Sha256", DemoOrder.signature(body, secret: tenant.demo.webhookSecret)),
            ("X-Shopify-Webhook-Id", UUID().uuidString),
        ]
        if let triggeredAt { headers.append(("X-Shopify-Triggered-At", triggeredAt.rfc3339)) }
        let answer = try await tenant.server.send("POST", demo.hook, headers: headers, raw: body)
        #expect(answer.status == 200)
        try await tenant.settle()
        return try #require(answer["id"]?.stringValue)
    }

    private func event(_ id: String, _ tenant: TestTenant) async throws -> Answer {
        try await tenant.get("/v1/inbound-events/\(id)")
    }

    @Test func `the connection says why it is silent, orders stay, and a PATCH puts it to use again`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await tenant.settle()
        let before = try await connection(tenant)
        #expect(before["state"] == "active" && before["state_reason"] == .null && before["state_changed_at"] == .null)

        let id = try await uninstall(tenant)
        #expect(try await event(id, tenant)["state"] == "applied")
        let disabled = try await connection(tenant)
        #expect(disabled["state"] == "disabled" && disabled["state_reason"] == "app_uninstalled")
        #expect(disabled["state_changed_at"]?.stringValue != nil && disabled.header("ETag") == "\"v2\"")
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 1)
        #expect(try await tenant.get("/v1/connections")["data"]?[0]?["state_reason"] == "app_uninstalled")
        // Told twice, it is no later.
        _ = try await uninstall(tenant)
        #expect(try await connection(tenant).json == disabled.json)

        // Late webhooks are still answered and kept, and change nothing.
        let late = try await demo.post("fulfillments/create")
        #expect(late.status == 200)
        try await tenant.settle()
        let kept = try #require(late["id"]?.stringValue)
        #expect(try await event(kept, tenant)["state"] == "ignored")
        #expect(try await event(kept, tenant)["reason"] == "connection_disabled")
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await tenant.get("/v1/orders/\(order)")["shipments"] == [])

        let path = "/v1/connections/\(tenant.demo.connection)"
        let active = try await tenant.send("PATCH", path, ["state": "active"])
        #expect(active["state"] == "active" && active["state_reason"] == .null && active.header("ETag") == "\"v3\"")
        #expect(active["state_changed_at"] != disabled["state_changed_at"])
        // What was kept meanwhile is not lost.
        #expect(try await tenant.send("POST", "/v1/inbound-events/\(kept)/replay").status == 202)
        try await tenant.settle()
        #expect(try await event(kept, tenant)["state"] == "applied")
        #expect(try await tenant.get("/v1/orders/\(order)")["shipments"]?.arrayValue?.count == 1)
    }

    @Test func `a new secret puts it to use again`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await uninstall(tenant)
        let rotate = "/v1/connections/\(tenant.demo.connection)/rotate-secret"
        let rotated = try await tenant.send("POST", rotate, ["secret": "another-secret"])
        #expect(rotated["state"] == "active" && rotated["state_reason"] == .null)
        #expect(try await DemoOrder(tenant).post("orders/create", secret: "another-secret").status == 200)
        try await tenant.settle()
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 1)
    }

    @Test func `an old word of it does not take out a connection that is in use again`() async throws {
        let tenant = try await TestTenant.make()
        let old = tenant.server.environment.clock.now() - .seconds(3600)
        let first = try await uninstall(tenant)
        _ = try await tenant.send("PATCH", "/v1/connections/\(tenant.demo.connection)", ["state": "active"])
        // A retry under another id, and the same event once more.
        let retry = try await uninstall(tenant, triggeredAt: old)
        #expect(try await tenant.send("POST", "/v1/inbound-events/\(first)/replay").status == 202)
        try await tenant.settle()
        for id in [retry, first] {
            #expect(try await event(id, tenant)["state"] == "ignored")
            #expect(try await event(id, tenant)["reason"] == "connected_again_since")
        }
        #expect(try await connection(tenant)["state"] == "active")
    }

    @Test func `a person who disables it is named as the reason, and what is so already is no change`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/connections/\(tenant.demo.connection)"
        let disabled = try await tenant.send("PATCH", path, ["state": "disabled"])
        #expect(disabled["state_reason"] == "disabled_by_user" && disabled["version"] == 2)
        #expect(try await tenant.send("PATCH", path, ["state": "disabled"]).json == disabled.json)
        #expect(try await tenant.send("PATCH", path, [:]).json == disabled.json)
        #expect(try await tenant.send("PATCH", path, ["state": nil]).status == 422)
        #expect(try await tenant.send("PATCH", path, ["state": "active"], as: tenant.signIn(.agent)).status == 403)
    }
}

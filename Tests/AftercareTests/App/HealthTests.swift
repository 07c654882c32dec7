import FoundationEssentials
import JSON
import Support
import Testing

@testable import Aftercare

@Suite struct HealthTests {
    @Test func `health and metrics answer anybody`() async throws {
        let server = try await TestServer.shared()
        #expect(try await server.send("GET", "/health/live").status == 200)
        #expect(try await server.send("GET", "/health/ready")["status"] == "ready")
        let metrics = try await server.send("GET", "/metrics")
        #expect(metrics.status == 200)
        #expect(metrics.header("Content-Type")?.hasPrefix("text/plain; version=0.0.4") == true)
    }

    @Test func `no secret is ever logged`() async throws {
        let tenant = try await TestTenant.make()
        let server = tenant.server
        let canary = "canary-\(UUID().uuidString)"
        _ = try await server.send("POST", "/v1/sessions", body: ["email": "a@b.test", "password": canary.json])
        _ = try await server.send("GET", "/v1/stores", token: canary)
        _ = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "K", "scopes": ["stores:read"], "password": canary.json]
        )
        let key = try await tenant.key([.storesRead])
        _ = try await tenant.get("/v1/orders", as: key)
        let text = server.log.lines.joined(separator: "\n")
        #expect(text.contains("started"), "the log is looked at")
        for secret in [canary, key, tenant.owner, tenant.demo.webhookSecret, tenant.demo.apiKey, TestServer.secretKey] {
            #expect(!text.contains(secret))
        }
    }
}

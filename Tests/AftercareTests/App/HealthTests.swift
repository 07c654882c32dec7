import FoundationEssentials
import HTTPTypes
import JSON
import Observability
import Schema
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

    @Test func `without its database a process is not ready, and is again when it is back`() async throws {
        let database = try await MigratedDatabase.shared()
        try await FaultProxy.run { proxy in
            let url = proxy.url(database: database.name, user: Roles.app)
            try await OwnServer.run(["AFTERCARE_DATABASE_URL": url]) { server in
                #expect(try await server.send("GET", "/health/ready").status == 200)
                proxy.stall()
                let answer = try await server.send("GET", "/health/ready")
                #expect(answer.status == 503 && answer.header("Retry-After") != nil, "\(answer.json)")
                #expect(try await server.send("GET", "/health/live").status == 200)
                proxy.resume()
                try await eventually { try await server.send("GET", "/health/ready").status == 200 }
            }
        }
    }

    @Test func `a process that was told to stop is not ready`() async throws {
        let server = try await TestServer.shared()
        let readiness = Readiness()
        let routes = HealthRoutes(environment: server.environment, registry: PrometheusRegistry(), readiness: readiness)
        let route = try #require(routes.routes.first { $0.template.description == "/health/ready" })
        let call = Call(
            method: .get,
            target: "/health/ready",
            path: "/health/ready",
            route: route.template,
            audience: .anyone,
            query: try QueryParameters(nil, allowed: []),
            headers: [:],
            body: [],
            credential: nil,
            verification: Verification(),
            requestID: "req"
        )
        #expect(try await route.handler(call).status == .ok)
        readiness.stop()
        let problem = await #expect(throws: Problem.self) { try await route.handler(call) }
        #expect(problem?.code == .overloaded && problem?.headers[.retryAfter] != nil)
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
        // Taken in, and then refused by the database.
        let person: JSON = ["email": "c@b.test", "name": "C", "role": "viewer", "password": canary.json]
        #expect(try await tenant.send("POST", "/v1/users", person).status == 201)
        #expect(try await tenant.send("POST", "/v1/users", person).status == 409)
        let rotate = "/v1/connections/\(tenant.demo.connection)/rotate-secret"
        #expect(try await tenant.send("POST", rotate, ["secret": canary.json]).status == 200)
        // A statement that fails is logged, and what it was given is not.
        try await tenant.holdingStore { release in
            defer { release() }
            let change: JSON = ["escalation_email": "\(canary)@example.test".json]
            let failed = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", change)
            #expect(failed.status == 503)
        }
        let text = server.log.lines.joined(separator: "\n")
        #expect(text.contains("started"), "the log is looked at")
        for secret in [canary, key, tenant.owner, tenant.demo.webhookSecret, tenant.demo.apiKey, TestServer.secretKey] {
            #expect(!text.contains(secret))
        }
    }
}

import FoundationEssentials
import JSON
import Support
import Testing

@testable import Aftercare

/// Requests over their limits, as the client sees them. Every quota here is of a minute and used up within one.
@Suite(.timeLimit(.minutes(2))) struct LimitsTests {
    private func expectRefused(_ answer: Answer, by policy: String) throws {
        #expect(answer.status == 429 && answer.code == "rate_limited", "\(answer.json)")
        #expect(answer["violated_policies"] == [.string(policy)])
        let seconds = try #require(answer.header("Retry-After").flatMap { Int($0) })
        #expect((1...60).contains(seconds))
        #expect(answer.header("RateLimit")?.contains("\"\(policy)\";r=0;t=") == true)
    }

    @Test func `a key has its own quota, and every answer says what is left`() async throws {
        let tenant = try await TestTenant.make()
        let (key, other) = (try await tenant.key([.storesRead]), try await tenant.key([.storesRead]))
        try await OwnServer.run(["AFTERCARE_RATE_KEY_PER_MINUTE": "2"]) { server in
            for left in [1, 0] {
                let answer = try await server.send("GET", "/v1/stores", token: key)
                #expect(answer.status == 200)
                #expect(answer.header("RateLimit-Policy") == "\"key\";q=2;w=60, \"tenant\";q=1000000;w=60")
                #expect(answer.header("RateLimit")?.hasPrefix("\"key\";r=\(left);t=") == true)
            }
            try expectRefused(try await server.send("GET", "/v1/stores", token: key), by: "key")
            #expect(try await server.send("GET", "/v1/stores", token: other).status == 200)
        }
    }

    @Test func `the keys of a tenant share its quota, and nobody else does`() async throws {
        let (tenant, other) = (try await TestTenant.make(), try await TestTenant.make())
        let key = try await tenant.key([.storesRead])
        try await OwnServer.run(["AFTERCARE_RATE_TENANT_PER_MINUTE": "2"]) { server in
            for token in [tenant.owner, key] {
                #expect(try await server.send("GET", "/v1/stores", token: token).status == 200)
            }
            for token in [tenant.owner, key] {
                try expectRefused(try await server.send("GET", "/v1/stores", token: token), by: "tenant")
            }
            #expect(try await server.send("GET", "/v1/stores", token: other.owner).status == 200)
        }
    }

    @Test func `what is answered 304 costs nothing`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)"
        try await OwnServer.run(["AFTERCARE_RATE_KEY_PER_MINUTE": "2", "AFTERCARE_RATE_TENANT_PER_MINUTE": "2"]) {
            server in
            let first = try await server.send("GET", path, token: tenant.owner)
            let etag = try #require(first.header("ETag"))
            for _ in 0..<5 {
                let again = try await server.send("GET", path, token: tenant.owner, headers: [("If-None-Match", etag)])
                #expect(again.status == 304)
                #expect(again.header("RateLimit")?.hasPrefix("\"key\";r=1;t=") == true)
            }
            #expect(try await server.send("GET", path, token: tenant.owner).status == 200)
            #expect(try await server.send("GET", path, token: tenant.owner).status == 429)
        }
    }

    @Test func `who has no valid credential goes by the address, as the nearest proxy saw it`() async throws {
        let settings = ["AFTERCARE_RATE_ADDRESS_PER_MINUTE": "4", "AFTERCARE_HTTP_TRUSTED_PROXIES": "1"]
        let wrong: JSON = ["email": "nobody@example.test", "password": "wrong wrong wrong"]
        try await OwnServer.run(settings) { server in
            func signIn(from address: String) async throws -> Answer {
                try await server.send(
                    "POST",
                    "/v1/sessions",
                    body: wrong,
                    headers: [("X-Forwarded-For", address)]
                )
            }
            // A wrong password counts twice, to slow down guessing.
            for _ in 0..<2 { #expect(try await signIn(from: "192.0.2.1").status == 401) }
            try expectRefused(try await signIn(from: "192.0.2.1"), by: "address")
            // What the client itself claims stands before it and counts for nothing.
            try expectRefused(try await signIn(from: "192.0.2.9, 192.0.2.1"), by: "address")
            #expect(try await signIn(from: "192.0.2.1, 192.0.2.2").status == 401)
        }
    }

    @Test func `webhooks and health checks are not counted`() async throws {
        let tenant = try await TestTenant.make()
        try await OwnServer.run(["AFTERCARE_RATE_ADDRESS_PER_MINUTE": "1"]) { server in
            for _ in 0..<3 {
                let health = try await server.send("GET", "/health/live")
                #expect(health.status == 200 && health.header("RateLimit") == nil)
                #expect(try await server.post(DemoOrder(tenant)).status == 200)
            }
            #expect(try await server.send("GET", "/v1/stores").status == 401)
            #expect(try await server.send("GET", "/v1/stores").status == 429)
        }
    }

    @Test func `past so many connections the next one waits until another is closed`() async throws {
        try await OwnServer.run(["AFTERCARE_HTTP_CONNECTIONS": "2"]) { server in
            let request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
            func isAnswered(_ socket: RawSocket) -> Bool { socket.receive()?.hasPrefix("HTTP/1.1 200 ") == true }
            var first: RawSocket? = try RawSocket(port: server.port)
            let second = try RawSocket(port: server.port)
            for socket in [first, second].compactMap({ $0 }) {
                #expect(socket.send(request))
                try await eventually { isAnswered(socket) }
            }
            let third = try RawSocket(port: server.port)
            #expect(third.send(request))
            // One more round with another: time in which the third would have been answered.
            #expect(second.send(request))
            try await eventually { isAnswered(second) }
            #expect(!isAnswered(third))
            first = nil
            try await eventually { isAnswered(third) }
        }
    }

    @Test func `only so many passwords wait to be hashed, and the next one is told to come back`() async throws {
        let passwords = try Passwords(cost: Passwords.Cost(ln: 14, r: 8, p: 1), maximumWaiting: 3)
        let outcomes = await withTaskGroup(of: ProblemCode?.self) { group in
            for _ in 0..<12 {
                group.addTask {
                    do {
                        _ = try await passwords.hash("a long enough password")
                        return nil
                    } catch {
                        return (error as? Problem)?.code
                    }
                }
            }
            return await group.reduce(into: [ProblemCode?]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } >= 3)
        #expect(outcomes.contains(.overloaded) && outcomes.allSatisfy { $0 == nil || $0 == .overloaded })
        // Their places are free again.
        _ = try await passwords.hash("a long enough password")
    }
}

import FoundationEssentials
import JSON
import Observability
import Support
import Testing

@testable import Aftercare

/// OWASP API4, the noisy neighbour: requests of one tenant that are worked on at once.
@Suite(.timeLimit(.minutes(1))) struct InFlightTests {
    private func credential(_ tenant: TenantID = .new()) throws -> Credential {
        let token = Token(tenant: tenant, subject: .apiKey(.new(), store: nil), pepper: PepperFixture.pepper)
        return try #require(Credential(token: token.text.reveal()[...], pepper: PepperFixture.pepper))
    }

    /// A credential that has proved itself.
    private func known(_ inFlight: InFlight, _ tenant: TenantID) throws -> Credential {
        let credential = try credential(tenant)
        inFlight.leave(try #require(inFlight.enter(credential, from: "home")), credential, isValid: true)
        return credential
    }

    @Test func `a tenant has so many places, whatever its credentials, and gets them back`() throws {
        let inFlight = InFlight(maximum: 3)
        let (a, b) = (TenantID.new(), TenantID.new())
        let keys = try (0..<3).map { _ in try known(inFlight, a) }
        let places = try keys.map { try #require(inFlight.enter($0, from: "home")) }
        for key in keys { #expect(inFlight.enter(key, from: "elsewhere") == nil) }
        #expect(inFlight.enter(try known(inFlight, b), from: "home") != nil)
        inFlight.leave(places[1], keys[1], isValid: true)
        #expect(inFlight.enter(keys[0], from: "home") != nil)
        #expect(inFlight.enter(keys[0], from: "home") == nil)
    }

    @Test func `made-up credentials take no place of the tenant they name`() throws {
        let inFlight = InFlight(maximum: 2)
        let tenant = TenantID.new()
        let honest = try known(inFlight, tenant)
        for _ in 0..<2 { #expect(inFlight.enter(try credential(tenant), from: "attacker") != nil) }
        #expect(inFlight.enter(try credential(tenant), from: "attacker") == nil)
        #expect(inFlight.enter(try credential(tenant), from: "elsewhere") != nil)
        #expect(inFlight.enter(honest, from: "attacker") != nil)
    }

    @Test func `a credential that is revoked is a stranger again`() throws {
        let inFlight = InFlight(maximum: 1)
        let key = try known(inFlight, .new())
        inFlight.leave(try #require(inFlight.enter(key, from: "a")), key, isValid: false)
        // One place at each address, so both are had at once.
        #expect(inFlight.enter(key, from: "a") != nil)
        #expect(inFlight.enter(key, from: "b") != nil)
    }

    @Test func `one tenant's slow requests are refused beyond its places, and nobody else's`() async throws {
        let (slow, other) = (try await TestTenant.make(), try await TestTenant.make())
        let demo = DemoOrder(slow)
        try await OwnServer.run(["AFTERCARE_RATE_TENANT_IN_FLIGHT": "3"]) { server in
            func send(
                _ method: String,
                _ path: String,
                _ tenant: TestTenant,
                _ body: JSON? = nil
            ) async throws -> Answer {
                try await server.send(method, path, token: tenant.owner, body: body)
            }
            let store = "/v1/stores/\(slow.store)"
            // Each proves itself once.
            for tenant in [slow, other] { #expect(try await send("GET", "/v1/me", tenant).status == 200) }
            try await slow.holdingStore { release in
                try await withThrowingTaskGroup(of: Answer.self) { group in
                    for number in 0..<3 {
                        group.addTask {
                            // The look below takes a place for a moment, too.
                            while true {
                                let answer = try await send("PATCH", store, slow, ["name": .string("Slow \(number)")])
                                if answer.status != 429 { return answer }
                            }
                        }
                    }
                    var refused: Answer?
                    try await eventually {
                        let answer = try await send("GET", "/v1/me", slow)
                        if answer.status == 429 { refused = answer }
                        return refused != nil
                    }
                    #expect(refused?.code == "rate_limited" && refused?["violated_policies"] == ["in_flight"])
                    #expect(refused?.header("Retry-After") == "1" && refused?.header("RateLimit") != nil)
                    #expect(try await send("GET", "/v1/me", other).status == 200)
                    #expect(try await server.send("GET", "/health/ready").status == 200)
                    #expect(try await server.post(demo).status == 200)
                    release()
                    for try await answer in group { #expect(answer.status == 200) }
                }
            }
            #expect(try await send("GET", "/v1/me", slow).status == 200)
        }
    }
}

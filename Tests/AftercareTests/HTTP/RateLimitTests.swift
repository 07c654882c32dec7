import FoundationEssentials
import Observability
import Testing

@testable import Aftercare

@Suite struct RateLimitTests {
    private let start = ContinuousClock.now

    @Test func `a bucket admits its quota at once, then one for each interval`() {
        let limits = RateLimits(credentialPerMinute: 60, tenantPerMinute: 60, addressPerMinute: 6)
        for used in 1...6 {
            let standing = limits.admit(nil, from: "a", now: start)[0]
            #expect(!standing.isExceeded)
            #expect(standing.remaining == 6 - used)
        }
        let refused = limits.admit(nil, from: "a", now: start)[0]
        #expect(refused.isExceeded)
        #expect(refused.remaining == 0)
        // Ten seconds for each.
        #expect(limits.admit(nil, from: "a", now: start + .seconds(9))[0].isExceeded)
        #expect(!limits.admit(nil, from: "a", now: start + .seconds(10))[0].isExceeded)
        #expect(limits.admit(nil, from: "a", now: start + .seconds(10))[0].isExceeded)
        #expect(!limits.admit(nil, from: "b", now: start)[0].isExceeded)
    }

    @Test func `a full bucket is full again after the window`() {
        let limits = RateLimits(credentialPerMinute: 1, tenantPerMinute: 1, addressPerMinute: 3)
        for _ in 0..<5 { _ = limits.admit(nil, from: "a", now: start) }
        #expect(limits.admit(nil, from: "a", now: start + .seconds(60))[0].remaining == 2)
    }

    @Test func `a stranger who claims a tenant uses up nothing of it`() throws {
        let limits = RateLimits(credentialPerMinute: 2, tenantPerMinute: 2, addressPerMinute: 100)
        let (tenant, pepper) = (TenantID.new(), PepperFixture.pepper)
        func credential() throws -> Credential {
            let token = Token(tenant: tenant, subject: .apiKey(.new(), store: nil), pepper: pepper)
            return try #require(Credential(token: token.text.reveal()[...], pepper: pepper))
        }
        // Unverified requests with well-formed but unknown credentials.
        for _ in 0..<50 { _ = limits.admit(try credential(), from: "a", now: start) }
        let honest = try credential()
        #expect(!limits.admit(honest, from: "b", now: start).contains { $0.isExceeded })
        limits.charge(tenant: tenant.uuid, now: start)
        limits.charge(tenant: tenant.uuid, now: start)
        #expect(limits.admit(try credential(), from: "b", now: start).contains { $0.isExceeded })
    }

    @Test func `the headers say what the draft standard says`() {
        let limits = RateLimits(credentialPerMinute: 600, tenantPerMinute: 3000, addressPerMinute: 120)
        let standing = limits.admit(nil, from: "a", now: start)[0]
        #expect(standing.policy.header == "\"address\";q=120;w=60")
        var header = ""
        standing.write(to: &header)
        #expect(header == "\"address\";r=119;t=1")
    }
}

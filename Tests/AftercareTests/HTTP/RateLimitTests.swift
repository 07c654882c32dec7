import FoundationEssentials
import HTTPTypes
import Observability
import Testing

@testable import Aftercare

@Suite struct RateLimitTests {
    private let start = ContinuousClock.now

    @Test func `a bucket admits its quota at once, then one for each interval`() {
        let limits = RateLimits(credentialPerMinute: 60, tenantPerMinute: 60, addressPerMinute: 6)
        for used in 1...6 {
            let standing = limits.admit(nil, from: "a", now: start).each[0]
            #expect(!standing.isExceeded)
            #expect(standing.remaining == 6 - used)
        }
        let refused = limits.admit(nil, from: "a", now: start).each[0]
        #expect(refused.isExceeded)
        #expect(refused.remaining == 0)
        // Ten seconds for each.
        #expect(limits.admit(nil, from: "a", now: start + .seconds(9)).each[0].isExceeded)
        #expect(!limits.admit(nil, from: "a", now: start + .seconds(10)).each[0].isExceeded)
        #expect(limits.admit(nil, from: "a", now: start + .seconds(10)).each[0].isExceeded)
        #expect(!limits.admit(nil, from: "b", now: start).each[0].isExceeded)
    }

    @Test func `a full bucket is full again after the window`() {
        let limits = RateLimits(credentialPerMinute: 1, tenantPerMinute: 1, addressPerMinute: 3)
        for _ in 0..<5 { _ = limits.admit(nil, from: "a", now: start) }
        #expect(limits.admit(nil, from: "a", now: start + .seconds(60)).each[0].remaining == 2)
    }

    @Test func `a stranger who claims a tenant uses up nothing of it`() throws {
        let limits = RateLimits(credentialPerMinute: 2, tenantPerMinute: 2, addressPerMinute: 100)
        let tenant = TenantID.new()
        // Unverified requests with well-formed but unknown credentials.
        for _ in 0..<50 { _ = limits.admit(try credential(of: tenant), from: "a", now: start) }
        let honest = try credential(of: tenant)
        #expect(!limits.admit(honest, from: "b", now: start).each.contains { $0.isExceeded })
        limits.charge(tenant: tenant.uuid, now: start)
        limits.charge(tenant: tenant.uuid, now: start)
        #expect(limits.admit(try credential(of: tenant), from: "b", now: start).each.contains { $0.isExceeded })
    }

    @Test func `a tenant that goes on asking gets its quota and no more`() throws {
        let limits = RateLimits(credentialPerMinute: 1_000_000, tenantPerMinute: 120, addressPerMinute: 1)
        let caller = try credential(of: .new())
        // Two minutes of a request each 100 ms: 120 at once, then two a second.
        var admitted = 0
        for step in 0..<1200 {
            let now = start + .milliseconds(100 * step)
            guard !limits.admit(caller, from: "a", now: now).each.contains(where: \.isExceeded) else { continue }
            limits.charge(tenant: caller.tenant.uuid, now: now)
            admitted += 1
        }
        #expect((358...360).contains(admitted))
    }

    @Test func `a quota that does not divide the minute is not exceeded`() {
        for quota in [7, 999, 4096, 700_000] {
            let limits = RateLimits(credentialPerMinute: 1, tenantPerMinute: 1, addressPerMinute: quota)
            var last = limits.admit(nil, from: "a", now: start).each[0]
            #expect(last.remaining == quota - 1)
            guard quota < 5000 else { continue }
            for _ in 1..<quota { last = limits.admit(nil, from: "a", now: start).each[0] }
            #expect(last.remaining == 0 && !last.isExceeded)
            #expect(limits.admit(nil, from: "a", now: start).each[0].isExceeded)
        }
    }

    @Test func `the headers say what the draft standard says`() throws {
        let limits = RateLimits(credentialPerMinute: 600, tenantPerMinute: 3000, addressPerMinute: 120)
        let stranger = limits.admit(nil, from: "a", now: start)
        #expect(stranger.policies.name == .rateLimitPolicy && stranger.states.name == .rateLimit)
        #expect(stranger.policies.value == "\"address\";q=120;w=60")
        #expect(stranger.states.value == "\"address\";r=119;t=1")
        let holder = limits.admit(try credential(of: .new()), from: "a", now: start)
        #expect(holder.policies.value == "\"key\";q=600;w=60, \"tenant\";q=3000;w=60")
        #expect(holder.states.value == "\"key\";r=599;t=1, \"tenant\";r=3000;t=0")
    }

    private func credential(of tenant: TenantID) throws -> Credential {
        let pepper = PepperFixture.pepper
        let token = Token(tenant: tenant, subject: .apiKey(.new(), store: nil), pepper: pepper)
        return try #require(Credential(token: token.text.reveal()[...], pepper: pepper))
    }
}

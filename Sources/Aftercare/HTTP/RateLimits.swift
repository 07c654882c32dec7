import FoundationEssentials
import HTTPTypes
import Synchronization

/// Requests per minute, counted in this process by the generic cell rate algorithm: each bucket is one instant.
///
/// Three kinds of bucket: one for each credential, one for each tenant, and one for each address that sends no valid
/// credential. A credential's bucket goes by the hash of its secret, and a tenant is charged only for verified
/// requests, so that nobody can use up another's share.
final class RateLimits: Sendable {
    final class Policy: Sendable {
        let name: String
        /// `"key";q=600;w=60`, as RateLimit-Policy states it.
        fileprivate let header: String
        /// How the header of a standing begins.
        fileprivate let prefix: String
        /// In nanoseconds: how long the quota lasts, and one request of it.
        fileprivate let window: Int64
        fileprivate let interval: Int64

        init(name: String, quota: Int, seconds: Int) {
            self.name = name
            header = "\"\(name)\";q=\(quota);w=\(seconds)"
            prefix = "\"\(name)\";r="
            interval = Int64(seconds) * 1_000_000_000 / Int64(quota)
            window = interval * Int64(quota)
        }
    }

    /// How a bucket stands: what is left, and in how many seconds it is full again.
    struct Standing: Sendable {
        let policy: Policy
        let remaining: Int
        let resetSeconds: Int
        let isExceeded: Bool

        /// `"key";r=599;t=1`, as RateLimit states it.
        fileprivate func write(to header: inout [UInt8]) {
            header += policy.prefix.utf8
            header += String(remaining).utf8
            header += ";t=".utf8
            header += String(resetSeconds).utf8
        }
    }

    /// How the buckets that a request was taken from stand.
    struct Standings: Sendable {
        /// The header RateLimit-Policy.
        let policies: HTTPField
        let each: [Standing]

        /// The header RateLimit.
        var states: HTTPField {
            var header: [UInt8] = []
            header.reserveCapacity(80)
            for standing in each {
                if !header.isEmpty { header += ", ".utf8 }
                standing.write(to: &header)
            }
            return HTTPField(name: .rateLimit, value: String(decoding: header, as: UTF8.self))
        }
    }

    enum Bucket: Hashable, Sendable {
        case credential([UInt8])
        case tenant(UUID)
        case address(String)

        /// Of a credential's hash the first bytes say enough.
        func hash(into hasher: inout Hasher) {
            switch self {
            case .credential(let hash):
                hash.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0.prefix(8))) }
            case .tenant(let id): hasher.combine(id.bits)
            case .address(let address): hasher.combine(address)
            }
        }
    }

    fileprivate struct State {
        /// When each bucket would be empty, in nanoseconds since `start`; a bucket in the past is full and may be
        /// forgotten.
        var emptyAt: [Bucket: Int64] = [:]
        var forgetAt = 10_000
    }

    private let credential: Policy
    private let tenant: Policy
    private let address: Policy
    private let ofHolders: HTTPField
    private let ofStrangers: HTTPField
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(credentialPerMinute: Int, tenantPerMinute: Int, addressPerMinute: Int) {
        credential = Policy(name: "key", quota: credentialPerMinute, seconds: 60)
        tenant = Policy(name: "tenant", quota: tenantPerMinute, seconds: 60)
        address = Policy(name: "address", quota: addressPerMinute, seconds: 60)
        ofHolders = HTTPField(name: .rateLimitPolicy, value: "\(credential.header), \(tenant.header)")
        ofStrangers = HTTPField(name: .rateLimitPolicy, value: address.header)
    }

    /// Takes one request from the credential's bucket, or from the address's where there is none, and looks at the
    /// tenant's.
    func admit(
        _ caller: Credential?,
        from address: @autoclosure () -> String,
        now: ContinuousClock.Instant = .now
    ) -> Standings {
        let now = nanoseconds(at: now)
        guard let caller else {
            // Not while all others wait for the lock: it may be taken out of a header of any length.
            let bucket = Bucket.address(address())
            let standing = state.withLock { $0.take(1, from: bucket, self.address, now) }
            return Standings(policies: ofStrangers, each: [standing])
        }
        return state.withLock { state in
            let own = state.take(1, from: .credential(caller.hash), credential, now)
            let shared = state.take(0, from: .tenant(caller.tenant.uuid), tenant, now)
            return Standings(policies: ofHolders, each: [own, shared])
        }
    }

    /// Puts back what a valid credential's request has taken: one that was answered 304 costs nothing.
    func giveBack(_ caller: Credential, now: ContinuousClock.Instant = .now) -> Standings {
        let now = nanoseconds(at: now)
        return state.withLock { state in
            let own = state.take(-1, from: .credential(caller.hash), credential, now)
            let shared = state.take(-1, from: .tenant(caller.tenant.uuid), tenant, now)
            return Standings(policies: ofHolders, each: [own, shared])
        }
    }

    func charge(tenant id: UUID, now: ContinuousClock.Instant = .now) {
        let now = nanoseconds(at: now)
        _ = state.withLock { $0.take(1, from: .tenant(id), tenant, now) }
    }

    /// A failed sign-in or a wrong credential counts against the address that sent it.
    func penalize(address text: String, now: ContinuousClock.Instant = .now) {
        let now = nanoseconds(at: now)
        _ = state.withLock { $0.take(1, from: .address(text), address, now) }
    }

    private func nanoseconds(at instant: ContinuousClock.Instant) -> Int64 {
        start.duration(to: instant).nanoseconds
    }
}

extension RateLimits.State {
    /// Takes a request from the bucket, or none to look whether it has one; -1 puts one back.
    fileprivate mutating func take(
        _ count: Int64,
        from bucket: RateLimits.Bucket,
        _ policy: RateLimits.Policy,
        _ now: Int64
    ) -> RateLimits.Standing {
        let before = max(emptyAt[bucket] ?? now, now)
        let isExceeded = count >= 0 && before + policy.interval - now > policy.window
        let standing = isExceeded ? before : max(before + count * policy.interval, now)
        if count != 0 {
            emptyAt[bucket] = standing
            forget(now)
        }
        return RateLimits.Standing(
            policy: policy,
            remaining: Int(max(0, (policy.window - (standing - now)) / policy.interval)),
            resetSeconds: Int((standing - now) / 1_000_000_000) + (standing > now ? 1 : 0),
            isExceeded: isExceeded
        )
    }

    /// Full buckets are dropped when the table has grown, so that it holds what is in use.
    private mutating func forget(_ now: Int64) {
        guard emptyAt.count > forgetAt else { return }
        emptyAt = emptyAt.filter { $0.value > now }
        forgetAt = max(10_000, emptyAt.count * 2)
    }
}

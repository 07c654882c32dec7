import FoundationEssentials
import Synchronization

/// Requests per minute, counted in this process by the generic cell rate algorithm: each bucket is one instant.
///
/// Three kinds of bucket: one for each credential, one for each tenant, and one for each address that sends no valid
/// credential. A credential's bucket goes by the hash of its secret, and a tenant is charged only for verified
/// requests, so that nobody can use up another's share.
final class RateLimits: Sendable {
    struct Policy: Hashable, Sendable {
        let name: String
        let quota: Int
        let window: Duration
        /// `"key";q=600;w=60`, as RateLimit-Policy states it.
        let header: String
        /// How the header of a standing begins.
        fileprivate let prefix: String

        init(name: String, quota: Int, window: Duration) {
            (self.name, self.quota, self.window) = (name, quota, window)
            header = "\"\(name)\";q=\(quota);w=\(window.components.seconds)"
            prefix = "\"\(name)\";r="
        }
    }

    /// How a bucket stands: what is left, and in how many seconds it is full again.
    struct Standing: Hashable, Sendable {
        let policy: Policy
        let remaining: Int
        let resetSeconds: Int
        let isExceeded: Bool

        /// `"key";r=599;t=1`, as RateLimit states it.
        func write(to header: inout String) {
            header += policy.prefix
            header += String(remaining)
            header += ";t="
            header += String(resetSeconds)
        }
    }

    enum Bucket: Hashable, Sendable {
        case credential([UInt8])
        case tenant(UUID)
        case address(String)
    }

    private struct State {
        /// When each bucket would be empty; a bucket in the past is full and may be forgotten.
        var emptyAt: [Bucket: ContinuousClock.Instant] = [:]
        var forgetAt = 10_000
    }

    private let credential: Policy
    private let tenant: Policy
    private let address: Policy
    private let state = Mutex(State())

    init(credentialPerMinute: Int, tenantPerMinute: Int, addressPerMinute: Int) {
        credential = Policy(name: "key", quota: credentialPerMinute, window: .seconds(60))
        tenant = Policy(name: "tenant", quota: tenantPerMinute, window: .seconds(60))
        address = Policy(name: "address", quota: addressPerMinute, window: .seconds(60))
    }

    /// Takes one request from the credential's bucket, or from the address's where there is none, and looks at the
    /// tenant's.
    func admit(_ caller: Credential?, from address: String, now: ContinuousClock.Instant = .now) -> [Standing] {
        guard let caller else { return [take(1, from: .address(address), now: now)] }
        return [
            take(1, from: .credential(caller.hash), now: now),
            take(0, from: .tenant(caller.tenant.uuid), now: now),
        ]
    }

    func charge(tenant: UUID, now: ContinuousClock.Instant = .now) {
        _ = take(1, from: .tenant(tenant), now: now)
    }

    /// A failed sign-in or a wrong credential counts against the address that sent it.
    func penalize(address: String, now: ContinuousClock.Instant = .now) {
        _ = take(1, from: .address(address), now: now)
    }

    private func take(_ count: Int, from bucket: Bucket, now: ContinuousClock.Instant) -> Standing {
        let policy =
            switch bucket {
            case .credential: credential
            case .tenant: tenant
            case .address: address
            }
        let interval = policy.window / policy.quota
        return state.withLock { state in
            let before = max(state.emptyAt[bucket] ?? now, now)
            let after = before + interval * count
            let used = now.duration(to: after)
            let isExceeded = used > policy.window
            let standing = isExceeded ? before : after
            if count > 0 {
                state.emptyAt[bucket] = standing
                forget(&state, now)
            }
            let left = policy.window - now.duration(to: standing)
            return Standing(
                policy: policy,
                remaining: max(0, Int(left / interval)),
                resetSeconds: Int(now.duration(to: standing).components.seconds) + (standing > now ? 1 : 0),
                isExceeded: isExceeded || (count == 0 && used >= policy.window)
            )
        }
    }

    /// Full buckets are dropped when the table has grown, so that it holds what is in use.
    private func forget(_ state: inout State, _ now: ContinuousClock.Instant) {
        guard state.emptyAt.count > state.forgetAt else { return }
        state.emptyAt = state.emptyAt.filter { $0.value > now }
        state.forgetAt = max(10_000, state.emptyAt.count * 2)
    }
}

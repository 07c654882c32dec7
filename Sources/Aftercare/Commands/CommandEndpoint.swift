import FoundationEssentials
import Observability
import Time

/// Where a store's own program takes commands: one address of each store, and the secret they are signed with.
struct CommandEndpoint: Sendable {
    enum State: String, CaseIterable, Sendable { case active, disabled }

    enum StateReason: String, CaseIterable, Sendable {
        /// It answered 410.
        case gone
        case disabledByUser = "disabled_by_user"
    }

    let store: StoreID
    var url: String
    /// Which commands the shop takes.
    var kinds: [Command.Kind]
    /// Sealed.
    var secret: [UInt8]
    /// The one before, which signs too until then.
    var previous: (secret: [UInt8], until: Instant)?
    var state: State
    var stateReason: StateReason?
    var lastSuccessAt: Instant?
    var lastFailureAt: Instant?
    var lastFailure: String?
    let createdAt: Instant
    var updatedAt: Instant

    func takes(_ kind: Command.Kind) -> Bool { state == .active && kinds.contains(kind) }

    /// Where the secret is kept, sealed.
    static func place(of store: StoreID, tenant: TenantID) -> MasterKey.Place {
        MasterKey.Place(tenant: tenant.uuid, column: "command_endpoints.secret", row: store.uuid)
    }

    /// The same under another key of the program; nil where it is already.
    func resealed(_ tenant: TenantID, _ key: MasterKey) throws -> CommandEndpoint? {
        let place = Self.place(of: store, tenant: tenant)
        let new = try (
            key.reseal(secret, for: place), previous.flatMap { try key.reseal($0.secret, for: place) }
        )
        guard new.0 != nil || new.1 != nil else { return nil }
        var endpoint = self
        endpoint.secret = new.0 ?? secret
        if let previous, let secret = new.1 { endpoint.previous = (secret, previous.until) }
        return endpoint
    }

    /// What to sign with now: the secret, and the one before while it counts.
    func secrets(_ tenant: TenantID, _ key: MasterKey, now: Instant) throws -> [Secret<[UInt8]>] {
        let place = Self.place(of: store, tenant: tenant)
        var sealed = [secret]
        if let previous, previous.until > now { sealed.append(previous.secret) }
        return try sealed.map { try key.open($0, for: place) }
    }
}

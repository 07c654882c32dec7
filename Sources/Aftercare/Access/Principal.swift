import FoundationEssentials
import JSON
import Time

/// Who calls: a credential that was looked up and is valid.
struct Principal: Sendable {
    enum Identity: Hashable, Sendable {
        case apiKey(APIKeyID)
        case user(UserID, Role, session: SessionID)
    }

    let tenant: TenantID
    /// The only store it may touch, for a key bound to one.
    let store: StoreID?
    let identity: Identity
    let scopes: Set<Scope>

    /// Stands for the caller in records: `key_…` or `usr_…`.
    var name: String {
        switch identity {
        case .apiKey(let id): id.description
        case .user(let id, _, _): id.description
        }
    }

    func demand(_ audience: Route.Audience) throws(Problem) {
        guard case .holder(let scope) = audience, !scopes.contains(scope) else { return }
        throw .lacking([scope], "This needs the scope \(scope.rawValue).")
    }
}

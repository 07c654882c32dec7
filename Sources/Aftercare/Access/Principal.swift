import FoundationEssentials
import JSON
import Postgres
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
    /// The names of an API key's scopes, as its row has them: a request asks for one or two.
    private let keyScopes: TextArray

    init(tenant: TenantID, store: StoreID?, key: APIKeyID, scopes: TextArray) {
        (self.tenant, self.store, identity, keyScopes) = (tenant, store, .apiKey(key), scopes)
    }

    init(tenant: TenantID, user: UserID, _ role: Role, session: SessionID) {
        (self.tenant, store, identity, keyScopes) = (tenant, nil, .user(user, role, session: session), TextArray())
    }

    /// A scope that this version does not know grants nothing.
    var scopes: Set<Scope> {
        switch identity {
        case .apiKey: Set(Scope.allCases.filter { keyScopes.contains($0.rawValue) })
        case .user(_, let role, _): role.scopes
        }
    }

    func holds(_ scope: Scope) -> Bool {
        switch identity {
        case .apiKey: keyScopes.contains(scope.rawValue)
        case .user(_, let role, _): role.scopes.contains(scope)
        }
    }

    /// Stands for the caller in records: `key_…` or `usr_…`.
    var name: String {
        switch identity {
        case .apiKey(let id): id.description
        case .user(let id, _, _): id.description
        }
    }

    func demand(_ audience: Route.Audience) throws(Problem) {
        guard case .holder(let scope) = audience, !holds(scope) else { return }
        throw .lacking([scope], "This needs the scope \(scope.rawValue).")
    }
}

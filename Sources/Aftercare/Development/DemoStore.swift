import FoundationEssentials
import Jobs
import Observability
import Postgres
import Time

/// The demo tenant of `aftercare dev`: a sandbox store with a Shopify connection, two people and a key.
struct DemoStore: Sendable {
    let tenant: TenantID
    let store: StoreID
    let owner: UserID
    let reviewer: UserID
    let connection: ConnectionID
    let webhookSecret: String
    let apiKey: String

    static let password = "correct horse battery staple"

    /// Makes everything, in one transaction.
    static func create(_ environment: Environment) async throws -> DemoStore {
        let now = environment.clock.now()
        let tenant = TenantID.new()
        let store = Store(
            id: .new(),
            tenant: tenant,
            name: "Demo Store",
            platform: .shopify,
            zone: Zone("Europe/Berlin") ?? .utc,
            currency: "EUR",
            locale: "en",
            mode: .sandbox,
            testClock: nil,
            mailFrom: "help@demo.example",
            escalationEmail: "care@demo.example",
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        func user(_ name: String, _ role: Role) -> User {
            User(
                id: .new(),
                tenant: tenant,
                // Sign-in addresses are unique over all tenants: a demo made anew must not collide with an older one.
                email: "\(role.rawValue)+\(tenant.description.suffix(6))@demo.example",
                name: name,
                role: role,
                disabledAt: nil,
                version: 1,
                createdAt: now,
                updatedAt: now
            )
        }
        let (owner, reviewer) = (user("Olive Owner", .owner), user("Rhea Reviewer", .approver))
        let hash = try await environment.passwords.hash(password)
        let keyID = APIKeyID.new()
        let token = Token(tenant: tenant, subject: .apiKey(keyID, store: nil), pepper: environment.masterKey.pepper)
        let key = APIKey(
            id: keyID,
            tenant: tenant,
            store: nil,
            name: "Demo key",
            scopes: Set(Scope.allCases).subtracting([.usersWrite, .keysWrite]),
            hint: token.hint,
            rotatedTo: nil,
            createdBy: owner.id.description,
            createdAt: now,
            expiresAt: nil,
            revokedAt: nil
        )
        let secret = String(UUID().uuidString.replacing("-", with: "").lowercased())
        let connection = Connection(
            id: .new(),
            tenant: tenant,
            store: store.id,
            provider: .shopify,
            account: "demo.myshopify.com",
            state: .active,
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        let sealed = try environment.masterKey.seal(
            Array(secret.utf8),
            for: Connection.place(of: connection.id, tenant: tenant)
        )
        _ = try await environment.pool.transaction(
            environment.settings(for: tenant.uuid),
            [TenantStore.insertTenant(tenant, name: "Demo", now: now), TenantStore.insert(store)]
                + WorkflowCatalogue.install(for: store, now: now)
                + UserStore.insert(owner, passwordHash: hash)
                + UserStore.insert(reviewer, passwordHash: hash)
                + [JobStore.schedule(Retention.scheduled(for: store, after: now), now: now)]
                + [APIKeyStore.insert(key, hash: token.hash), ConnectionStore.insert(connection, secret: sealed)]
                + [JobStore.schedule(CheckConnection.first(for: connection, now: now), now: now)]
        )
        return DemoStore(
            tenant: tenant,
            store: store.id,
            owner: owner.id,
            reviewer: reviewer.id,
            connection: connection.id,
            webhookSecret: secret,
            apiKey: token.text.reveal()
        )
    }

    /// A session for one of its people, as signing in would give.
    func signIn(_ user: UserID, _ environment: Environment) async throws -> String {
        let session = SessionID.new()
        let token = Token(tenant: tenant, subject: .session(session), pepper: environment.masterKey.pepper)
        let insert = AccessStore.insertSession(
            session,
            tenant: tenant,
            user: user,
            hash: token.hash,
            now: environment.clock.now(),
            life: environment.access.life
        )
        _ = try await environment.pool.transaction(environment.settings(for: tenant.uuid), insert)
        return token.text.reveal()
    }
}

import FoundationEssentials
import JSON
import Observability
import Postgres
import Time

@testable import Aftercare

/// A tenant of one test's own: a sandbox store with a Shopify connection, an owner who is signed in, and a key.
struct TestTenant: Sendable {
    let server: TestServer
    let demo: DemoStore
    /// The owner's session.
    let owner: String

    var id: TenantID { demo.tenant }
    var store: StoreID { demo.store }
    var settings: [LocalSetting] { server.environment.settings(for: id.uuid) }

    static func make() async throws -> TestTenant {
        let server = try await TestServer.shared()
        let demo = try await DemoStore.create(server.environment)
        return TestTenant(server: server, demo: demo, owner: try await demo.signIn(demo.owner, server.environment))
    }

    /// A request of the owner's, or of another credential's.
    func send(
        _ method: String,
        _ path: String,
        _ body: JSON? = nil,
        as token: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        try await server.send(method, path, token: token ?? owner, body: body, headers: headers)
    }

    func get(_ path: String, as token: String? = nil, headers: [(String, String)] = []) async throws -> Answer {
        try await send("GET", path, as: token, headers: headers)
    }

    /// A new person's session.
    func signIn(_ role: Role) async throws -> String {
        let email = "\(role.rawValue)-\(UUID().uuidString.lowercased())@example.test"
        let password = "a long enough password"
        let person: JSON = [
            "email": .string(email), "name": "Somebody", "role": .string(role.rawValue), "password": .string(password),
        ]
        let created = try await send("POST", "/v1/users", person)
        guard created.status == 201 else { throw Unexpected(created) }
        let signedIn = try await server.send(
            "POST",
            "/v1/sessions",
            body: ["email": .string(email), "password": .string(password)]
        )
        guard let token = signedIn["token"]?.stringValue else { throw Unexpected(signedIn) }
        return token
    }

    /// A new API key's token.
    func key(_ scopes: [Scope], store: StoreID? = nil) async throws -> String {
        var body: JSON = ["name": "A key", "scopes": .array(scopes.map { .string($0.rawValue) })]
        if let store { body = body.with("store_id", .string(store.description)) }
        let created = try await send("POST", "/v1/api-keys", body)
        guard let token = created["token"]?.stringValue else { throw Unexpected(created) }
        return token
    }

    /// A second store of the tenant.
    func addStore(_ changes: [(String, JSON)] = []) async throws -> StoreID {
        var body: JSON = ["name": "Another", "platform": "other", "time_zone": "America/New_York", "currency": "USD"]
        for (name, value) in changes { body = body.with(name, value) }
        let created = try await send("POST", "/v1/stores", body)
        guard let id = created["id"]?.stringValue.flatMap({ StoreID($0) }) else { throw Unexpected(created) }
        return id
    }

    /// Rows of this tenant, seen as the program sees them.
    func rows(_ statement: SQL) async throws -> Rows {
        try await server.environment.pool.transaction(settings, statement)[0]
    }
}

/// An answer a test cannot go on with.
struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ answer: Answer) { description = "\(answer.status) \(answer.json.serialized)" }
}

extension JSON {
    func with(_ name: String, _ value: JSON) -> JSON {
        var object = objectValue ?? [:]
        object[name] = value
        return .object(object)
    }
}

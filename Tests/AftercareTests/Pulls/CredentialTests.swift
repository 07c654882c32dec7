import FoundationEssentials
import JSON
import Jobs
import Observability
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What shops are asked with: kept sealed, never shown, and moved to a new key.
@Suite(.timeLimit(.minutes(2))) struct `Credentials of a connection` {
    private static let body: JSON = ["consumer_key": "ck_visible", "consumer_secret": "cs_hush-hush"]

    @Test func `they are kept sealed, and shown nowhere`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant, account: "https://127.0.0.1:1/none")
        let path = "/v1/connections/\(shop.connection)"
        #expect(try await tenant.get(path)["credentials_set_at"] == .null)
        let key = [("Idempotency-Key", "put")]
        let put = try await tenant.send("PUT", path + "/credentials", Self.body, headers: key)
        #expect(put.status == 200 && put["version"] == 2 && put["credentials_set_at"]?.stringValue != nil)
        #expect(try await tenant.send("PUT", path + "/credentials", Self.body, headers: key).json == put.json)
        try await tenant.settle()
        // Every row of every table.
        let superuser = tenant.server.database.superuser
        let tables = try await superuser.execute(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for table in try tables.decode(String.self) where table != "schema_migrations" {
            let found = try await superuser.execute(
                """
                SELECT 1 FROM \(unsafe: table) AS t
                 WHERE tenant_id = \(tenant.id.uuid) AND (t::text LIKE '%hush-hush%' OR t::text LIKE '%ck_visible%'
                       OR t::text LIKE '%' || encode('hush-hush'::bytea, 'hex') || '%')
                """
            )
            #expect(found.isEmpty, "\(table)")
        }
        for path in [path, path + "/pulls", "/v1/connections"] {
            #expect(!(try await tenant.get(path).json.serialized.contains("hush")))
        }
        #expect(!tenant.server.log.lines.contains { $0.contains("hush-hush") })
        #expect(try await tenant.send("DELETE", path + "/credentials").status == 204)
        #expect(try await tenant.get(path)["credentials_set_at"] == .null)
        #expect(try await tenant.send("DELETE", path + "/credentials").status == 204)
        #expect(try await tenant.get(path)["version"] == 3)
    }

    @Test func `only an owner writes them, and only those the provider takes`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant, account: "https://127.0.0.1:1/none")
        let path = "/v1/connections/\(shop.connection)/credentials"
        for role in [Role.approver, .agent] {
            let token = try await tenant.signIn(role)
            #expect(try await tenant.send("PUT", path, Self.body, as: token).code == "insufficient_scope")
            #expect(try await tenant.send("DELETE", path, as: token).code == "insufficient_scope")
        }
        let wrong: [(JSON, [String])] = [
            ([:], ["#/consumer_key", "#/consumer_secret"]),
            (["consumer_key": "", "consumer_secret": "a b"], ["#/consumer_key", "#/consumer_secret"]),
            (["consumer_key": "k", "consumer_secret": "line\nbreak"], ["#/consumer_secret"]),
            (Self.body.with("access_token", "t"), ["#/access_token"]),
        ]
        for one in wrong {
            let (body, pointers) = one
            let answer = try await tenant.send("PUT", path, body)
            #expect(answer.status == 422 && answer.pointers.sorted() == pointers, "\(body)")
        }
        let stale = try await tenant.send("PUT", path, Self.body, headers: [("If-Match", "\"v9\"")])
        #expect(stale.status == 412)
        let tracker: JSON = [
            "store_id": .string(tenant.store.description), "provider": "easypost", "account": "main",
            "secret": "a-secret-of-theirs",
        ]
        let id = try #require(try await tenant.send("POST", "/v1/connections", tracker)["id"]?.stringValue)
        let refused = try await tenant.send("PUT", "/v1/connections/\(id)/credentials", Self.body)
        #expect(refused.status == 409 && refused.code == "state_conflict")
    }

    // MARK: A new key

    private static let (old, new) = (Secret([UInt8](repeating: 1, count: 32)), Secret([UInt8](repeating: 2, count: 32)))

    @Test func `under a new key the former seals open, and are sealed anew once`() throws {
        let (former, replacing) = (MasterKey(Self.old), MasterKey(Self.new, previous: Self.old))
        let place = ShopCredentials.place(of: .new(), tenant: .new())
        let sealed = try former.seal(Array("hush".utf8), for: place)
        #expect(try replacing.open(sealed, for: place).reveal() == Array("hush".utf8))
        let again = try #require(try replacing.reseal(sealed, for: place))
        #expect(try MasterKey(Self.new).open(again, for: place).reveal() == Array("hush".utf8))
        #expect(try replacing.reseal(again, for: place) == nil)
        #expect(throws: (any Error).self) { try former.open(again, for: place) }
        #expect(throws: (any Error).self) { try MasterKey(Self.new).open(sealed, for: place) }
        let elsewhere = ShopCredentials.place(of: .new(), tenant: .new())
        #expect(throws: (any Error).self) { try replacing.reseal(sealed, for: elsewhere) }
        #expect(replacing.isReplacing && !former.isReplacing)
    }

    @Test func `a token made under the former key is valid while that is replaced`() throws {
        let (former, replacing) = (MasterKey(Self.old), MasterKey(Self.new, previous: Self.old))
        let token = Token(tenant: .new(), subject: .session(.new()), pepper: former.pepper)
        let text = token.text.reveal()[...]
        let during = try #require(
            Credential(token: text, pepper: replacing.pepper, formerPepper: replacing.formerPepper)
        )
        #expect(during.matches(token.hash) && !during.matches(Array(token.hash.reversed())))
        let after = try #require(Credential(token: text, pepper: MasterKey(Self.new).pepper))
        #expect(!after.matches(token.hash))
    }

    @Test func `in the night a store's secrets are sealed under the new key`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant, account: "https://127.0.0.1:1/none")
        _ = try await tenant.send("PUT", "/v1/connections/\(shop.connection)/credentials", Self.body)
        try await tenant.settle()
        let id = try #require(ConnectionID(shop.connection))
        // As they were under a key before this server's.
        let environment = tenant.server.environment
        let former = MasterKey(Self.old)
        let places = (Connection.place(of: id, tenant: tenant.id), ShopCredentials.place(of: id, tenant: tenant.id))
        let sealed = (
            try former.seal(Array("secret".utf8), for: places.0), try former.seal(Array("keys".utf8), for: places.1)
        )
        _ = try await environment.pool.transaction(
            tenant.settings,
            PullStore.reseal(id.uuid, tenant: tenant.id.uuid, secret: sealed.0, previous: nil, credentials: sealed.1)
        )
        let key = try #require(Data(base64Encoded: TestServer.secretKey))
        var replacing = environment
        replacing.masterKey = MasterKey(Secret(Array(key)), previous: Self.old)
        let count = try await ResealSecrets(environment: replacing).reseal(tenant.store.uuid, tenant: tenant.id.uuid)
        #expect(count >= 1)
        let rows = try await environment.pool.transaction(
            tenant.settings,
            PullStore.sealed(of: tenant.store.uuid, tenant: tenant.id.uuid)
        )
        for index in 0..<rows[0].count {
            let (row, secret, _, credentials) = try rows[0][index].decode((UUID, Bytea, Bytea?, Bytea?).self)
            let place = Connection.place(of: ConnectionID(row), tenant: tenant.id)
            _ = try environment.masterKey.open(secret.bytes, for: place)
            guard row == id.uuid else { continue }
            let opened = try environment.masterKey.open(try #require(credentials).bytes, for: places.1)
            #expect(opened.reveal() == Array("keys".utf8))
        }
        let again = try await ResealSecrets(environment: replacing).reseal(tenant.store.uuid, tenant: tenant.id.uuid)
        #expect(again == 0)
    }
}

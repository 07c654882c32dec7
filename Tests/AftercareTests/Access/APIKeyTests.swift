import FoundationEssentials
import JSON
import Observability
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct APIKeyTests {
    @Test func `a key is shown once, and does what its scopes say`() async throws {
        let tenant = try await TestTenant.make()
        let created = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "Reader", "scopes": ["stores:read"]]
        )
        #expect(created.status == 201)
        let token = try #require(created["token"]?.stringValue)
        let id = try #require(created["id"]?.stringValue)
        #expect(created.header("Location") == "/v1/api-keys/\(id)")
        #expect(created["hint"]?.stringValue == String(token.suffix(4)))

        let read = try await tenant.get("/v1/api-keys/\(id)")
        #expect(read.status == 200)
        #expect(read["token"] == nil)
        #expect(try await tenant.get("/v1/stores", as: token).status == 200)

        let refused = try await tenant.get("/v1/api-keys", as: token)
        #expect(refused.status == 403)
        #expect(refused.code == "insufficient_scope")
        #expect(refused["required_scopes"] == ["api_keys:read"])
    }

    @Test func `nobody hands out more than they have`() async throws {
        let tenant = try await TestTenant.make()
        let key = try await tenant.key([.keysWrite, .storesRead])
        let answer = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "More", "scopes": ["stores:read", "orders:read"]],
            as: key
        )
        #expect(answer.status == 422)
        #expect(answer.pointers == ["#/scopes"])
    }

    @Test(arguments: ["", "nonsense", "ack_", "ack_x_y_z"])
    func `a text that is no credential is refused`(token: String) async throws {
        let server = try await TestServer.shared()
        let answer = try await server.send("GET", "/v1/stores", token: token)
        #expect(answer.status == 401)
        #expect(answer.code == "unauthenticated")
        #expect(answer.header("WWW-Authenticate") == "Bearer")
    }

    @Test func `a token of each kind is read whole, and cut short or drawn out anywhere is none`() throws {
        let (tenant, pepper) = (TenantID.new(), PepperFixture.pepper)
        for subject in [.apiKey(.new(), store: nil), .apiKey(.new(), store: .new()), .session(.new())]
            as [Credential.Subject]
        {
            let token = Token(tenant: tenant, subject: subject, pepper: pepper).text.reveal()
            let credential = try #require(Credential(token: token[...], pepper: pepper))
            #expect(credential.tenant == tenant && credential.subject == subject)
            for place in token.indices {
                #expect(Credential(token: token[..<place], pepper: pepper) == nil)
                #expect(Credential(token: token[..<place] + "_" + token[place...], pepper: pepper) == nil)
            }
            // With a checksum that is right, only its form speaks against it.
            func changed(_ change: (inout [UInt8]) -> Void) -> Credential? {
                var text = Array(token.utf8.dropLast(Token.checksumLength))
                change(&text)
                text += Token.checksum(text[...])
                return Credential(token: String(decoding: text, as: UTF8.self)[...], pepper: pepper)
            }
            #expect(changed { _ in } == credential)
            for (place, byte) in token.utf8.enumerated() where byte == UInt8(ascii: "_") {
                #expect(changed { $0[place] = UInt8(ascii: "0") } == nil)
            }
            let id = 4..<31
            #expect(changed { $0.removeSubrange(id) } == nil)
            #expect(changed { $0.insert(contentsOf: $0[id], at: id.lowerBound) } == nil)
            // A kind with as many ids as another has, or none at all.
            let other = ["ack": "acs", "acs": "ack"][token.prefix(3)] ?? "acx"
            #expect(changed { $0.replaceSubrange(..<3, with: other.utf8) } == nil)
        }
    }

    @Test func `one changed character is refused`() async throws {
        let tenant = try await TestTenant.make()
        let token = try await tenant.key([.storesRead])
        for index in [5, 40, token.count - 12, token.count - 1] {
            var characters = Array(token)
            characters[index] = characters[index] == "a" ? "b" : "a"
            #expect(try await tenant.get("/v1/stores", as: String(characters)).status == 401)
        }
    }

    @Test func `a token made for another tenant's id is refused`() async throws {
        let (a, b) = (try await TestTenant.make(), try await TestTenant.make())
        let token = try await a.key([.storesRead])
        // With a right checksum, so that only the look-up can refuse it.
        let pepper = a.server.environment.masterKey.pepper
        let credential = try #require(Credential(token: token[...], pepper: pepper))
        guard case .apiKey(let key, _) = credential.subject else { throw Mistaken() }
        let forged = Token(tenant: b.id, subject: .apiKey(key, store: nil), pepper: pepper)
        #expect(try await b.get("/v1/stores", as: forged.text.reveal()).status == 401)
    }

    @Test func `a well-formed token of no tenant is refused, with an Idempotency-Key too`() async throws {
        let tenant = try await TestTenant.make()
        let pepper = tenant.server.environment.masterKey.pepper
        let token = Token(tenant: .new(), subject: .apiKey(.new(), store: nil), pepper: pepper).text.reveal()
        let store: JSON = ["name": "S", "platform": "other", "time_zone": "UTC", "currency": "EUR"]
        for headers in [[], [("Idempotency-Key", "k-1")]] {
            #expect(try await tenant.send("POST", "/v1/stores", store, as: token, headers: headers).status == 401)
        }
    }

    @Test func `a rotated key and its successor overlap, then only the successor is valid`() async throws {
        let tenant = try await TestTenant.make()
        let created = try await tenant.send("POST", "/v1/api-keys", ["name": "R", "scopes": ["stores:read"]])
        let (id, old) = (try #require(created["id"]?.stringValue), try #require(created["token"]?.stringValue))
        let rotated = try await tenant.send("POST", "/v1/api-keys/\(id)/rotate", ["overlap_seconds": 3600])
        #expect(rotated.status == 201)
        let new = try #require(rotated["token"]?.stringValue)
        #expect(rotated["scopes"] == ["stores:read"])
        #expect(try await tenant.get("/v1/stores", as: old).status == 200)
        #expect(try await tenant.get("/v1/stores", as: new).status == 200)
        // Twice would leave two successors and one predecessor.
        #expect(try await tenant.send("POST", "/v1/api-keys/\(id)/rotate", [:]).code == "state_conflict")

        let successor = try #require(rotated["id"]?.stringValue)
        let last = try await tenant.send("POST", "/v1/api-keys/\(successor)/rotate", ["overlap_seconds": 0])
        #expect(last.status == 201)
        #expect(try await tenant.get("/v1/stores", as: new).status == 401)
    }

    @Test func `a revoked key is refused from then on`() async throws {
        let tenant = try await TestTenant.make()
        let created = try await tenant.send("POST", "/v1/api-keys", ["name": "R", "scopes": ["stores:read"]])
        let (id, token) = (try #require(created["id"]?.stringValue), try #require(created["token"]?.stringValue))
        #expect(try await tenant.get("/v1/stores", as: token).status == 200)
        #expect(try await tenant.send("DELETE", "/v1/api-keys/\(id)").status == 204)
        #expect(try await tenant.get("/v1/stores", as: token).status == 401)
        // Revoking again changes nothing.
        #expect(try await tenant.send("DELETE", "/v1/api-keys/\(id)").status == 204)
    }

    @Test func `an expired key is refused, and one that expires in the past is not made`() async throws {
        let tenant = try await TestTenant.make()
        let past = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "R", "scopes": ["stores:read"], "expires_at": "2001-01-01T00:00:00Z"]
        )
        #expect(past.pointers == ["#/expires_at"])
        let created = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "R", "scopes": ["stores:read"], "expires_at": "2999-01-01T00:00:00Z"]
        )
        let (id, token) = (try #require(created["id"]?.stringValue), try #require(created["token"]?.stringValue))
        #expect(try await tenant.get("/v1/stores", as: token).status == 200)
        let key = try #require(APIKeyID(id))
        _ = try await tenant.rows(
            """
            UPDATE api_keys SET expires_at = \(Instant(seconds: 0)) WHERE tenant_id = \(tenant.id.uuid) AND id = \(key.uuid)
            """
        )
        #expect(try await tenant.get("/v1/stores", as: token).status == 401)
    }

    @Test func `a key of one store sees that store and no other`() async throws {
        let tenant = try await TestTenant.make()
        let other = try await tenant.addStore()
        let token = try await tenant.key([.storesRead, .storesWrite, .keysWrite, .keysRead], store: other)
        let list = try await tenant.get("/v1/stores", as: token)
        #expect(list["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == [other.description])
        #expect(try await tenant.get("/v1/stores/\(tenant.store)", as: token).status == 404)
        #expect(try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["name": "Mine"], as: token).status == 404)
        // Nor can it make a key for another store, for the tenant, or a store of its own.
        let elsewhere: JSON = ["name": "K", "scopes": ["stores:read"], "store_id": .string(tenant.store.description)]
        #expect(try await tenant.send("POST", "/v1/api-keys", elsewhere, as: token).pointers == ["#/store_id"])
        let everywhere: JSON = ["name": "K", "scopes": ["stores:read"]]
        #expect(try await tenant.send("POST", "/v1/api-keys", everywhere, as: token).pointers == ["#/store_id"])
        let newStore: JSON = ["name": "S", "platform": "other", "time_zone": "UTC", "currency": "EUR"]
        #expect(try await tenant.send("POST", "/v1/stores", newStore, as: token).status == 403)
    }

    @Test func `a key for somebody else's store is not made`() async throws {
        let (a, b) = (try await TestTenant.make(), try await TestTenant.make())
        let body: JSON = ["name": "K", "scopes": ["stores:read"], "store_id": .string(b.store.description)]
        let answer = try await a.send("POST", "/v1/api-keys", body)
        #expect(answer.status == 422)
        #expect(answer.pointers == ["#/store_id"])
    }

    @Test func `a repeated creation does not tell the secret again`() async throws {
        let tenant = try await TestTenant.make()
        let body: JSON = ["name": "K", "scopes": ["stores:read"]]
        let header = [("Idempotency-Key", "create-key-1")]
        let first = try await tenant.send("POST", "/v1/api-keys", body, headers: header)
        let second = try await tenant.send("POST", "/v1/api-keys", body, headers: header)
        #expect(second.status == 201)
        #expect(second.header("Idempotent-Replayed") == "true")
        #expect(second["id"] == first["id"])
        #expect(first["token"]?.stringValue != nil)
        #expect(second["token"] == .null)
    }
}

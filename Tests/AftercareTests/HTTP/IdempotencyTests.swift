import Curl
import FoundationEssentials
import JSON
import Postgres
import Schema
import Support
import Testing

@testable import Aftercare

/// Edge case 37.
@Suite struct IdempotencyTests {
    private let store: JSON = ["name": "Once", "platform": "other", "time_zone": "UTC", "currency": "EUR"]

    private func stores(of tenant: TestTenant) async throws -> Int {
        try await tenant.rows("SELECT id FROM stores WHERE tenant_id = \(tenant.id.uuid) AND name = 'Once'").count
    }

    @Test func `the same request again gets the first answer and does nothing`() async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Idempotency-Key", "k-1")]
        let first = try await tenant.send("POST", "/v1/stores", store, headers: headers)
        let second = try await tenant.send("POST", "/v1/stores", store, headers: headers)
        #expect(first.status == 201)
        #expect(first.header("Idempotent-Replayed") == nil)
        #expect(second.status == 201)
        #expect(second.header("Idempotent-Replayed") == "true")
        #expect(second.json == first.json)
        #expect(second.header("Location") == first.header("Location"))
        #expect(second.header("ETag") == first.header("ETag"))
        #expect(try await stores(of: tenant) == 1)
    }

    @Test func `the quoted and the bare form are the same key`() async throws {
        let tenant = try await TestTenant.make()
        let first = try await tenant.send("POST", "/v1/stores", store, headers: [("Idempotency-Key", "\"k-q\"")])
        let second = try await tenant.send("POST", "/v1/stores", store, headers: [("Idempotency-Key", "k-q")])
        #expect(second.json == first.json)
    }

    @Test func `another body under the same key is refused`() async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Idempotency-Key", "k-2")]
        _ = try await tenant.send("POST", "/v1/stores", store, headers: headers)
        let other = try await tenant.send("POST", "/v1/stores", store.with("currency", "USD"), headers: headers)
        #expect(other.status == 422)
        #expect(other.code == "idempotency_key_reused")
    }

    @Test func `the same key of another caller, tenant or operation is another key`() async throws {
        let (a, b) = (try await TestTenant.make(), try await TestTenant.make())
        let headers = [("Idempotency-Key", "k-3")]
        let key = try await a.key([.storesRead, .storesWrite])
        let answers = [
            try await a.send("POST", "/v1/stores", store, headers: headers),
            try await a.send("POST", "/v1/stores", store, as: key, headers: headers),
            try await b.send("POST", "/v1/stores", store, headers: headers),
        ]
        #expect(answers.map(\.status) == [201, 201, 201])
        #expect(Set(answers.compactMap { $0["id"]?.stringValue }).count == 3)
    }

    /// The database committed and nobody heard of it: the client is told that it may ask again, and asking again is safe.
    @Test func `a COMMIT whose answer is lost is 503, and the same request again gets the answer of the first`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let headers = [("Idempotency-Key", "k-lost")]
        try await FaultProxy.run { proxy in
            let url = proxy.url(database: tenant.server.database.name, user: Roles.app)
            try await OwnServer.run(["AFTERCARE_DATABASE_URL": url]) { server in
                // What makes the store travels with COMMIT.
                proxy.cutReplies(after: "INSERT INTO stores", then: .close)
                func send() async throws -> Answer {
                    try await server.send("POST", "/v1/stores", token: tenant.owner, body: store, headers: headers)
                }
                let lost = try await send()
                #expect(lost.status == 503 && lost.header("Retry-After") != nil, "\(lost.json)")
                #expect(proxy.cuts == 1)
                let made = try await stores(of: tenant)
                #expect(made == 1, "the first was committed")
                let again = try await tenant.send("POST", "/v1/stores", store, headers: headers)
                #expect(again.status == 201 && again.header("Idempotent-Replayed") == "true")
                #expect(try await stores(of: tenant) == 1)
            }
        }
    }

    @Test func `eight at once make one store`() async throws {
        let tenant = try await TestTenant.make()
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try await tenant.send("POST", "/v1/stores", store, headers: [("Idempotency-Key", "k-4")])
                }
            }
            return try await group.reduce(into: [Answer]()) { $0.append($1) }
        }
        // A loser either waited and got the first answer, or was told that the first is still running.
        for answer in answers { #expect(answer.status == 201 || answer.code == "idempotency_in_progress") }
        #expect(answers.contains { $0.status == 201 })
        #expect(try await stores(of: tenant) == 1)
    }

    /// Every kind of refusal that the same request would meet again: 404, 409 by a rule, 409 by a constraint of the
    /// database, 422 of a field and 422 of a value that only the operation can judge.
    @Test func `a refusal that would come again is kept, and replayed byte for byte`() async throws {
        let tenant = try await TestTenant.make()
        let taken: JSON = [
            "email": "olive-\(UUID())@example.test".json, "name": "O", "role": "viewer",
            "password": "long enough for it",
        ]
        #expect(try await tenant.send("POST", "/v1/users", taken).status == 201)
        let refused: [(method: String, path: String, body: JSON, status: Int, code: String)] = [
            ("PATCH", "/v1/stores/\(StoreID.new())", ["name": "X"], 404, "not_found"),
            ("PATCH", "/v1/stores/no-id", ["name": "X"], 404, "not_found"),
            ("PATCH", "/v1/users/\(tenant.demo.owner)", ["disabled": true], 409, "state_conflict"),
            ("POST", "/v1/users", taken, 409, "already_exists"),
            ("POST", "/v1/stores", ["name": ""], 422, "validation_failed"),
            (
                "POST", "/v1/stores/\(tenant.store)/test-clock/advance", ["to": "2001-01-01T00:00:00Z"], 422,
                "validation_failed"
            ),
        ]
        for (number, request) in refused.enumerated() {
            let headers = [("Idempotency-Key", "refused-\(number)")]
            func send(_ body: JSON) async throws -> Answer {
                try await tenant.send(request.method, request.path, body, headers: headers)
            }
            let (first, second) = (try await send(request.body), try await send(request.body))
            #expect(first.status == request.status && first.code == request.code, "\(request): \(first.json)")
            #expect(first.header("Idempotent-Replayed") == nil, "\(request)")
            #expect(second.status == first.status && second.response.body == first.response.body, "\(request)")
            #expect(second.header("Idempotent-Replayed") == "true", "\(request)")
            #expect(second.header("Content-Type") == "application/problem+json")
            #expect(second.header("X-Request-Id") != first.header("X-Request-Id"))
            #expect(second.header("RateLimit") != nil)
            // Something else under the same key is told so, whether it is valid or not.
            for other in [request.body.with("name", "Other"), request.body.with("colour", "red")] {
                #expect(try await send(other).code == "idempotency_key_reused", "\(request)")
            }
        }
    }

    @Test func `a kept refusal stays one when things have changed, and a new key succeeds`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/users/\(tenant.demo.owner)"
        func send(_ key: String) async throws -> Answer {
            try await tenant.send("PATCH", path, ["role": "viewer"], headers: [("Idempotency-Key", key)])
        }
        #expect(try await send("k-5").status == 409)
        let other = try await tenant.signIn(.owner)
        #expect(try await send("k-5").status == 409)
        #expect(try await send("k-5b").status == 200)
        // The session ended with the role: the kept answer is for whoever still may ask.
        #expect(try await send("k-5b").status == 401)
        #expect(try await tenant.get(path, as: other)["role"] == "viewer")
    }

    @Test func `a refusal that another header, credential or moment may change leaves its key free`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)"
        let key = [("Idempotency-Key", "k-7")]
        func rename(_ more: [(String, String)] = [], as token: String? = nil) async throws -> Answer {
            try await tenant.send("PATCH", path, ["name": "New name"], as: token, headers: key + more)
        }
        #expect(try await rename([("If-Match", "\"v99\"")]).status == 412)
        #expect(try await rename([("Content-Type", "text/plain")]).status == 415)
        #expect(try await rename([("Accept", "text/html")]).status == 406)
        #expect(try await rename([("If-Match", "\"v1\"")]).status == 200)
        // Nor is one kept for a caller who may not: once the key may, it does.
        let reader = try await tenant.key([.storesRead])
        #expect(try await rename(as: reader).status == 403)
        let rows = try await tenant.rows(
            "SELECT status FROM idempotency_keys WHERE tenant_id = \(tenant.id.uuid) AND key = 'k-7'"
        )
        #expect(try rows.decode(Int.self) == [200])
    }

    /// The operation waits for a row that somebody else holds, longer than it may: that says nothing about its key.
    @Test func `a lock the operation waits for in vain is not mistaken for its key's`() async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Idempotency-Key", "k-8")]
        let path = "/v1/stores/\(tenant.store)"
        try await tenant.holdingStore { release in
            let answer = try await tenant.send("PATCH", path, ["name": "Waited"], headers: headers)
            #expect(answer.status == 503 && answer.code == "overloaded", "\(answer.json)")
            #expect(answer.header("Retry-After") != nil && answer.header("RateLimit") != nil)
            // The key is free. Of two that come now, one waits for the row as the first did, and the other for its key.
            async let one = tenant.send("PATCH", path, ["name": "Waited"], headers: headers)
            async let other = tenant.send("PATCH", path, ["name": "Waited"], headers: headers)
            let answers = [try await one, try await other]
            #expect(Set(answers.map(\.code)) == ["overloaded", "idempotency_in_progress"])
            #expect(answers.allSatisfy { $0.header("Retry-After") == "1" })
            release()
            #expect(try await tenant.send("PATCH", path, ["name": "Waited"], headers: headers).status == 200)
        }
    }

    @Test(arguments: ["", " ", "with space", "ü", String(repeating: "x", count: 256)])
    func `a key that is none is refused`(key: String) async throws {
        let tenant = try await TestTenant.make()
        let answer = try await tenant.send("POST", "/v1/stores", store, headers: [("Idempotency-Key", "\"\(key)\"")])
        #expect(answer.status == 400)
        #expect(answer.code == "idempotency_key_invalid")
    }

    @Test func `a replay still needs a valid credential`() async throws {
        let tenant = try await TestTenant.make()
        let created = try await tenant.send(
            "POST",
            "/v1/api-keys",
            ["name": "W", "scopes": ["stores:write"]]
        )
        let (id, token) = (try #require(created["id"]?.stringValue), try #require(created["token"]?.stringValue))
        let headers = [("Idempotency-Key", "k-6")]
        #expect(try await tenant.send("POST", "/v1/stores", store, as: token, headers: headers).status == 201)
        _ = try await tenant.send("DELETE", "/v1/api-keys/\(id)")
        #expect(try await tenant.send("POST", "/v1/stores", store, as: token, headers: headers).status == 401)
    }
}

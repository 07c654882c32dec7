import FoundationEssentials
import JSON
import Postgres
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

    @Test func `a request that fails leaves its key free`() async throws {
        let tenant = try await TestTenant.make()
        let headers = [("Idempotency-Key", "k-5")]
        let path = "/v1/users/\(tenant.demo.owner)"
        #expect(try await tenant.send("PATCH", path, ["disabled": true], headers: headers).status == 409)
        _ = try await tenant.signIn(.owner)
        // The state has changed, and the very same request now succeeds.
        #expect(try await tenant.send("PATCH", path, ["disabled": true], headers: headers).status == 200)
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

import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// `PUT /v1/stores/{store_id}/orders/by-external-id/{external_id}`, over real HTTP.
@Suite struct PutOrderRoutesTests {
    private func facts(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.rows("SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind")
            .decode(String.self)
    }

    private func days(_ days: Int, before tenant: TestTenant) -> Instant {
        tenant.server.environment.clock.now() - .seconds(days * 86_400)
    }

    @Test func `an order that is put goes the walk like any shop's, to one mail`() async throws {
        let tenant = try await TestTenant.make()
        let body = PutBody.delivered(at: days(1, before: tenant), asOf: days(0, before: tenant))
        let created = try await tenant.put(body)
        #expect(created.status == 201 && created["outcome"] == "created", "\(created.json)")
        let id = try #require(created["order"]?["id"]?.stringValue)
        #expect(created.header("Location") == "/v1/orders/\(id)" && created.header("ETag") == "\"v1\"")
        try await tenant.settle()
        #expect(try await facts(tenant) == ["delivered", "order_paid", "order_placed", "shipped"])

        // Again, and again: nothing more.
        for _ in 0..<3 {
            let again = try await tenant.put(body)
            #expect(again.status == 200 && again["outcome"] == "unchanged")
            #expect(again["order"]?["version"] == 1)
        }
        try await tenant.advance(days: 60)
        let messages = try await tenant.get("/v1/messages?order_id=\(id)")["data"]?.arrayValue ?? []
        #expect(messages.map { $0["state"] } == ["accepted"], "\(messages)")
        #expect(try await tenant.rows("SELECT id FROM orders WHERE tenant_id = \(tenant.id.uuid)").count == 1)
    }

    @Test func `a refund that is put is told to the customer like any shop's`() async throws {
        let tenant = try await TestTenant.make()
        let now = days(0, before: tenant).rfc3339
        let transaction: JSON = [
            "external_id": "T-1", "status": "succeeded", "amount": ["amount": 11900, "currency": "EUR"],
            "processed_at": .string(now),
        ]
        let body = PutBody.order.with("as_of", .string(now)).with("financial_status", "refunded").with(
            "refunds",
            [["external_id": "R-1", "recorded_at": .string(now), "transactions": [transaction]]]
        )
        let put = try await tenant.put(body)
        #expect(put.status == 201 && put["order"]?["refunds"]?[0]?["state"] == "succeeded", "\(put.json)")
        #expect(try await tenant.put(body)["outcome"] == "unchanged")
        try await tenant.settle()
        #expect(try await facts(tenant) == ["order_placed", "refund_recorded", "refund_succeeded"])
        try await tenant.advance(days: 2)
        let messages = try await tenant.get("/v1/messages")["data"]?.arrayValue ?? []
        #expect(!messages.isEmpty && messages.allSatisfy { $0["class"] == "transactional" })
    }

    @Test func `what is older than what is known is answered with what is known, and changes nothing`() async throws {
        let tenant = try await TestTenant.make()
        let newer = PutBody.order.with("as_of", "2026-05-05T10:00:00Z").with("number", "A-2")
        #expect(try await tenant.put(newer).status == 201)
        let stale = try await tenant.put(PutBody.order)
        #expect(stale.status == 200 && stale["outcome"] == "stale")
        #expect(stale["order"]?["number"] == "A-2" && stale["order"]?["version"] == 1)
        let updated = try await tenant.put(newer.with("as_of", "2026-05-06T10:00:00Z"))
        #expect(updated["outcome"] == "updated" && updated.header("ETag") == "\"v2\"")
        #expect(updated["order"]?["as_of"] == "2026-05-06T10:00:00.000Z")
    }

    @Test func `one body from many at once makes one order`() async throws {
        let tenant = try await TestTenant.make()
        let body = PutBody.delivered(at: days(1, before: tenant), asOf: days(0, before: tenant))
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for _ in 0..<8 { group.addTask { try await tenant.put(body) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count { $0.status == 201 } == 1)
        #expect(answers.count { $0["outcome"] == "unchanged" } == 7)
        #expect(Set(answers.compactMap { $0["order"]?["id"]?.stringValue }).count == 1)
        try await tenant.settle()
        #expect(try await facts(tenant) == ["delivered", "order_paid", "order_placed", "shipped"])
        #expect(try await tenant.rows("SELECT id FROM runs WHERE tenant_id = \(tenant.id.uuid)").count == 1)
    }

    @Test func `with an Idempotency-Key the first answer is given again, and another body is refused`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/orders/by-external-id/A-1"
        let key = [("Idempotency-Key", "one")]
        let first = try await tenant.send("PUT", path, PutBody.order, headers: key)
        _ = try await tenant.put(PutBody.order.with("as_of", "2026-05-06T10:00:00Z"))
        let again = try await tenant.send("PUT", path, PutBody.order, headers: key)
        #expect(first.status == 201 && again.status == 201 && again.json == first.json)
        #expect(again.header("Idempotent-Replayed") == "true" && again.header("ETag") == "\"v1\"")
        let other = try await tenant.send("PUT", path, PutBody.order.with("number", "A-2"), headers: key)
        #expect(other.status == 422 && other.code == "idempotency_key_reused")
    }

    // domain.md 5, case 25.
    @Test func `history starts nothing, and what becomes true later does`() async throws {
        let tenant = try await TestTenant.make()
        let delivered = PutBody.delivered(at: days(2, before: tenant), asOf: days(1, before: tenant))
        for number in 0..<5 {
            #expect(try await tenant.put(delivered.with("historical", true), "H-\(number)").status == 201)
        }
        try await tenant.settle()
        let kinds = try await facts(tenant)
        #expect(kinds.count == 20)
        // Told once more, as news: those facts are known.
        let news = delivered.with("as_of", .string(days(0, before: tenant).rfc3339))
        let again = try await tenant.put(news, "H-0")
        #expect(again["order"]?["historical"] == false)
        try await tenant.settle()
        try await tenant.advance(days: 60)
        #expect(try await tenant.get("/v1/runs")["data"] == [])
        #expect(try await tenant.get("/v1/messages")["data"] == [])

        let other = try await TestTenant.make()
        #expect(try await other.put(PutBody.order.with("historical", true))["order"]?["historical"] == true)
        let live = PutBody.delivered(at: days(1, before: other), asOf: days(0, before: other))
        #expect(try await other.put(live)["outcome"] == "updated")
        try await other.settle()
        try await other.advance(days: 60)
        #expect(try await other.get("/v1/messages")["data"]?.arrayValue?.count == 1)
    }

    @Test(arguments: ["A 1", "ä/ö?#%", "a+b", "..;x=1", "\u{1F600}", String(repeating: "x", count: 255)])
    func `an id of the shop's is any text`(_ id: String) async throws {
        let tenant = try await TestTenant.make()
        #expect(try await tenant.put(PutBody.order, id.percentEncoded)["order"]?["external_id"] == .string(id))
        let path = "/v1/stores/\(tenant.store)/orders/by-external-id/\(id.percentEncoded)"
        let read = try await tenant.get(path)
        #expect(read.status == 200 && read["external_id"] == .string(id))
        let unchanged = try await tenant.get(path, headers: [("If-None-Match", try #require(read.header("ETag")))])
        #expect(unchanged.status == 304)
    }

    @Test(arguments: [String(repeating: "x", count: 256), "%00", "%FF", "%4"])
    func `an id that cannot be one is refused by name`(_ id: String) async throws {
        let tenant = try await TestTenant.make()
        for method in ["GET", "PUT"] {
            let path = "/v1/stores/\(tenant.store)/orders/by-external-id/\(id)"
            let refused = try await tenant.send(method, path, method == "PUT" ? PutBody.order : nil)
            #expect(refused.status == 400 && refused.code == "invalid_parameter")
            #expect(refused["errors"]?[0]?["parameter"] == "external_id")
        }
    }

    @Test func `a time that has not come, a store that is not there and a wrong field are refused`() async throws {
        let tenant = try await TestTenant.make()
        let ahead = days(-2, before: tenant).rfc3339
        let future = try await tenant.put(PutBody.order.with("as_of", .string(ahead)))
        #expect(future.status == 422 && future.pointers == ["#/as_of"])
        #expect(try await tenant.put(PutBody.order, store: .new()).status == 404)
        let wrong = try await tenant.put(PutBody.order.with("total", "119 EUR").with("colour", "red"))
        #expect(wrong.status == 422 && Set(wrong.pointers) == ["#/total", "#/colour"])
        #expect(try await tenant.rows("SELECT id FROM orders WHERE tenant_id = \(tenant.id.uuid)").isEmpty)
    }

    @Test func `a key of the store or the tenant may, and nobody else`() async throws {
        let tenant = try await TestTenant.make()
        let other = try await tenant.addStore()
        let bound = try await tenant.key([.ordersWrite], store: tenant.store)
        let whole = try await tenant.key([.ordersWrite])
        #expect(try await tenant.put(PutBody.order, as: bound).status == 201)
        #expect(try await tenant.put(PutBody.order, store: other, as: bound).status == 404)
        #expect(try await tenant.put(PutBody.order, store: other, as: whole).status == 201)
        let reader = try await tenant.key([.ordersRead])
        #expect(try await tenant.put(PutBody.order, as: reader).code == "insufficient_scope")
        #expect(try await tenant.put(PutBody.order, as: try await tenant.signIn(.agent)).status == 403)
        #expect(try await tenant.put(PutBody.order, as: try await tenant.signIn(.author)).status == 200)
        // The two stores' orders are two.
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 2)
    }
}

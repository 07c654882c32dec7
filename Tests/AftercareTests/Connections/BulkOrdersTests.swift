import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// `POST /v1/stores/{store_id}/orders/bulk`, over real HTTP.
@Suite struct BulkOrdersTests {
    private func order(_ id: String, _ changes: [(String, JSON)] = []) -> JSON {
        changes.reduce(PutBody.order.with("external_id", .string(id))) { $0.with($1.0, $1.1) }
    }

    private func results(_ answer: Answer) -> [JSON] { answer["results"]?.arrayValue ?? [] }

    private func outcomes(_ answer: Answer) -> [String] { results(answer).compactMap { $0["outcome"]?.stringValue } }

    @Test func `each is answered in its place, as a request of its own would be`() async throws {
        let tenant = try await TestTenant.make()
        let later = ("as_of", JSON.string("2026-05-06T10:00:00Z"))
        for id in ["K-1", "K-2"] { _ = try await tenant.put(PutBody.order, id) }
        _ = try await tenant.put(PutBody.order.with(later.0, later.1), "K-3")
        let ahead = (tenant.server.environment.clock.now() + .seconds(90_000)).rfc3339
        let answer = try await tenant.bulk([
            order("N-1"), order("K-1", [later, ("number", "A-9")]), order("K-2"), order("K-3"), "no order",
            order("N-1", [later]), order("N-2", [("total", nil), ("colour", "red")]),
            order("N-3", [("as_of", .string(ahead))]), order("N-4", [("historical", true)]),
        ])
        #expect(answer.status == 207)
        #expect(
            outcomes(answer) == [
                "created", "updated", "unchanged", "stale", "rejected", "rejected", "rejected", "rejected", "created",
            ]
        )
        let all = results(answer)
        #expect(all.compactMap { $0["index"]?.int64Value } == Array(0..<9))
        #expect(all.compactMap { $0["status"]?.int64Value } == [201, 200, 200, 200, 422, 422, 422, 422, 201])
        #expect(all.map { $0["version"] } == [1, 2, 1, 1, nil, nil, nil, nil, 1].map { $0 ?? .null })
        func pointers(_ index: Int) -> [String] {
            all[index]["problem"]?["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
        }
        #expect(pointers(4) == ["#"] && all[4]["external_id"] == .null)
        #expect(pointers(5) == ["#/external_id"] && all[5]["external_id"] == "N-1")
        #expect(pointers(6) == ["#/total", "#/colour"] && pointers(7) == ["#/as_of"])
        #expect(all[0]["problem"] == .null && all[6]["order_id"] == .null)
        let changed = try await tenant.get("/v1/orders/\(all[1]["order_id"]?.stringValue ?? "")")
        #expect(changed["number"] == "A-9" && changed["external_id"] == "K-1")
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 5)
    }

    @Test func `what is told as news starts what it would start by itself, once`() async throws {
        let tenant = try await TestTenant.make()
        let now = tenant.server.environment.clock.now()
        let delivered = PutBody.delivered(at: now - .seconds(90_000), asOf: now - .seconds(1))
        let orders = (1...20).map { number in
            delivered.with("external_id", .string("B-\(number)")).with("historical", .bool(number % 2 == 0))
        }
        #expect(outcomes(try await tenant.bulk(orders)) == orders.map { _ in "created" })
        #expect(outcomes(try await tenant.bulk(orders)) == orders.map { _ in "unchanged" })
        try await tenant.settle()
        try await tenant.advance(days: 60)
        #expect(try await tenant.count("SELECT count(*) FROM facts WHERE tenant_id = \(tenant.id.uuid)") == 80)
        let messages = try await tenant.get("/v1/messages?limit=200")["data"]?.arrayValue ?? []
        #expect(messages.count == 10 && Set(messages.compactMap { $0["order_id"]?.stringValue }).count == 10)
    }

    @Test func `a bulk write comes to the same as putting each`() async throws {
        let (putting, writing) = (try await TestTenant.make(), try await TestTenant.make())
        let now = putting.server.environment.clock.now()
        for step in 1...3 {
            let orders = (1...4).map { number in
                PutBody.delivered(
                    at: now - .seconds(90_000),
                    asOf: now - .seconds(1000 - step),
                    shipment: "P-\(step % 2 + number)"
                ).with("number", .string("\(step)")).with("lines", step == 2 ? [] : PutBody.order["lines"] ?? [])
            }
            for (index, order) in orders.enumerated() { _ = try await putting.put(order, "O-\(index)") }
            let bulk = orders.enumerated().map { $0.element.with("external_id", .string("O-\($0.offset)")) }
            #expect(outcomes(try await writing.bulk(bulk)) == orders.map { _ in step == 1 ? "created" : "updated" })
        }
        let (one, other) = (try await putting.mirror(), try await writing.mirror())
        for (table, rows) in one { #expect(other[table] == rows, "\(table)") }
    }

    @Test func `a fact that turns out to have happened earlier says so, and is decided on once`() async throws {
        let tenant = try await TestTenant.make()
        let now = tenant.server.environment.clock.now()
        let (first, earlier) = (now - .seconds(90_000), now - .seconds(97_200))
        let known = PutBody.delivered(at: first, asOf: now - .seconds(60))
        #expect(
            try await tenant.bulk([known.with("external_id", "A-1"), known.with("external_id", "A-2")]).status == 207
        )
        try await tenant.settle()
        let better = PutBody.delivered(at: earlier, asOf: now - .seconds(30))
        #expect(try await tenant.put(better, "A-1")["outcome"] == "updated")
        #expect(outcomes(try await tenant.bulk([better.with("external_id", "A-2")])) == ["updated"])
        try await tenant.settle()
        let times: [Instant] = try await tenant.rows(
            "SELECT happened_at FROM facts WHERE tenant_id = \(tenant.id.uuid) AND kind = 'delivered'"
        ).decode(Instant.self)
        #expect(times.map(\.rfc3339) == [earlier.rfc3339, earlier.rfc3339])
        #expect(try await tenant.get("/v1/runs")["data"]?.arrayValue?.count == 2)
    }

    @Test func `a payment of another refund is refused, as in a request of its own, and the others are taken`()
        async throws
    {
        let tenant = try await TestTenant.make()
        func refunded(_ id: String, _ status: String) -> JSON {
            let payment: JSON = [
                "external_id": "1", "status": .string(status), "amount": ["amount": 1000, "currency": "EUR"],
            ]
            return PutBody.order.with("refunds", [["external_id": .string(id), "transactions": [payment]]])
        }
        #expect(try await tenant.put(refunded("R-2", "succeeded")).status == 201)
        let taken = refunded("R-1", "pending").with("external_id", "A-1").with("as_of", "2026-05-05T10:00:00Z")
        let answer = try await tenant.bulk([taken, order("B-1")])
        #expect(outcomes(answer) == ["rejected", "created"])
        let problem = answer["results"]?[0]?["problem"]
        #expect(problem?["errors"]?[0]?["pointer"] == "#/refunds/0/transactions/0/external_id", "\(answer.json)")
        #expect(try await tenant.get("/v1/stores/\(tenant.store)/orders/by-external-id/A-1")["version"] == 1)
    }

    @Test func `the same orders from many at once are made once`() async throws {
        let tenant = try await TestTenant.make()
        let orders = (1...50).map { order("C-\($0)") }
        /// Who waited too long for another's row is told to come back, and does.
        func untilTaken(_ send: () async throws -> Answer) async throws -> Answer {
            var answer = try await send()
            while answer.status == 503, answer.header("Retry-After") != nil { answer = try await send() }
            return answer
        }
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for round in 0..<6 {
                // From both ends, so that they meet.
                group.addTask {
                    try await untilTaken { try await tenant.bulk(round % 2 == 0 ? orders : orders.reversed()) }
                }
                group.addTask { try await untilTaken { try await tenant.put(PutBody.order, "C-\(round + 1)") } }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { [200, 201, 207].contains($0.status) }, "\(answers.map(\.json))")
        let made = answers.flatMap { answer in
            (answer["results"]?.arrayValue ?? [answer.json]).map { $0["outcome"]?.stringValue }
        }
        #expect(made.count { $0 == "created" } == 50)
        #expect(made.count { $0 == "unchanged" } == 6 * 50 + 6 - 50)
        #expect(try await tenant.count("SELECT count(*) FROM orders WHERE tenant_id = \(tenant.id.uuid)") == 50)
        #expect(try await tenant.count("SELECT count(*) FROM order_lines WHERE tenant_id = \(tenant.id.uuid)") == 50)
    }

    @Test func `with an Idempotency-Key the first answer is given again`() async throws {
        let tenant = try await TestTenant.make()
        let key = [("Idempotency-Key", "one")]
        let first = try await tenant.bulk([order("A-1"), [:]], headers: key)
        let again = try await tenant.bulk([order("A-1"), [:]], headers: key)
        #expect(first.status == 207 && again.status == 207 && again.json == first.json)
        #expect(again.header("Idempotent-Replayed") == "true" && outcomes(again) == ["created", "rejected"])
        #expect(try await tenant.bulk([order("A-2")], headers: key).code == "idempotency_key_reused")
    }

    @Test func `what is no list of one to a hundred orders is refused as a whole`() async throws {
        let tenant = try await TestTenant.make()
        #expect(try await tenant.bulk([]).pointers == ["#/orders"])
        #expect(try await tenant.bulk((1...101).map { order("X-\($0)") }).pointers == ["#/orders"])
        let path = "/v1/stores/\(tenant.store)/orders/bulk"
        #expect(try await tenant.send("POST", path, ["orders": [], "colour": "red"]).pointers.count == 2)
        #expect(try await tenant.get("/v1/orders")["data"] == [])
        #expect(try await tenant.bulk([order("A-1")], store: .new()).status == 404)
        let other = try await tenant.key([.ordersWrite], store: try await tenant.addStore())
        #expect(try await tenant.bulk([order("A-1")], as: other).status == 404)
        #expect(try await tenant.bulk([order("A-1")], as: try await tenant.key([.ordersRead])).status == 403)
    }

    // MARK: Watermark

    @Test func `a watermark only moves forwards`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/watermark"
        #expect(try await tenant.get(path)["complete_as_of"] == .null)
        func put(_ text: String) async throws -> Answer {
            try await tenant.send("PUT", path, ["complete_as_of": .string(text)])
        }
        let first = try await put("2026-05-04T10:00:00Z")
        #expect(first.status == 200 && first["complete_as_of"] == "2026-05-04T10:00:00.000Z")
        let same = try await put("2026-05-04T12:00:00+02:00")
        #expect(same.status == 200 && same["updated_at"] == first["updated_at"])
        let back = try await put("2026-05-04T09:59:59Z")
        #expect(back.status == 409 && back.code == "state_conflict")
        #expect(back["detail"]?.stringValue?.contains("2026-05-04T10:00:00.000Z") == true)
        #expect(try await put("2026-05-04T10:00:01Z")["complete_as_of"] == "2026-05-04T10:00:01.000Z")
        #expect(try await put("2126-05-04T10:00:01Z").pointers == ["#/complete_as_of"])
        #expect(try await put("noon").pointers == ["#/complete_as_of"])
        #expect(try await tenant.get(path)["complete_as_of"] == "2026-05-04T10:00:01.000Z")
        #expect(try await tenant.get("/v1/stores/\(StoreID.new())/watermark").status == 404)
    }

    @Test func `of many who move it at once the furthest stands`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/watermark"
        try await withThrowingTaskGroup(of: Int.self) { group in
            for day in 10...25 {
                let body: JSON = ["complete_as_of": .string("2026-05-\(day)T00:00:00Z")]
                group.addTask { try await tenant.send("PUT", path, body).status }
            }
            for try await status in group { #expect(status == 200 || status == 409) }
        }
        #expect(try await tenant.get(path)["complete_as_of"] == "2026-05-25T00:00:00.000Z")
    }
}

extension TestTenant {
    func bulk(
        _ orders: [JSON],
        store: StoreID? = nil,
        as token: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> Answer {
        let path = "/v1/stores/\(store ?? self.store)/orders/bulk"
        return try await send("POST", path, ["orders": .array(orders)], as: token, headers: headers)
    }
}

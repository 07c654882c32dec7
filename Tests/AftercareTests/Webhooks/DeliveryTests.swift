import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Webhooks as they really come: again and again, at once, in the wrong order, hours late. Over real HTTP.
@Suite struct DeliveryTests {
    private func count(_ table: String, _ tenant: TestTenant) async throws -> Int {
        try await tenant.rows("SELECT 1 FROM \(unsafe: table) WHERE tenant_id = \(tenant.id.uuid)").count
    }

    private func facts(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.rows("SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind")
            .decode(String.self)
    }

    /// The demo's order with changes, as the body of any topic about orders.
    private func body(_ demo: DemoOrder, updatedAt: String, _ changes: [(String, JSON)] = []) throws -> [UInt8] {
        var json = try JSON(parsing: demo.body("orders/create"), limits: .foreign)
            .with("updated_at", .string(updatedAt))
        for (name, value) in changes { json = json.with(name, value) }
        return json.serializedBytes
    }

    // domain.md 5, Ingest 2.
    @Test func `one webhook fifty times, eight at once, is one event and one order`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            var answers: [Answer] = []
            for number in 0..<50 {
                if number >= 8, let answer = try await group.next() { answers.append(answer) }
                group.addTask { try await demo.post("orders/create", delivery: "the-same") }
            }
            for try await answer in group { answers.append(answer) }
            return answers
        }
        #expect(answers.count == 50 && answers.allSatisfy { $0.status == 200 })
        #expect(Set(answers.compactMap { $0["id"]?.stringValue }).count == 1)
        try await tenant.settle()
        #expect(try await count("inbound_events", tenant) == 1)
        #expect(try await count("orders", tenant) == 1)
        #expect(try await facts(tenant) == ["order_paid", "order_placed"])
        #expect(try await demo.order()["version"] == 1)
    }

    @Test func `what a shop marks as a test is applied, but for the samples it sends to see whether they arrive`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let sample = try body(
            demo,
            updatedAt: "2026-05-04T10:00:00Z",
            [("id", .number(JSONNumber(820_982_911_946_154_508)))]
        )
        let posts: [(body: [UInt8]?, test: String, orders: Int)] = [
            (sample, "true", 0), (nil, "true", 1), (sample, "false", 2),
        ]
        for post in posts {
            let answer = try await demo.post("orders/create", body: post.body, headers: [("X-Shopify-Test", post.test)])
            #expect(answer.status == 200)
            try await tenant.settle()
            #expect(try await count("orders", tenant) == post.orders)
        }
        let samples: [(topic: String, body: JSON)] = [
            ("app/uninstalled", ["id": 548_380_009, "domain": nil, "myshopify_domain": "demo.myshopify.com"]),
            ("customers/redact", ["customer": ["id": 191_167, "email": "ada@example.com"], "orders_to_redact": []]),
            ("returns/approve", ["id": 123_134_564_567_890, "status": "open", "order": ["id": 4_783_296_544_821]]),
        ]
        for sample in samples {
            let headers = [("X-Shopify-Test", "true")]
            #expect(
                try await demo.post(sample.topic, body: sample.body.serializedBytes, headers: headers).status == 200
            )
        }
        try await tenant.settle()
        let told = try await tenant.list("/v1/inbound-events?state=ignored")
        let topics = ["orders/create"] + samples.map(\.topic)
        #expect(Set(told.map { $0["topic"]?.stringValue }) == Set(topics.map { "test/\($0)" }))
        #expect(told.allSatisfy { $0["reason"] == "test_notification" })
        #expect(try await tenant.get("/v1/connections/\(tenant.demo.connection)")["state"] == "active")
        #expect(try await count("orders", tenant) == 2)
    }

    // domain.md 5, Ingest 2 and 3.
    @Test func `one body under fifty delivery ids, eight at once, changes the order once`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<50 {
                if number >= 8, let status = try await group.next() { #expect(status == 200) }
                group.addTask { try await demo.post("orders/create", delivery: "delivery-\(number)").status }
            }
            for try await status in group { #expect(status == 200) }
        }
        try await tenant.settle()
        #expect(try await count("inbound_events", tenant) == 50)
        #expect(try await count("orders", tenant) == 1)
        #expect(try await facts(tenant) == ["order_paid", "order_placed"])
        #expect(try await demo.order()["version"] == 1)
    }

    // domain.md 5, Ingest 1 and 4.
    @Test func `an update before its creation, and a stale retry after it, leave the newest`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let newer = try body(demo, updatedAt: "2026-11-01T12:00:00Z", [("financial_status", "refunded")])
        try await demo.post("orders/updated", body: newer)
        try await tenant.settle()
        #expect(try await demo.order()["financial_status"] == "refunded")
        let older = try body(demo, updatedAt: "2026-11-01T10:00:00Z", [("email", "old@example.com")])
        for topic in ["orders/create", "orders/updated", "orders/paid"] {
            #expect(try await demo.post(topic, body: older).status == 200)
        }
        try await tenant.settle()
        let order = try await demo.order()
        #expect(order["financial_status"] == "refunded" && order["email"] == "ada@example.com")
        #expect(order["as_of"] == "2026-11-01T12:00:00.000Z")
        // What the late ones told had become true all the same.
        #expect(try await facts(tenant).filter { $0 == "order_paid" || $0 == "order_placed" }.count == 2)
    }

    // domain.md 5, Ingest 5.
    @Test func `the former secret counts until its time is over, and no other ever`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let first = tenant.demo.webhookSecret
        let rotate = "/v1/connections/\(tenant.demo.connection)/rotate-secret"
        func post(_ secret: String) async throws -> Int {
            try await demo.post("orders/create", secret: secret).status
        }
        #expect(try await post("of-somebody-else") == 401)
        #expect(try await tenant.send("POST", rotate, ["secret": "second & \"new\""]).status == 422)
        #expect(try await tenant.send("POST", rotate, ["secret": "second&\"new\""]).status == 200)
        #expect(try await post(first) == 200)
        #expect(try await post("second&\"new\"") == 200)
        let ending: JSON = ["secret": "third-secret", "overlap_seconds": 0]
        #expect(try await tenant.send("POST", rotate, ending).status == 200)
        #expect(try await post("third-secret") == 200)
        #expect(try await post("second&\"new\"") == 401)
        #expect(try await post(first) == 401)
        try await tenant.settle()
        #expect(try await count("inbound_events", tenant) == 3)
    }

    // domain.md 5, Ingest 7.
    @Test func `a webhook of one tenant on the path of another is refused, and nothing is kept`() async throws {
        let (mine, theirs) = (try await TestTenant.make(), try await TestTenant.make())
        let demo = DemoOrder(mine)
        let body = try demo.body("orders/create")
        let headers = [
            ("Content-Type", "application/json"), ("X-Shopify-Topic", "orders/create"),
            ("X-Shopify-Hmac-Sha256", DemoOrder.signature(body, secret: mine.demo.webhookSecret)),
        ]
        let paths = [
            "\(theirs.id)/\(theirs.demo.connection)", "\(theirs.id)/\(mine.demo.connection)",
            "\(mine.id)/\(theirs.demo.connection)", "\(mine.id)/\(ConnectionID.new())", "\(mine.id)/none", "a/b",
        ]
        for path in paths {
            let answer = try await mine.server.send("POST", "/v1/hooks/\(path)", headers: headers, raw: body)
            #expect(answer.status == 401 && answer.code == "unauthenticated", "\(path)")
        }
        for tenant in [mine, theirs] {
            try await tenant.settle()
            for table in ["inbound_events", "inbound_deliveries", "orders", "facts", "jobs"] {
                #expect(try await count(table, tenant) == 0, "\(table)")
            }
        }
        // The same bytes on their own path are taken.
        #expect(try await demo.post("orders/create").status == 200)
    }

    // domain.md 5, Ingest 5.
    @Test func `a body that is not signed is refused with a problem that says so`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        let body = try demo.body("orders/create")
        let valid = DemoOrder.signature(body, secret: tenant.demo.webhookSecret)
        for signature in [nil, "", "no base64!", String(valid.dropLast(5)), valid + "AAAA", valid.uppercased()] {
            var headers = [("Content-Type", "application/json"), ("X-Shopify-Topic", "orders/create")]
            if let signature { headers.append(("X-Shopify-Hmac-Sha256", signature)) }
            let answer = try await tenant.server.send("POST", demo.hook, headers: headers, raw: body)
            #expect(answer.status == 401 && answer.code == "unauthenticated", "\(signature ?? "none")")
            #expect(answer.header("Content-Type") == "application/problem+json")
            #expect(answer["detail"] == "There is no valid signature of the body.")
        }
        // The signature is of the bytes: one more line break and it is another body. domain.md 5, Ingest 6.
        let headers = [("X-Shopify-Topic", "orders/create"), ("X-Shopify-Hmac-Sha256", valid)]
        #expect(try await tenant.server.send("POST", demo.hook, headers: headers, raw: body + [0x0A]).status == 401)
        #expect(try await count("inbound_events", tenant) == 0)
    }

    // domain.md 5, Ingest 1.
    @Test func `an order that is deleted in the shop is deleted here, and no late webhook brings it back`() async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await tenant.settle()
        let id = try #require(try await demo.order()["external_id"]?.stringValue)
        try await demo.post("orders/delete", body: Array("{\"id\": \(id)}".utf8))
        try await tenant.settle()
        #expect(try await demo.order()["lifecycle_status"] == "deleted")
        try await demo.post("orders/updated", body: body(demo, updatedAt: "2026-11-01T12:00:00Z"))
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        #expect(try await demo.order()["lifecycle_status"] == "deleted")
        try await tenant.advance(days: 60)
        let runs = try await tenant.get("/v1/runs")["data"]?.arrayValue ?? []
        #expect(!runs.isEmpty && runs.allSatisfy { $0["reason"] == "order_deleted" })
        #expect(try await tenant.get("/v1/messages")["data"] == [])
    }
}

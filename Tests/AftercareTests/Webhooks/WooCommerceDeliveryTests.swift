import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// A WooCommerce shop over real HTTP: its secret is ours, its pings and its delivery ids are what they are.
@Suite struct `WooCommerce over HTTP` {
    private func count(_ table: String, _ tenant: TestTenant) async throws -> Int {
        try await tenant.rows("SELECT 1 FROM \(unsafe: table) WHERE tenant_id = \(tenant.id.uuid)").count
    }

    private func event(_ answer: Answer, _ tenant: TestTenant) async throws -> Answer {
        try await tenant.get("/v1/inbound-events/\(answer["id"]?.stringValue ?? "none")")
    }

    // MARK: The secret

    @Test func `the secret is made by us, and shown once`() async throws {
        let tenant = try await TestTenant.make()
        let body: JSON = [
            "store_id": .string(tenant.store.description), "provider": "woocommerce",
            "account": "HTTPS://Shop.example/store/",
        ]
        let key = [("Idempotency-Key", "connect")]
        let created = try await tenant.send("POST", "/v1/connections", body, headers: key)
        #expect(created.status == 201 && created["account"] == "https://shop.example/store")
        let secret = try #require(created["secret"]?.stringValue)
        #expect(secret.wholeMatch(of: /[0-9A-Za-z]{40}/) != nil)
        // Nowhere else, and not a second time.
        let again = try await tenant.send("POST", "/v1/connections", body, headers: key)
        #expect(again.status == 201 && again["secret"] == .null && again["id"] == created["id"])
        let id = try #require(created["id"]?.stringValue)
        let read = try await tenant.get("/v1/connections/\(id)")
        #expect(read.status == 200 && read["secret"] == nil && !read.json.serialized.contains(secret))
        // The same shop in another spelling.
        let same = try await tenant.send(
            "POST",
            "/v1/connections",
            body.with("account", "https://shop.EXAMPLE:443/store")
        )
        #expect(same.status == 409 && same.code == "already_exists")
    }

    @Test func `a secret that is sent is refused where it is ours, and missed where it is not`() async throws {
        let tenant = try await TestTenant.make()
        let woo: JSON = [
            "store_id": .string(tenant.store.description), "provider": "woocommerce", "account": "shop.example",
            "secret": "chosen-by-a-person",
        ]
        let refused = try await tenant.send("POST", "/v1/connections", woo)
        #expect(refused.status == 422 && refused.pointers.sorted() == ["#/account", "#/secret"])
        let shopify = woo.with("provider", "shopify").with("account", "b.myshopify.com").with("secret", nil)
        let missed = try await tenant.send("POST", "/v1/connections", shopify)
        #expect(missed.status == 422 && missed.pointers == ["#/secret"])

        let shop = try await WooShop.connect(tenant)
        let rotations: [(String, JSON)] = [
            (shop.connection, ["secret": "chosen-by-a-person"]), (tenant.demo.connection.description, [:]),
        ]
        for (connection, body) in rotations {
            let answer = try await tenant.send("POST", "/v1/connections/\(connection)/rotate-secret", body)
            #expect(answer.status == 422 && answer.pointers == ["#/secret"])
        }
        #expect(try await shop.post("order.created", WooOrder.body()).status == 200)
    }

    // domain.md 5, Ingest 5.
    @Test func `the former secret counts until its time is over, and no other ever`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let rotate = "/v1/connections/\(shop.connection)/rotate-secret"
        func post(_ secret: String) async throws -> Int {
            try await shop.post("order.updated", WooOrder.body(), secret: secret).status
        }
        #expect(try await post(shop.secret) == 200)
        #expect(try await post(shop.secret + "x") == 401)
        let key = [("Idempotency-Key", "rotate")]
        let rotated = try await tenant.send("POST", rotate, [:], headers: key)
        let second = try #require(rotated["secret"]?.stringValue)
        #expect(second != shop.secret && rotated["version"] == 2)
        #expect(try await tenant.send("POST", rotate, [:], headers: key)["secret"] == .null)
        #expect(try await post(shop.secret) == 200)
        #expect(try await post(second) == 200)
        let last = try await tenant.send("POST", rotate, ["overlap_seconds": 0])
        #expect(try await post(second) == 401)
        #expect(try await post(try #require(last["secret"]?.stringValue)) == 200)
    }

    // MARK: Pings, and what is not signed

    // domain.md 5, Ingest 5.
    @Test func `a ping is answered with exactly 200, and nothing comes of it`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let before = try await tenant.get("/v1/connections/\(shop.connection)").json
        let form = [("Content-Type", "application/x-www-form-urlencoded")]
        let ping = Array("webhook_id=7".utf8)
        for _ in 0..<2 {
            let answer = try await tenant.server.send("POST", shop.hook, headers: form, raw: ping)
            #expect(answer.status == 200 && answer.json == ["id": nil])
        }
        #expect(try await tenant.get("/v1/connections/\(shop.connection)").json == before)
        for table in ["inbound_events", "inbound_deliveries", "orders", "jobs"] {
            #expect(try await count(table, tenant) == 0, "\(table)")
        }
        // To where no WooCommerce shop is connected it is a body that nobody has signed.
        let shopify = "/v1/hooks/\(tenant.id)/\(tenant.demo.connection)"
        let nobody = "/v1/hooks/\(tenant.id)/\(ConnectionID.new())"
        for path in [shopify, nobody, shop.hook + "x"] {
            #expect(try await tenant.server.send("POST", path, headers: form, raw: ping).status == 401, "\(path)")
        }
    }

    // domain.md 3.2: HTTP/1.0.
    @Test func `a ping and a webhook come in by HTTP/1.0`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let port = try #require(URL(string: tenant.server.baseURL)?.port)
        let body = String(decoding: WooOrder.body().serializedBytes, as: UTF8.self)
        let signed = """
            Content-Type: application/json\r\nX-WC-Webhook-Topic: order.created\r\n\
            X-WC-Webhook-Signature: \(DemoOrder.signature(Array(body.utf8), secret: shop.secret))\r\n
            """
        for (fields, body) in [("Content-Type: application/x-www-form-urlencoded\r\n", "webhook_id=7"), (signed, body)]
        {
            let socket = try RawSocket(port: port)
            let length = "Content-Length: \(body.utf8.count)\r\n"
            #expect(socket.send("POST \(shop.hook) HTTP/1.0\r\nHost: a\r\n\(fields)\(length)\r\n\(body)"))
            var text = ""
            try await eventually {
                text += socket.receive() ?? ""
                return text.contains("\"id\"")
            }
            #expect(text.hasPrefix("HTTP/1.0 200 ") || text.hasPrefix("HTTP/1.1 200 "), "\(text)")
        }
        try await tenant.settle()
        #expect(try await shop.order()["financial_status"] == "paid")
    }

    // domain.md 5, Ingest 5 and 6.
    @Test func `a body that is not signed, or not as it is, is refused`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let bytes = WooOrder.body().serializedBytes
        let valid = DemoOrder.signature(bytes, secret: shop.secret)
        let shopifys = DemoOrder.signature(bytes, secret: tenant.demo.webhookSecret)
        for signature in [nil, "", "none", String(valid.dropLast(5)), valid.lowercased(), shopifys] {
            var headers = [("Content-Type", "application/json"), ("X-WC-Webhook-Topic", "order.created")]
            if let signature { headers.append(("X-WC-Webhook-Signature", signature)) }
            let answer = try await tenant.server.send("POST", shop.hook, headers: headers, raw: bytes)
            #expect(answer.status == 401 && answer.code == "unauthenticated", "\(signature ?? "none")")
        }
        // By Shopify's header it is not signed at all.
        let other = [("X-Shopify-Hmac-Sha256", valid), ("X-Shopify-Topic", "orders/create")]
        #expect(try await tenant.server.send("POST", shop.hook, headers: other, raw: bytes).status == 401)
        #expect(try await count("inbound_events", tenant) == 0)
    }

    // MARK: Deliveries

    // domain.md 5, Ingest 3.
    @Test func `two orders of one second have one delivery id, and both are applied`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        for id in [727, 728, 727] {
            #expect(try await shop.post("order.updated", WooOrder.body(id), delivery: "the-same").status == 200)
        }
        // The same again a second later, under another id.
        try await shop.post("order.updated", WooOrder.body(728), delivery: "another")
        try await tenant.settle()
        #expect(try await shop.order(727)["version"] == 1)
        #expect(try await shop.order(728)["version"] == 1)
        #expect(try await count("inbound_events", tenant) == 2)
    }

    // domain.md 5, Ingest 1.
    @Test func `an order that is deleted again by the same bytes is deleted`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let (order, id): (JSON, JSON) = (WooOrder.body(), ["id": 727])
        var told: [String?] = []
        for (topic, body) in [
            ("order.created", order), ("order.deleted", id), ("order.restored", order), ("order.deleted", id),
            ("order.updated", order),
        ] {
            try await shop.post(topic, body)
            try await tenant.settle()
            told.append(try await shop.order()["lifecycle_status"]?.stringValue)
        }
        #expect(told == ["open", "deleted", "open", "deleted", "deleted"])
    }

    // domain.md 5, Ingest 8 and 9.
    @Test func `what cannot be read is quarantined, what is nobody's is ignored, and both are answered`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let forbidden: JSON = ["code": "woocommerce_rest_cannot_view", "data": ["status": 401]]
        let cases: [(String, JSON, String, JSON)] = [
            ("order.updated", forbidden, "quarantined", "missing_id:id"),
            ("order.updated", WooOrder.body(9, ("status", "auto-draft")), "ignored", "draft_order"),
            ("product.updated", ["id": 1], "ignored", "products_not_mirrored"),
            ("customer.created", ["id": 1], "ignored", "customers_not_mirrored"),
            ("coupon.deleted", ["id": 1], "ignored", "coupons_not_mirrored"),
            ("action.woocommerce_add_to_cart", ["action": "a", "arg": "b"], "ignored", "actions_not_mirrored"),
            ("order.teleported", WooOrder.body(9), "ignored", "unknown_topic"),
            ("order.updated", WooOrder.body(9), "applied", nil),
        ]
        var answers: [Answer] = []
        for one in cases { answers.append(try await shop.post(one.0, one.1)) }
        try await tenant.settle()
        for (answer, one) in zip(answers, cases) {
            #expect(answer.status == 200)
            let event = try await event(answer, tenant)
            #expect(event["state"] == .string(one.2) && event["reason"] == one.3, "\(one.0)")
            #expect(event["topic"] == .string(one.0))
        }
        #expect(try await count("orders", tenant) == 1)
    }

    // MARK: Refunds

    private func refunds(_ order: Answer) -> [String] {
        (order["refunds"]?.arrayValue ?? []).map { refund in
            let amount = refund["amount"]?["amount"]?.int64Value ?? -1
            return "\(refund["external_id"]?.stringValue ?? "") \(refund["state"]?.stringValue ?? "") \(amount)"
        }
    }

    // domain.md 5, Ingest 10 and case 12.
    @Test func `refunds are found in the order, and missed when they are taken back`() async throws {
        let (first, second) = (WooOrder.refund(801, "10.00", reason: "Sold out"), WooOrder.refund(802, "39.90"))
        let bodies = [
            WooOrder.body(727, minute: 0), WooOrder.body(727, minute: 1, ("refunds", [first])),
            WooOrder.body(727, minute: 2, ("refunds", [first, second])),
            // Of the same second: WooCommerce gives the order no new time.
            WooOrder.body(727, minute: 2, ("refunds", [second])),
        ]
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [3, 1, 2, 0]] {
            let tenant = try await TestTenant.make()
            let shop = try await WooShop.connect(tenant)
            for index in order {
                try await shop.post("order.updated", bodies[index])
                try await tenant.settle()
            }
            let told = try await shop.order()
            #expect(refunds(told).sorted() == ["801 removed 1000", "802 recorded_unverified 3990"])
            #expect(told["financial_status"] == "partially_refunded" && told["financial_status_raw"] == "processing")
            let reasons = told["refunds"]?.arrayValue?.map { $0["reason"] ?? "absent" } ?? []
            #expect(Set(reasons) == ["Sold out", nil])
            #expect(told["refunds"]?.arrayValue?.allSatisfy { $0["moved"] == .null && $0["moved_at"] == .null } == true)
            let facts = try await tenant.rows(
                """
                SELECT episode FROM facts
                 WHERE tenant_id = \(tenant.id.uuid) AND kind = 'refund_recorded'
                 ORDER BY episode
                """
            )
            let episodes: [String] = try facts.decode(String.self)
            #expect(episodes == ["801", "802"])
            // The same again changes nothing.
            for body in bodies { try await shop.post("order.created", body) }
            try await tenant.settle()
            #expect(try await shop.order().json == told.json)
        }
    }

    // domain.md 5, case 12: `refunded_payment` is in no webhook.
    @Test func `nobody is told of a refund of which it is not known whether its money moved`() async throws {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let now = tenant.server.environment.clock.now()
        let refund = WooOrder.refund(801, "10.00")
        try await shop.post("order.updated", WooOrder.body(727, at: now, [("refunds", [refund])]))
        try await tenant.settle()
        try await tenant.advance(days: 13)
        let runs = try await tenant.get("/v1/runs")["data"]?.arrayValue ?? []
        #expect(runs.filter { $0["reason"] == "refund_unverified" }.count == 2, "\(runs)")
        #expect(try await tenant.get("/v1/messages")["data"] == [])
        #expect(try await tenant.get("/v1/tickets")["data"] == [])
    }
}

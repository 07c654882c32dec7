import Curl
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What the server answers to writes is what `openapi/openapi.yaml` says: the right ones, those that are repeated, those
/// that come too late and those that are wrong.
@Suite struct `The answers to writes` {
    private let check: AnswerCheck

    init() throws { check = try AnswerCheck() }

    @Test func `about stores, people and keys fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let unique = UUID().uuidString.lowercased()
        let store: JSON = ["name": "New", "platform": "shopify", "time_zone": "Asia/Tokyo", "currency": "JPY"]
        let key = [("Idempotency-Key", unique)]
        let created = try await check(tenant, "POST /v1/stores", [:], store, headers: key, gives: 201)
        let replayed = try await check(tenant, "POST /v1/stores", [:], store, headers: key, gives: 201)
        #expect(replayed.header("Idempotent-Replayed") == "true" && replayed.json == created.json)
        let storeID = ["store_id": try #require(created["id"]?.stringValue)]
        let versioned = [("If-Match", "\"v1\"")]
        let patch = "PATCH /v1/stores/{store_id}"
        _ = try await check(tenant, patch, storeID, ["mail_from": "a@b.example"], headers: versioned, gives: 200)
        _ = try await check(tenant, patch, storeID, ["mail_from": nil], headers: versioned, gives: 412)

        let email = "\(unique)@example.test"
        let person: JSON = ["email": .string(email), "name": "P", "role": "agent", "password": "twelve or more"]
        let added = try await check(tenant, "POST /v1/users", [:], person, gives: 201)
        _ = try await check(tenant, "POST /v1/users", [:], person, gives: 409)
        let user = ["user_id": try #require(added["id"]?.stringValue)]
        let session = try await check(
            tenant,
            "POST /v1/sessions",
            [:],
            ["email": .string(email), "password": "twelve or more"],
            gives: 201
        )
        let token = try #require(session["token"]?.stringValue)
        _ = try await check(tenant, "POST /v1/users", [:], person, as: token, gives: 403)
        _ = try await check(tenant, "DELETE /v1/sessions/current", as: token, gives: 204)
        _ = try await check(tenant, "GET /v1/me", as: token, gives: 401)
        _ = try await check(
            tenant,
            "PATCH /v1/users/{user_id}",
            user,
            ["disabled": true, "role": "viewer"],
            gives: 200
        )

        let newKey: JSON = ["name": "K", "scopes": ["stores:read"], "expires_at": "2036-01-01T00:00:00Z"]
        let made = try await check(tenant, "POST /v1/api-keys", [:], newKey, headers: key, gives: 201)
        #expect(made["token"]?.stringValue != nil)
        #expect(try await check(tenant, "POST /v1/api-keys", [:], newKey, headers: key, gives: 201)["token"] == .null)
        let keyID = ["api_key_id": try #require(made["id"]?.stringValue)]
        _ = try await check(
            tenant,
            "POST /v1/api-keys/{api_key_id}/rotate",
            keyID,
            ["overlap_seconds": nil],
            gives: 201
        )
        _ = try await check(tenant, "POST /v1/api-keys/{api_key_id}/rotate", keyID, [:], gives: 409)
        _ = try await check(tenant, "DELETE /v1/api-keys/{api_key_id}", keyID, gives: 204)
        #expect(try await check(tenant, "GET /v1/api-keys/{api_key_id}", keyID, gives: 200)["revoked_at"] != .null)
    }

    @Test func `about connections fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let (key, versioned) = ([("Idempotency-Key", "one")], [("If-Match", "\"v1\"")])
        let store = try await tenant.addStore([("platform", "shopify")])
        let account: JSON = [
            "store_id": .string(store.description), "provider": "shopify", "account": "New.myshopify.com",
            "secret": "12345678",
        ]
        let connected = try await check(tenant, "POST /v1/connections", [:], account, gives: 201)
        _ = try await check(tenant, "POST /v1/connections", [:], account, gives: 409)
        let connection = ["connection_id": try #require(connected["id"]?.stringValue)]
        let rotate = "POST /v1/connections/{connection_id}/rotate-secret"
        _ = try await check(tenant, rotate, connection, ["secret": "another-one"], headers: versioned, gives: 200)
        _ = try await check(tenant, rotate, connection, ["secret": "another-one"], headers: versioned, gives: 412)

        let woo: JSON = [
            "store_id": .string(store.description), "provider": "woocommerce", "account": "https://new.example",
        ]
        let ours = try await check(tenant, "POST /v1/connections", [:], woo, headers: key, gives: 201)
        #expect(ours["secret"]?.stringValue != nil && connected["secret"] == .null)
        _ = try await check(tenant, "POST /v1/connections", [:], woo.with("secret", "12345678"), gives: 422)
        let shop = ["connection_id": try #require(ours["id"]?.stringValue), "tenant_id": tenant.id.description]
        #expect(try await check(tenant, rotate, shop, [:], gives: 200)["secret"]?.stringValue != nil)
        _ = try await check(tenant, rotate, shop, ["secret": "12345678"], gives: 422)

        let change = "PATCH /v1/connections/{connection_id}"
        let disabled = try await check(tenant, change, connection, ["state": "disabled"], gives: 200)
        #expect(disabled["state_reason"] == "disabled_by_user" && disabled["state_changed_at"]?.stringValue != nil)
        _ = try await check(tenant, change, connection, ["state": "active"], headers: versioned, gives: 412)
    }

    @Test func `about a shop that is asked fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let key = [("Idempotency-Key", "one")]
        // Nobody is there.
        let asked: JSON = [
            "store_id": .string(tenant.store.description), "provider": "woocommerce",
            "account": "https://127.0.0.1:1",
        ]
        let askedShop = try await check(tenant, "POST /v1/connections", [:], asked, gives: 201)
        let askedID = askedShop["id"]?.stringValue
        let ask = ["connection_id": try #require(askedID)]
        let (credentials, pulls) = (
            "/v1/connections/{connection_id}/credentials", "/v1/connections/{connection_id}/pulls"
        )
        let pair: JSON = ["consumer_key": "ck_1", "consumer_secret": "cs_1"]
        _ = try await check(tenant, "POST \(pulls)", ask, ["kind": "sweep"], gives: 409)
        _ = try await check(tenant, "PUT \(credentials)", ask, [:], gives: 422)
        _ = try await check(tenant, "PUT \(credentials)", ask, pair, headers: [("If-Match", "\"v9\"")], gives: 412)
        for _ in 0..<2 { _ = try await check(tenant, "PUT \(credentials)", ask, pair, headers: key, gives: 200) }
        _ = try await check(tenant, "POST \(pulls)", ask, ["kind": "all"], gives: 422)
        for _ in 0..<2 {
            _ = try await check(tenant, "POST \(pulls)", ask, ["kind": "sweep"], headers: key, gives: 202)
        }
        try await eventually {
            try await tenant.get("/v1/connections/\(askedID ?? "")/pulls")["sweep"]?["failure"] != .null
        }
        _ = try await check(tenant, "GET \(pulls)", ask, gives: 200)

        let teller = WooShop(
            tenant: tenant,
            connection: askedID ?? "",
            secret: askedShop["secret"]?.stringValue ?? ""
        )
        try await teller.post("order.created", WooOrder.body())
        try await tenant.settle()
        let ordered = ["order_id": try #require(try await teller.order()["id"]?.stringValue)]
        let refresh = "/v1/orders/{order_id}/refresh"
        _ = try await check(tenant, "POST \(refresh)", ordered, headers: key, gives: 202)
        _ = try await check(tenant, "GET \(refresh)", ordered, gives: 200)
        _ = try await check(tenant, "DELETE \(credentials)", ask, gives: 204)
        _ = try await check(tenant, "POST \(refresh)", ordered, gives: 409)
    }

    @Test func `about orders, returns and disputes fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let (key, versioned) = ([("Idempotency-Key", "one")], [("If-Match", "\"v1\"")])
        let order = ["store_id": tenant.store.description, "external_id": "A%2F1"]
        let put = "PUT /v1/stores/{store_id}/orders/by-external-id/{external_id}"
        _ = try await check(tenant, put, order, PutBody.order, headers: versioned, gives: 412)
        _ = try await check(tenant, put, order, PutBody.order, headers: key, gives: 201)
        _ = try await check(tenant, put, order, PutBody.order, headers: versioned, gives: 200)
        _ = try await check(tenant, put, order, ["as_of": "yesterday"], gives: 422)
        let back = "PUT /v1/stores/{store_id}/returns/by-external-id/{external_id}"
        let named = ReturnBody.put.with("order_external_id", "A/1")
        _ = try await check(tenant, back, order, named, headers: versioned, gives: 412)
        _ = try await check(tenant, back, order, named, gives: 201)
        _ = try await check(tenant, back, order, named, headers: versioned, gives: 200)
        _ = try await check(tenant, back, order, [:], gives: 422)

        let disputed = "PUT /v1/stores/{store_id}/disputes/by-external-id/{external_id}"
        _ = try await check(tenant, disputed, order, DisputeBody.put, headers: versioned, gives: 412)
        _ = try await check(tenant, disputed, order, DisputeBody.put, gives: 201)
        _ = try await check(tenant, disputed, order, DisputeBody.put, headers: versioned, gives: 200)
        _ = try await check(tenant, disputed, order, [:], gives: 422)

        let bulk = "POST /v1/stores/{store_id}/orders/bulk"
        let orders: JSON = ["orders": [PutBody.order.with("external_id", "B-1"), PutBody.order, 1]]
        for _ in 0..<2 { _ = try await check(tenant, bulk, order, orders, headers: key, gives: 207) }
        _ = try await check(tenant, bulk, order, ["orders": []], gives: 422)
        let (load, lines) = ("POST /v1/stores/{store_id}/imports", [("Content-Type", "application/x-ndjson")])
        for _ in 0..<2 { _ = try await check(tenant, load, order, [:], headers: key + lines, gives: 202) }
        try await tenant.settle()
        _ = try await check(tenant, load, order, [:], gives: 415)
        let mark = "PUT /v1/stores/{store_id}/watermark"
        let instants: [(JSON, Int)] = [("2026-05-04T10:00:00Z", 200), ("2025-05-04T10:00:00Z", 409), (nil, 422)]
        for (instant, status) in instants {
            _ = try await check(tenant, mark, order, ["complete_as_of": instant], gives: status)
        }
    }

    @Test func `about the time of a sandbox fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let live = try await tenant.addStore()
        let later = (tenant.server.environment.clock.now() + .seconds(86_400)).rfc3339
        let sandbox = ["store_id": tenant.store.description]
        let advance = "POST /v1/stores/{store_id}/test-clock/advance"
        _ = try await check(tenant, advance, sandbox, ["to": .string(later)], gives: 202)
        _ = try await check(tenant, advance, ["store_id": live.description], ["to": .string(later)], gives: 409)
    }

    @Test func `about webhooks fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let key = [("Idempotency-Key", "one")]
        let shop = try await WooShop.connect(tenant)
        let connection = ["connection_id": tenant.demo.connection.description]
        let hook = "POST /v1/hooks/{tenant_id}/{connection_id}"
        let kept = try await DemoOrder(tenant).post("orders/create")
        let faultsOfKept = try check.faults(kept, of: hook)
        #expect(faultsOfKept.isEmpty)
        #expect(kept.status == 200)
        _ = try await check(tenant, hook, [:], [:], gives: 401)
        let ping = try await tenant.server.send(
            "POST",
            "/v1/hooks/\(tenant.id)/\(shop.connection)",
            raw: Array("webhook_id=7".utf8)
        )
        let faultsOfPing = try check.faults(ping, of: hook)
        #expect(faultsOfPing.isEmpty && ping["id"] == .null)
        try await tenant.settle()
        let event = ["event_id": try #require(kept["id"]?.stringValue)]
        _ = try await check(tenant, "POST /v1/inbound-events/{event_id}/replay", event, gives: 202)
        try await tenant.settle()
        let many = "POST /v1/connections/{connection_id}/replay-events"
        let since: JSON = ["reason": "connection_disabled", "received_from": "2026-05-04T10:00:00Z"]
        for _ in 0..<2 { _ = try await check(tenant, many, connection, since, headers: key, gives: 202) }
        _ = try await check(tenant, many, connection, ["reason": ""], gives: 422)
        _ = try await check(tenant, "GET /v1/connections/{connection_id}/health", connection, gives: 200)
        try await tenant.settle()
        let filters = "?topic=orders%2Fcreate&state=applied&received_from=2026-05-04T10:00:00Z"
        _ = try await check(tenant, "GET /v1/inbound-events", query: filters, gives: 200)
        let expired = tenant.ago(days: 0)
        _ = try await tenant.rows(
            """
            UPDATE inbound_events
               SET body = '', body_hash = sha256(body), body_length = 1, body_expired_at = \(expired)
             WHERE tenant_id = \(tenant.id.uuid)
            """
        )
        _ = try await check(tenant, "GET /v1/inbound-events/{event_id}/body", event, gives: 410)
        _ = try await check(tenant, "GET /v1/inbound-events/{event_id}", event, gives: 200)
        _ = try await check(tenant, "POST /v1/inbound-events/{event_id}/replay", event, gives: 409)
    }

    @Test func `about what is told in parts and besides orders fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let (key, versioned) = ([("Idempotency-Key", "one")], [("If-Match", "\"v1\"")])
        let order = ["store_id": tenant.store.description, "external_id": "A%2F1"]
        let (one, part) = (
            "/v1/stores/{store_id}/orders/by-external-id/{external_id}",
            order.merging(["shipment_external_id": "P%2F1", "refund_external_id": "RF", "sku": "JK%201"]) { one, _ in
                one
            }
        )
        let parts: [(String, JSON)] = [
            ("PUT \(one)/shipments/{shipment_external_id}", PartBody.shipment),
            ("PUT \(one)/refunds/{refund_external_id}", PartBody.refund), ("PUT \(one)/risk", PartBody.risk),
            ("PUT /v1/stores/{store_id}/stock/{sku}", PartBody.stock),
        ]
        for (name, body) in parts {
            _ = try await check(tenant, name, part, body, headers: [("If-Match", "\"v99\"")], gives: 412)
            _ = try await check(tenant, name, part, body, gives: 201)
            _ = try await check(tenant, name, part, body, gives: 200)
            _ = try await check(tenant, name, part, [:], gives: 422)
        }
        let reports = "POST \(one)/shipments/{shipment_external_id}/tracking-events"
        for _ in 0..<2 { _ = try await check(tenant, reports, part, PartBody.events, gives: 200) }
        _ = try await check(tenant, reports, part, [:], gives: 422)
        let passedOn: JSON = ["events": [PartBody.eventsByNumber, 1]]
        let byNumber = "POST /v1/stores/{store_id}/tracking-events"
        for _ in 0..<2 { _ = try await check(tenant, byNumber, order, passedOn, headers: key, gives: 207) }
        _ = try await check(tenant, byNumber, order, [:], gives: 422)
        let levels: JSON = ["levels": [PartBody.stock.with("sku", "B"), PartBody.stock, 1]]
        let many = "PUT /v1/stores/{store_id}/stock"
        for _ in 0..<2 { _ = try await check(tenant, many, order, levels, headers: key, gives: 207) }
        _ = try await check(tenant, many, order, [:], gives: 422)
        let account = "PUT /v1/stores/{store_id}/customers/by-external-id/{external_id}"
        _ = try await check(tenant, account, order, PartBody.customer, headers: versioned, gives: 412)
        let made = try await check(tenant, account, order, PartBody.customer, gives: 201)
        _ = try await check(tenant, account, order, PartBody.customer, headers: versioned, gives: 200)
        _ = try await check(tenant, account, order, ["colour": "red"], gives: 422)
        let person = ["customer_id": try #require(made["customer"]?["id"]?.stringValue)]
        let flag = "PATCH /v1/customers/{customer_id}"
        _ = try await check(tenant, flag, person, ["is_vip": true, "vip_reason": "Gold"], gives: 200)
        _ = try await check(tenant, flag, person, ["is_vip": false], headers: versioned, gives: 412)
        let found = ["order_id": try #require(try await tenant.list("/v1/orders").first?["id"]?.stringValue)]
        let word = "PATCH /v1/orders/{order_id}"
        _ = try await check(tenant, word, found, ["risk": ["level": "low", "reasons": ["Called."]]], gives: 200)
        _ = try await check(tenant, word, found, ["risk": nil], headers: versioned, gives: 412)
    }
}

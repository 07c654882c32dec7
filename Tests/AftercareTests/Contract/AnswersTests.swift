import Curl
import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What the server really answers is what `openapi/openapi.yaml` says, header by header and member by member.
/// deploy/schemathesis.sh tries far more requests; here are those it cannot come up with, over data of a whole walk.
@Suite struct `The answers of the server` {
    private let specification: Specification
    private let validator: SchemaValidator

    init() throws {
        specification = try Specification.load()
        validator = SchemaValidator(document: specification)
    }

    /// Everything about an answer that the specification says otherwise.
    private func faults(_ answer: Answer, of name: String) throws -> [String] {
        guard let operation = specification.operations.first(where: { $0.name == name }),
            let response = try specification.responses(of: operation).first(where: { $0.status == "\(answer.status)" })
        else { return ["\(answer.status) is not described: \(answer.json)"] }
        return try faults(answer, response.value)
    }

    private func faults(_ answer: Answer, _ response: JSON) throws -> [String] {
        var faults: [String] = []
        for header in response["headers"]?.objectValue ?? [:] {
            let rule = try specification.resolved(header.value)
            if let value = answer.header(header.name) {
                let violations = try validator.violations(of: .string(value), against: rule["schema"] ?? false)
                faults += violations.map { "\(header.name): \(value) \($0)" }
            } else if rule["required"] == true {
                faults.append("\(header.name) is missing")
            }
        }
        if answer.header("X-Content-Type-Options") != "nosniff" { faults.append("X-Content-Type-Options is missing") }
        guard let content = response["content"]?.objectValue else {
            return faults + (answer.response.body.isEmpty ? [] : ["there is a body"])
        }
        let type = answer.header("Content-Type")?.split(separator: ";").first.map(String.init) ?? "none"
        guard let schema = content[type]?["schema"] else { return faults + ["the media type \(type)"] }
        let body: JSON =
            type.hasSuffix("json")
            ? try JSON(parsing: answer.response.body)
            : .string(String(decoding: answer.response.body, as: UTF8.self))
        return faults + (try validator.violations(of: body, against: schema).map(\.description))
    }

    private func check(
        _ tenant: TestTenant,
        _ name: String,
        _ ids: [String: String] = [:],
        _ body: JSON? = nil,
        as token: String? = nil,
        headers: [(String, String)] = [],
        query: String = "",
        gives status: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        let parts = name.split(separator: " ")
        let path = parts[1].split(separator: "/").map { segment in
            segment.hasPrefix("{") ? "/" + (ids[String(segment.dropFirst().dropLast())] ?? "none") : "/\(segment)"
        }
        let target = path.joined() + query
        let answer = try await tenant.send(String(parts[0]), target, body, as: token, headers: headers)
        #expect(answer.status == status, "\(name): \(answer.json)", sourceLocation: sourceLocation)
        let faults = try faults(answer, of: name)
        #expect(faults.isEmpty, "\(name) \(answer.status): \(faults)", sourceLocation: sourceLocation)
        return answer
    }

    /// A tenant whose order went the whole walk.
    private func walked() async throws -> TestTenant {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await demo.post("returns/approve", body: ReturnBody.whole("open"))
        try await tenant.settle()
        try await tenant.advance(days: 60)
        try await demo.post("disputes/create", body: DisputeBody.webhook("under_review"))
        try await demo.post("customers/data_request", body: PrivacyBody.dataRequest())
        try await tenant.settle()
        _ = try await tenant.importOrders([[:], [:]])
        for sku in ["JK-1", "JK-2"] { _ = try await tenant.putStock(PartBody.stock, sku) }
        let order = try #require(try await demo.order()["id"]?.stringValue.flatMap { OrderID($0) })
        _ = try await tenant.seedCommand(order)
        return tenant
    }

    @Test func `to every read fit the specification`() async throws {
        let tenant = try await walked()
        _ = try await tenant.send("POST", "/v1/api-keys", ["name": "One to be listed", "scopes": ["stores:read"]])
        for _ in 0..<2 { _ = try await tenant.openTicket([("body", "To be listed.")]) }
        let operation = try await tenant.rows("SELECT id FROM operations WHERE tenant_id = \(tenant.id.uuid)")
        var ids = ["operation_id": OperationID(try #require(try operation.first?("id", as: UUID.self))).description]
        var checked: Set<String> = []
        // Lists come before what is in them.
        let reads = specification.operations.filter { $0.method == "GET" }.sorted { $0.path.count < $1.path.count }
        for read in reads {
            let answer = try await check(tenant, read.name, ids, gives: 200)
            checked.insert(read.name)
            guard let rows = answer["data"]?.arrayValue else { continue }
            #expect(!rows.isEmpty, "\(read.name) has nothing to look at")
            let detail = reads.first { $0.path.hasPrefix(read.path + "/{") }
            if let name = detail?.path.split(separator: "{").last?.dropLast(), let id = rows.first?["id"]?.stringValue {
                ids[String(name)] = id
            }
            if read.path == "/v1/orders", let id = rows.first?["external_id"]?.stringValue { ids["external_id"] = id }
            // One row a page, and the next one where there is one.
            let page = try await check(tenant, read.name, ids, query: "?limit=1", gives: 200)
            if let cursor = page["next_cursor"]?.stringValue {
                _ = try await check(tenant, read.name, ids, query: "?limit=1&cursor=\(cursor)", gives: 200)
            }
        }
        #expect(checked.count == reads.count)
        let versioned = ["stores/{store_id}", "users/{user_id}", "connections/{connection_id}", "orders/{order_id}"]
        let mirrored =
            ["returns/{return_id}", "disputes/{dispute_id}", "customers/{customer_id}"] + [
                "privacy-requests/{privacy_request_id}"
            ]
        for name in versioned + mirrored + ["workflows/{workflow_id}", "tickets/{ticket_id}", "commands/{command_id}"] {
            _ = try await check(tenant, "GET /v1/\(name)", ids, headers: [("If-None-Match", "*")], gives: 304)
        }
        // Both kinds of runs and plans.
        for run in try await tenant.get("/v1/runs")["data"]?.arrayValue ?? [] {
            _ = try await check(tenant, "GET /v1/runs/{run_id}", ["run_id": run["id"]?.stringValue ?? ""], gives: 200)
        }
    }

    @Test func `to every write fit the specification`() async throws {
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

        let account: JSON = [
            "store_id": .string(storeID["store_id"] ?? ""), "provider": "shopify", "account": "New.myshopify.com",
            "secret": "12345678",
        ]
        let connected = try await check(tenant, "POST /v1/connections", [:], account, gives: 201)
        _ = try await check(tenant, "POST /v1/connections", [:], account, gives: 409)
        let connection = ["connection_id": try #require(connected["id"]?.stringValue)]
        let rotate = "POST /v1/connections/{connection_id}/rotate-secret"
        _ = try await check(tenant, rotate, connection, ["secret": "another-one"], headers: versioned, gives: 200)
        _ = try await check(tenant, rotate, connection, ["secret": "another-one"], headers: versioned, gives: 412)

        let woo: JSON = [
            "store_id": .string(storeID["store_id"] ?? ""), "provider": "woocommerce", "account": "https://new.example",
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

        // Nobody is there.
        let asked = woo.with("store_id", .string(tenant.store.description)).with("account", "https://127.0.0.1:1")
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

        let order = ["store_id": tenant.store.description, "external_id": "A%2F1"]
        let put = "PUT /v1/stores/{store_id}/orders/by-external-id/{external_id}"
        _ = try await check(tenant, put, order, PutBody.order, headers: versioned, gives: 412)
        _ = try await check(tenant, put, order, PutBody.order, headers: key, gives: 201)
        _ = try await check(tenant, put, order, PutBody.order, headers: versioned, gives: 200)
        _ = try await check(tenant, put, order, ["as_of": "yesterday"], gives: 422)
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

        let later = (tenant.server.environment.clock.now() + .seconds(86_400)).rfc3339
        let sandbox = ["store_id": tenant.store.description]
        let advance = "POST /v1/stores/{store_id}/test-clock/advance"
        _ = try await check(tenant, advance, sandbox, ["to": .string(later)], gives: 202)
        _ = try await check(tenant, advance, storeID, ["to": .string(later)], gives: 409)

        let hook = "POST /v1/hooks/{tenant_id}/{connection_id}"
        let kept = try await DemoOrder(tenant).post("orders/create")
        let faultsOfKept = try faults(kept, of: hook)
        #expect(faultsOfKept.isEmpty)
        #expect(kept.status == 200)
        _ = try await check(tenant, hook, [:], [:], gives: 401)
        let ping = try await tenant.server.send(
            "POST",
            "/v1/hooks/\(tenant.id)/\(shop["connection_id"] ?? "")",
            raw: Array("webhook_id=7".utf8)
        )
        let faultsOfPing = try faults(ping, of: hook)
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

    @Test func `to what is told in parts and besides orders fit the specification`() async throws {
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

    @Test func `about tickets fit the specification`() async throws {
        let tenant = try await walked()
        let order = try #require(try await tenant.list("/v1/orders").first?["id"])
        let new: JSON = [
            "store_id": .string(tenant.store.description), "subject": "S", "kind": "charge_dispute", "order_id": order,
            "customer_email": "a@b.example", "priority": nil,
        ]
        let key = [("Idempotency-Key", "ticket")]
        for _ in 0..<2 { _ = try await check(tenant, "POST /v1/tickets", [:], new, headers: key, gives: 201) }
        _ = try await check(tenant, "POST /v1/tickets", [:], ["subject": ""], gives: 422)
        let id = ["ticket_id": try #require(try await tenant.list("/v1/tickets").first?["id"]?.stringValue)]
        let (one, close) = ("/v1/tickets/{ticket_id}", "POST /v1/tickets/{ticket_id}/close")
        let mine: JSON = ["assignee_id": .string(tenant.demo.owner.description), "state": "pending"]
        _ = try await check(tenant, "PATCH \(one)", id, mine, headers: [("If-Match", "\"v1\"")], gives: 200)
        _ = try await check(tenant, "PATCH \(one)", id, mine, headers: [("If-Match", "\"v1\"")], gives: 412)
        _ = try await check(tenant, "POST \(one)/comments", id, ["body": "B"], gives: 201)
        _ = try await check(tenant, "POST \(one)/reopen", id, [:], gives: 409)
        _ = try await check(tenant, close, id, ["comment": "C"], headers: [("If-Match", "\"v1\"")], gives: 412)
        _ = try await check(tenant, close, id, ["comment": "C"], gives: 200)
        _ = try await check(tenant, close, id, ["comment": nil], gives: 409)
        _ = try await check(tenant, "POST \(one)/reopen", id, [:], gives: 200)
        _ = try await check(tenant, "GET \(one)", id, gives: 200)
        let query = "?order_id=\(order.stringValue ?? "")&state=open&assignee_id=\(tenant.demo.owner)"
        #expect(try await check(tenant, "GET /v1/tickets", query: query, gives: 200)["data"]?.arrayValue?.count == 1)
        _ = try await check(tenant, "GET /v1/tickets", query: "?state=none", gives: 400)
    }

    @Test func `about commands fit the specification`() async throws {
        try await LoopbackReceiver.run { _, _ in
            .status(202)
        } _: { receiver in
            let tenant = try await TestTenant.make()
            let (store, key) = (["store_id": tenant.store.description], [("Idempotency-Key", "one")])
            let endpoint = "PUT /v1/stores/{store_id}/command-endpoint"
            let place = CommandBody.endpoint(receiver.url())
            for isFirst in [true, false] {
                let made = try await check(tenant, endpoint, store, place, headers: key, gives: 200)
                #expect((made["secret"] != .null) == isFirst)
            }
            _ = try await check(tenant, endpoint, store, ["url": 1], gives: 422)
            let rotate = "POST /v1/stores/{store_id}/command-endpoint/rotate-secret"
            _ = try await check(tenant, rotate, store, ["overlap_seconds": nil], gives: 200)
            _ = try await check(tenant, rotate, store, ["overlap_seconds": -1], gives: 422)
            _ = try await check(tenant, "GET /v1/stores/{store_id}/command-endpoint", store, gives: 200)

            let order = ["order_id": try await tenant.tell().description]
            let create = "POST /v1/orders/{order_id}/commands"
            for _ in 0..<2 { _ = try await check(tenant, create, order, CommandBody.address, headers: key, gives: 201) }
            let refused = try await check(tenant, create, order, CommandBody.address, gives: 409)
            #expect(refused["reason"] == "command_in_progress")
            _ = try await check(tenant, create, order, CommandBody.comeBack(0), gives: 422)
            let asked = try await check(tenant, create, order, CommandBody.cancel, gives: 201)
            let command = try #require(asked["id"]?.stringValue.flatMap { CommandID($0) })
            let id = ["command_id": "\(command)"]
            try await tenant.wait(for: command, .accepted)
            let (resolve, acknowledge) = (
                "POST /v1/commands/{command_id}/resolve", "POST /v1/commands/{command_id}/acknowledge"
            )
            _ = try await check(tenant, resolve, id, ["as": "failed"], gives: 409)
            _ = try await check(tenant, resolve, id, ["as": "sent"], gives: 422)
            try await tenant.pass(command)
            try await tenant.wait(for: command, .unknown)
            _ = try await check(tenant, "GET /v1/commands/{command_id}", id, gives: 200)
            _ = try await check(tenant, acknowledge, id, ["outcome": "refused", "reason": "No."], gives: 200)
            _ = try await check(tenant, acknowledge, id, ["outcome": "done"], gives: 409)
            _ = try await check(tenant, acknowledge, id, ["outcome": "perhaps"], gives: 422)
            let query = "?order_id=\(order["order_id"] ?? "")&state=refused&store_id=\(tenant.store)"
            let found = try await check(tenant, "GET /v1/commands", query: query, gives: 200)
            #expect(found["data"]?.arrayValue?.count == 1)
            _ = try await check(tenant, "GET /v1/commands", query: "?state=none", gives: 400)
        }
    }

    @Test func `about privacy fit the specification`() async throws {
        let tenant = try await walked()
        let id = [
            "privacy_request_id": try #require(try await tenant.list("/v1/privacy-requests").first?["id"]?.stringValue)
        ]
        let (export, complete) = (
            "GET /v1/privacy-requests/{privacy_request_id}/export",
            "POST /v1/privacy-requests/{privacy_request_id}/complete"
        )
        _ = try await check(tenant, export, id, gives: 200)
        _ = try await check(tenant, complete, id, headers: [("If-Match", "\"v9\"")], gives: 412)
        _ = try await check(tenant, complete, id, headers: [("If-Match", "\"v1\"")], gives: 200)
        _ = try await check(tenant, complete, id, gives: 409)
        _ = try await check(tenant, export, id, gives: 409)
    }

    @Test func `that refuse fit the specification`() async throws {
        let tenant = try await TestTenant.make()
        let list = "GET /v1/stores"
        let create = "POST /v1/stores"
        let one = "GET /v1/stores/{store_id}"
        _ = try await check(tenant, list, query: "?limit=0&order=up", gives: 400)
        _ = try await check(tenant, list, query: "?cursor=none", gives: 400)
        _ = try await check(tenant, list, as: "nobody", gives: 401)
        _ = try await check(tenant, one, ["store_id": "%00"], gives: 404)
        _ = try await check(tenant, list, headers: [("Accept", "image/png")], gives: 406)
        _ = try await check(tenant, create, [:], ["name": 1, "colour": "red"], gives: 422)
        _ = try await check(tenant, create, [:], "no object", gives: 422)
        _ = try await check(tenant, create, [:], [:], headers: [("Content-Type", "text/plain")], gives: 415)
        let store: JSON = ["name": "New", "platform": "other", "time_zone": "Asia/Tokyo", "currency": "JPY"]
        _ = try await check(tenant, create, [:], store, headers: [("Idempotency-Key", "two words")], gives: 400)
        _ = try await check(tenant, create, [:], store, headers: [("Idempotency-Key", "one")], gives: 201)
        _ = try await check(tenant, create, [:], [:], headers: [("Idempotency-Key", "one")], gives: 422)
        let long = String(repeating: "a", count: 2 << 20)
        _ = try await check(tenant, create, [:], ["name": .string(long)], gives: 413)
        // No operation describes 405: it is about those that are none.
        let none = try await tenant.send("PUT", "/v1/stores")
        #expect(none.status == 405)
        let faultsOfNone = try faults(none, specification.value(at: "#/components/responses/MethodNotAllowed"))
        #expect(faultsOfNone.isEmpty)
    }
}

import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Shopify's compliance topics over real HTTP into a real database. Edge case 38.
@Suite struct `Privacy` {
    /// Every row this tenant has in every table, as text; bodies of webhooks too.
    private func everything(_ tenant: TestTenant) async throws -> String {
        let superuser = tenant.server.database.superuser
        let tables = try await superuser.execute(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        var text = ""
        for table in try tables.decode(String.self) where table != "schema_migrations" {
            let rows = try await superuser.execute(
                "SELECT t::text FROM \(unsafe: table) AS t WHERE tenant_id = \(tenant.id.uuid)"
            )
            text += try rows.decode(String.self).joined(separator: "\n")
        }
        return text.lowercased()
    }

    /// As text, and as PostgreSQL shows bytes.
    private func names(_ text: String, _ person: String) -> Bool {
        let hex = [person, person.lowercased()].map { $0.utf8.map { String($0, radix: 16) }.joined() }
        return text.contains(person.lowercased()) || hex.contains(where: text.contains)
    }

    private func requests(_ tenant: TestTenant) async throws -> [JSON] { try await tenant.list("/v1/privacy-requests") }

    /// An order that was followed up, about which there was a ticket and a return, of a customer who has an account.
    private func known(_ tenant: TestTenant) async throws -> OrderID {
        let order = try await tenant.deliveredOrder()
        let demo = DemoOrder(tenant)
        try await demo.post("returns/request", body: ReturnBody.whole("requested"))
        try await tenant.advance(days: 60)
        let ticket = try await tenant.openTicket([
            ("order_id", .string(order.description)), ("subject", "Ada Example called"),
            ("body", "ada@example.com wants an answer."), ("customer_email", "ada@example.com"),
            ("customer_name", "Ada Example"),
        ])
        #expect(ticket.status == 201)
        let (id, now) = (tenant.id.uuid, tenant.server.environment.clock.now())
        for carriersWord: SQL in [
            "UPDATE shipments SET signed_by = 'Ada Example', tracker_said_at = \(now) WHERE tenant_id = \(id)",
            "UPDATE tracking_events SET message = 'Left with Ada Example', place = 'Ada Example' WHERE tenant_id = \(id)",
            """
            UPDATE returns
               SET label_url = 'https://labels.example/Ada Example', decline_reason = 'Ada Example wore it'
             WHERE tenant_id = \(id)
            """,
            "UPDATE orders SET risks = '{\"f\": {\"level\": \"low\", \"reasons\": [\"Ada Example\"], \"hash\": \"\"}}' WHERE tenant_id = \(id)",
            "UPDATE customers SET is_vip = true, vip_since = \(now), vip_reason = 'Ada Example' WHERE tenant_id = \(id)",
        ] {
            let answer = try await tenant.server.database.superuser.execute(carriersWord)
            #expect(answer.affected > 0)
        }
        return order
    }

    @Test func `somebody who asks is told everything, by an owner and within thirty days`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await known(tenant)
        try await DemoOrder(tenant).post("customers/data_request", body: PrivacyBody.dataRequest())
        try await tenant.settle()
        let request = try #require(try await requests(tenant).first)
        #expect(request["kind"] == "customer_data" && request["state"] == "open" && request["completed_at"] == .null)
        let due = try #require(request["due_at"]?.stringValue.flatMap { Instant(rfc3339: $0) })
        let now = tenant.server.environment.clock.now()
        #expect(due > now + .seconds(29 * 86_400) && due <= now + .seconds(30 * 86_400))
        // It names nobody itself.
        #expect(!request.serialized.lowercased().contains("ada"))

        let path = "/v1/privacy-requests/\(request["id"]?.stringValue ?? "")"
        let export = try await tenant.get("\(path)/export")
        #expect(export.status == 200)
        #expect(export["orders"]?[0]?["id"] == .string(order.uuid.uuidString.lowercased()))
        #expect(export["orders"]?[0]?["email"] == "ada@example.com")
        for table in ["customers", "order_lines", "shipments", "returns", "return_lines", "tickets", "ticket_comments"]
        {
            #expect(export[table]?.arrayValue?.isEmpty == false, "\(table)")
        }
        for table in ["messages", "message_requests", "inbound_events", "tracking_events", "facts", "runs"] {
            #expect(export[table]?.arrayValue?.isEmpty == false, "\(table)")
        }
        // Whatever belongs to an order, but what only says what the program and the store's people did with it.
        let keys = ["order_id", "shipment_id", "message_id", "command_id", "return_id", "ticket_id"]
        let kept: [String] = try await tenant.rows(
            """
            SELECT DISTINCT table_name::text
              FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name = ANY (\(keys))
               AND table_name NOT IN ('order_refreshes', 'ticket_events')
            """
        ).decode(String.self)
        for table in kept { #expect(export[table] != nil, "\(table)") }
        #expect(!export.json.serialized.contains("tenant_id"))
        for role in [Role.viewer, .agent, .author, .approver] {
            #expect(try await tenant.get("\(path)/export", as: tenant.signIn(role)).status == 403)
        }

        let done = try await tenant.send("POST", "\(path)/complete")
        #expect(done.status == 200 && done["state"] == "done" && done["completed_at"] != .null)
        #expect(try await tenant.get("\(path)/export").status == 409)
        let left = try await tenant.rows(
            "SELECT subject::text FROM privacy_requests WHERE tenant_id = \(tenant.id.uuid)"
        )
        let subjects: [String?] = try left.map { try $0("subject") }
        #expect(subjects == [nil])
    }

    // domain.md 5, cases 20 and 38.
    @Test func `whoever is erased is nowhere any more, and old webhooks bring nothing back`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await known(tenant)
        let demo = DemoOrder(tenant)
        let other = DemoOrder(tenant, number: 1002)
        try await other.post(
            "orders/create",
            body: CustomerBody.order(77, customer: nil, email: "somebody.else@example.com")
        )
        try await tenant.settle()
        let before = try await everything(tenant)
        for person in ["ada@example.com", "Ada Example", "Too tight."] { #expect(names(before, person), "\(person)") }

        try await demo.post("customers/redact", body: PrivacyBody.redact())
        try await tenant.settle()
        let request = try #require(try await requests(tenant).first)
        #expect(request["state"] == "done" && request["kind"] == "customer_redaction", "\(request)")
        #expect(request["counts"]?["orders"] == 1 && request["counts"]?["tickets"] != 0)
        #expect(request["counts"]?["customers"] != 0 && request["counts"]?["messages"] != 0)
        let gone = try await everything(tenant)
        for person in ["ada@example.com", "Ada Example", "Too tight."] { #expect(!names(gone, person), "\(person)") }
        #expect(names(gone, "somebody.else@example.com"))

        // Old webhooks, delivered once more.
        let late = try JSON(parsing: demo.body("orders/create")).with("updated_at", "2036-01-01T00:00:00Z")
        try await demo.post("orders/updated", body: late.serializedBytes)
        try await demo.post("returns/approve", body: ReturnBody.whole("open"))
        try await tenant.settle()
        let still = try await everything(tenant)
        for person in ["ada@example.com", "Ada Example", "Too tight."] { #expect(!names(still, person), "\(person)") }
        let known = try await tenant.get("/v1/orders/\(order)")
        // The carrier tells who took the parcel in, once more.
        let parcel = known["shipments"]?[0]
        let connection = try await TrackerConnection.make(tenant, .easypost)
        let number = parcel?["tracking_number"]?.stringValue ?? ""
        var signed = ParcelBody.journey(.easypost, tenant.times([3, 2, 1]), number: number)
        signed.carrier = parcel?["carrier"]?.stringValue ?? ""
        signed.signedBy = "Ada Example"
        signed.updatedAt = tenant.ago(days: 0).rfc3339
        let word = try await connection.post(signed)
        try await tenant.settle()
        #expect(try await connection.event(word)["state"] == "applied")
        #expect(!names(try await everything(tenant), "Ada Example"))
        #expect(known["email"] == .null && known["customer_name"] == .null && known["number"] == "#1001")
        #expect(known["as_of"] == "2036-01-01T00:00:00.000Z")
        // What was erased is not read again.
        let event = try #require(
            try await tenant.list("/v1/inbound-events?order_id=\(order)").first?["id"]?.stringValue
        )
        #expect(try await tenant.send("POST", "/v1/inbound-events/\(event)/replay").status == 202)
        try await tenant.settle()
        #expect(try await tenant.get("/v1/inbound-events/\(event)")["reason"] == "redacted")
        // The decisions are still there, and name nobody.
        #expect(try await tenant.list("/v1/runs?order_id=\(order)").isEmpty == false)
    }

    @Test(arguments: [("1071", "ada@example.com"), ("1070", nil)] as [(String, String?)])
    func `an account that the API has made beside the shop's is erased with it, by its id or its address`(
        _ account: String,
        _ email: String?
    ) async throws {
        let tenant = try await TestTenant.make()
        let told = PutBody.order.with("customer_external_id", .string(account))
            .with("email", email.map(JSON.string) ?? JSON.null)
        #expect(try await tenant.put(told, "A-1").status == 201)
        let stranger = told.with("customer_external_id", "2").with("email", "bob@example.com").with(
            "customer_name",
            "Bob"
        )
        #expect(try await tenant.put(stranger, "A-2").status == 201)
        let redact: JSON = ["customer": ["id": 1070, "email": "ADA@example.com"], "orders_to_redact": []]
        try await DemoOrder(tenant).post("customers/redact", body: redact.serializedBytes)
        try await tenant.settle()
        let gone = try await everything(tenant)
        #expect(!names(gone, "ada@example.com") && !names(gone, "Ada Example") && names(gone, "bob@example.com"))
    }

    @Test func `a message that waits to be sent to somebody who is erased never leaves`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let now = tenant.server.environment.clock.now()
        // A mail server that is away has left one waiting.
        let fixture = try #require(
            try await tenant.rows("SELECT id FROM runs WHERE tenant_id = \(tenant.id.uuid) LIMIT 1").first
        )
        let (run, message): (UUID, MessageID) = (try fixture("id"), .new())
        _ = try await tenant.rows(
            """
            INSERT INTO messages (tenant_id, id, store_id, order_id, run_id, effect_key, channel, class, state,
                                  created_at, updated_at)
                 VALUES (\(tenant.id.uuid), \(message.uuid), \(tenant.store.uuid), \(order.uuid), \(run), 'waiting',
                         'email', 'transactional', 'queued', \(now), \(now))
            """
        )
        try await DemoOrder(tenant).post("customers/redact", body: PrivacyBody.redact())
        try await tenant.settle()
        let kept = try await tenant.get("/v1/messages/\(message)")
        #expect(kept["state"] == "expired" && kept["reason"] == "redacted")
    }

    // domain.md 5, Ingest 11.
    @Test func `a shop that has left is erased whole, and one that has come back is not`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await known(tenant)
        let demo = DemoOrder(tenant)
        try await demo.post("shop/redact", body: PrivacyBody.shop)
        try await tenant.settle()
        _ = try await tenant.openTicket([("customer_name", "Nobody Ordered"), ("body", "Nobody Ordered asks.")])
        let refused = try #require(try await requests(tenant).first)
        #expect(refused["state"] == "not_carried_out" && refused["reason"] == "connection_in_use")
        #expect(names(try await everything(tenant), "ada@example.com"))

        try await demo.post("app/uninstalled", body: Array(#"{"id":548380009,"domain":"demo.myshopify.com"}"#.utf8))
        try await tenant.settle()
        try await demo.post("shop/redact", body: PrivacyBody.shop)
        try await tenant.settle()
        let done = try #require(try await requests(tenant).first)
        #expect(done["kind"] == "store_redaction" && done["state"] == "done", "\(done)")
        let gone = try await everything(tenant)
        for person in ["ada@example.com", "Ada Example", "super@supertoys.com", "Nobody Ordered"] {
            #expect(!names(gone, person), "\(person)")
        }
        let left = try await tenant.rows(
            "SELECT count(*) FROM inbound_events WHERE tenant_id = \(tenant.id.uuid) AND body <> ''"
        )
        #expect(try left.decode(Int.self) == [0])
    }

    // MARK: Reading

    @Test func `somebody may have only an address, and orders are ids of any form`() throws {
        let body = #"{"customer":{"email":" Ada@Example.com "},"orders_to_redact":[1,"gid://shopify/Order/2",null]}"#
        let understanding = try Shopify.understand(
            topic: "customers/redact",
            body: Array(body.utf8),
            receivedAt: Instant(seconds: 1)
        )
        let subject = PrivacySubject(email: "ada@example.com", orders: ["1", "2"])
        #expect(understanding == .privacy(PrivacyChange(kind: .customerRedaction, subject: subject)))
        #expect(PrivacySubject(subject.json) == subject)
    }

    @Test(arguments: [
        ("customers/redact", #"{"customer":[]}"#, "unreadable_list:customer"),
        ("customers/redact", #"{"orders_to_redact":{}}"#, "unreadable_list:orders_to_redact"),
        ("customers/data_request", #"{"orders_requested":[{}]}"#, "unreadable_id:orders_requested"),
        ("shop/redact", "{}", "missing_id:shop_id"),
    ])
    func `poison has a name`(_ topic: String, _ body: String, _ reason: String) {
        #expect {
            try Shopify.understand(topic: topic, body: Array(body.utf8), receivedAt: Instant(seconds: 1))
        } throws: { "\($0)" == reason }
    }
}

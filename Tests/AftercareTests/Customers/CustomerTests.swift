import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Customers over real HTTP into a real database: one person across guest and account orders.
@Suite struct `Customers` {
    private func put(_ tenant: TestTenant, _ id: String, email: String?, account: String? = nil) async throws -> JSON {
        let body = PutBody.order.with("email", email.map { .string($0) } ?? .null)
            .with("customer_external_id", account.map { .string($0) } ?? .null)
        let answer = try await tenant.put(body, id)
        guard let order = answer["order"] else { throw Unexpected(answer) }
        return order
    }

    private func events(_ tenant: TestTenant, _ topic: String) async throws -> [JSON?] {
        try await tenant.list("/v1/inbound-events").filter { $0["topic"] == .string(topic) }.map { $0["reason"] }
    }

    // domain.md 5, case 20.
    @Test(arguments: [false, true])
    func `a guest and an account of one address are one person, whichever came first`(_ guestFirst: Bool) async throws {
        let tenant = try await TestTenant.make()
        if guestFirst { _ = try await put(tenant, "A-1", email: "Ada@Example.com") }
        _ = try await put(tenant, "A-2", email: "ada@example.com", account: "C-1")
        if !guestFirst { _ = try await put(tenant, "A-1", email: "Ada@Example.com") }
        _ = try await put(tenant, "A-3", email: "ADA@example.com")
        try await tenant.settle()
        let found = try await tenant.customers("aDa@example.com")
        #expect(found.count == 1 && found.first?["external_id"] == "C-1" && found.first?["source"] == "api")
        #expect(try await tenant.orders(of: found.first) == ["A-1", "A-2", "A-3"])
        for order in try await tenant.list("/v1/orders") { #expect(order["customer_id"] == found.first?["id"]) }
    }

    @Test func `whose order it is is found by the address, also before anybody has counted the customers`() async throws
    {
        let tenant = try await TestTenant.make()
        _ = try await put(tenant, "A-1", email: "ada@example.com")
        _ = try await put(tenant, "A-2", email: "ada@example.com", account: "C-1")
        var values = OrderValues(number: "#1", fulfillment: .fulfilled, lifecycle: .open)
        values.email = "ada@example.com"
        var read = 0
        for account in [nil, "C-1"] {
            values.customer = account
            let held = OrderMirrorStore.Held(id: .new(), tenant: tenant.id, store: tenant.store, state: nil)
            let link = CustomerStore.link(OrderState(values: values), of: held, source: "api", now: tenant.ago(days: 0))
            for statement in link.statements + link.last {
                let plan = try await tenant.plan(of: statement).joined(separator: "\n")
                let indexes = ["customers_by_email", "customers_guest_is_unique", "customers_external_id_is_unique"]
                #expect(!plan.contains("Seq Scan on customers") && !plan.contains("customers_by_store"), "\(plan)")
                guard plan.contains(" on customers") else { continue }
                // Of what is inserted, the conflict names the index.
                #expect(indexes.contains { plan.contains($0) } || plan.contains("Insert on customers"), "\(plan)")
                read += plan.contains("customers_by_email") ? 1 : 0
            }
        }
        // A guest's insert and link.
        #expect(read >= 2)
    }

    // domain.md 5, case 20.
    @Test func `a plus tag, another store and no address at all are other people`() async throws {
        let tenant = try await TestTenant.make()
        let plain = try await put(tenant, "A-1", email: "ada@example.com")
        let tagged = try await put(tenant, "A-2", email: "ada+shop@example.com")
        #expect(plain["customer_id"] != tagged["customer_id"] && plain["customer_id"]?.stringValue != nil)
        #expect(try await put(tenant, "A-3", email: nil)["customer_id"] == .null)
        let other = try await tenant.addStore()
        let elsewhere = try await tenant.put(PutBody.order.with("email", "ada@example.com"), "A-1", store: other)
        #expect(elsewhere["order"]?["customer_id"] != plain["customer_id"])
        #expect(try await tenant.customers("ada@example.com").count == 2)
        #expect(try await tenant.list("/v1/customers?email=ada@example.com&store_id=\(other)").count == 1)
        #expect(try await tenant.orders(of: ["id": plain["customer_id"] ?? .null]) == ["A-1"])
    }

    @Test func `an order whose address changes goes to whom the new one belongs`() async throws {
        let tenant = try await TestTenant.make()
        let before = try await put(tenant, "A-1", email: "old@example.com")
        let body = PutBody.order.with("email", "new@example.com").with("as_of", "2026-05-05T10:00:00Z")
        let after = try await tenant.put(body, "A-1")
        #expect(after["order"]?["customer_id"] != before["customer_id"])
        #expect(try await tenant.orders(of: ["id": before["customer_id"] ?? .null]) == [])
    }

    @Test func `a shop's customer is told in any order, and of one that is deleted nothing is kept`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("customers_email_marketing_consent/update", body: CustomerBody.consent(7, "subscribed"))
        try await demo.post("customers/update", body: CustomerBody.customer(7, email: "new@example.com", minute: 5))
        try await demo.post("customers/create", body: CustomerBody.customer(7, email: "old@example.com"))
        try await tenant.settle()
        let customer = try #require(try await tenant.customers("new@example.com").first)
        #expect(customer["name"] == "Ada Example" && customer["locale"] == "de" && customer["source"] == "shopify")
        #expect(customer["marketing_state"] == "subscribed" && customer["as_of"] == "2026-05-04T12:00:00.000Z")
        #expect(customer["marketing_state_at"] == "2026-05-04T12:00:00.000Z")
        #expect(try await tenant.customers("old@example.com").isEmpty)

        try await demo.post("customers/delete", body: CustomerBody.deletion(7))
        try await demo.post("customers/update", body: CustomerBody.customer(7, email: "new@example.com", minute: 7))
        try await tenant.settle()
        let id = try #require(customer["id"]?.stringValue)
        let deleted = try await tenant.get("/v1/customers/\(id)")
        #expect(deleted["is_deleted"] == true && deleted["email"] == .null && deleted["name"] == .null)
        let row = try await tenant.rows(
            "SELECT email_normalized FROM customers WHERE tenant_id = \(tenant.id.uuid)"
        )
        let kept: [String?] = try row.map { try $0("email_normalized") }
        // Theirs, and one for each address they were told with: the old one only if it came before the new one.
        #expect(kept.allSatisfy { $0 == nil } && (2...3).contains(kept.count))
    }

    // domain.md 5, cases 20 and 35.
    @Test(arguments: [[(2, 1), (1, 9)], [(1, 9), (2, 1)]])
    func `a chain of mergers leads to its end in one step, whichever came first`(_ mergers: [(Int, Int)]) async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for id in [1, 2, 9] {
            try await demo.post(
                "orders/create",
                body: CustomerBody.order(id, customer: id, email: "c\(id)@example.com")
            )
        }
        try await tenant.settle()
        let before = try await tenant.customers("c2@example.com").first
        for merger in mergers {
            try await demo.post("customers/merge", body: CustomerBody.merger(merger.0, into: merger.1))
            try await tenant.settle()
        }
        let kept = try #require(try await tenant.customers("c9@example.com").first)
        #expect(try await tenant.orders(of: kept) == ["1", "2", "9"])
        for order in try await tenant.list("/v1/orders") { #expect(order["customer_id"] == kept["id"]) }
        // The one that is gone leads there for good, and so does what is asked of it.
        let gone = try await tenant.get("/v1/customers/\(before?["id"]?.stringValue ?? "")")
        #expect(gone["merged_into_id"] == kept["id"])
        #expect(try await tenant.orders(of: before) == ["1", "2", "9"])
        #expect(try await tenant.list("/v1/customers").map { $0["id"] } == [kept["id"]])

        // A late order of the account that is gone.
        try await demo.post("orders/create", body: CustomerBody.order(4, customer: 2, email: "c2@example.com"))
        // And back again: that would be a circle.
        try await demo.post("customers/merge", body: CustomerBody.merger(9, into: 2))
        try await demo.post("customers/merge", body: CustomerBody.merger(9, into: 9))
        try await demo.post("customers/merge", body: CustomerBody.merger(9, into: 5, "failed"))
        try await tenant.settle()
        #expect(try await tenant.orders(of: kept) == ["1", "2", "4", "9"])
        #expect(try await tenant.get("/v1/customers/\(kept["id"]?.stringValue ?? "")")["merged_into_id"] == .null)
        let reasons = Set(try await events(tenant, "customers/merge").compactMap { $0?.stringValue })
        #expect(reasons == ["merges_in_circle", "merger_not_completed"])
    }

    @Test func `many orders move over, some at a time`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await put(tenant, "A-0", email: "ada@example.com")
        let guest = try #require(order["customer_id"]?.stringValue.flatMap { CustomerID($0) })
        let ids = (0..<450).map { _ in OrderID.new().uuid }
        let now = tenant.server.environment.clock.now()
        _ = try await tenant.rows(
            """
            INSERT INTO orders (tenant_id, id, store_id, external_id, customer_id, created_at, updated_at)
                 SELECT \(tenant.id.uuid), id, \(tenant.store.uuid), id::text, \(guest.uuid), \(now), \(now)
                   FROM unnest(\(ids)) AS id
            """
        )
        let account = try await put(tenant, "A-1", email: "ada@example.com", account: "C-1")
        try await tenant.settle()
        let rows = try await tenant.rows(
            "SELECT count(*), count(DISTINCT customer_id) FROM orders WHERE tenant_id = \(tenant.id.uuid)"
        )
        let counts = try rows.decode((Int, Int).self)
        #expect(counts.map(\.0) == [452] && counts.map(\.1) == [1])
        #expect(try await tenant.get("/v1/customers/\(guest)")["merged_into_id"] == account["customer_id"])
    }

    @Test func `an agent reads customers, and a key needs the scope`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await put(tenant, "A-1", email: "ada@example.com")
        let path = "/v1/customers/\(order["customer_id"]?.stringValue ?? "")"
        let read = try await tenant.get(path, as: tenant.signIn(.agent))
        #expect(read.status == 200 && read["external_id"] == .null && read["name"] == "Ada Example")
        #expect(try await tenant.get(path, headers: [("If-None-Match", "\"v1\"")]).status == 304)
        #expect(try await tenant.get(path, as: tenant.key([.ordersRead])).status == 403)
        #expect(try await tenant.get("/v1/customers?customer=1").status == 400)
    }
}

import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// From an order to its follow-up, and on to a refund and its notices: over real HTTP, a real database and real files.
@Suite struct RefundNoticeWalkTests {
    /// The messages of an order, the oldest first.
    private func messages(_ tenant: TestTenant, _ order: String) async throws -> [JSON] {
        let list = try await tenant.get("/v1/messages?order_id=\(order)")["data"]?.arrayValue ?? []
        var messages: [JSON] = []
        for message in list.reversed() {
            let id = try #require(message["id"]?.stringValue)
            messages.append(try await tenant.get("/v1/messages/\(id)").json)
        }
        return messages
    }

    private func subjects(_ tenant: TestTenant, _ order: String) async throws -> [String] {
        let toCustomers = try await messages(tenant, order).filter { $0["class"] != "internal" }
        return toCustomers.compactMap { $0["request"]?["subject"]?.stringValue }
    }

    /// `trigger outcome reason` of every run of an order.
    private func runs(_ tenant: TestTenant, _ order: String) async throws -> [String] {
        let runs = try await tenant.get("/v1/runs?order_id=\(order)&limit=100")["data"]?.arrayValue ?? []
        return runs.map { run in
            ["trigger", "outcome", "reason"].map { run[$0]?.stringValue ?? "" }.joined(separator: " ")
        }
    }

    /// The demo's body with its transaction answered by the payment provider.
    private func refund(_ demo: DemoOrder, _ status: String) throws -> [UInt8] {
        let payment = try JSON(parsing: demo.body("order_transactions/create")).with("status", .string(status))
        return try JSON(parsing: demo.body("refunds/create")).with("transactions", [payment]).serializedBytes
    }

    @Test func `an order is delivered and followed up, then refunded, and each step of the money is told once`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)

        // Created, fulfilled, delivered; days pass.
        for topic in DemoOrder.topics { #expect(try await demo.post(topic).status == 200) }
        try await tenant.settle()
        let order = try #require(try await demo.order()["id"]?.stringValue)
        try await tenant.advance(days: 4)
        #expect(try await subjects(tenant, order) == ["Your order #1001: is everything all right?"])

        // The shop records a refund: the customer is told, and that the money has not been sent.
        #expect(try await demo.post("refunds/create").status == 200)
        try await tenant.settle()
        let recorded = try #require(try await messages(tenant, order).last)
        #expect(recorded["request"]?["subject"] == "We have recorded your refund of EUR 19.90 for order #1001")
        #expect(recorded["request"]?["body"]?.stringValue?.contains("has not confirmed yet") == true)
        #expect(recorded["class"] == "transactional" && recorded["state"] == "accepted")

        // The payment provider answers: now it is told that the money was sent.
        #expect(try await demo.post("order_transactions/create").status == 200)
        try await tenant.settle()
        let sent = try #require(try await messages(tenant, order).last)
        #expect(sent["request"]?["subject"] == "Your refund of EUR 19.90 for order #1001 was sent")
        let id = try #require(sent["id"]?.stringValue)
        let mail = try String(contentsOfFile: "\(tenant.server.mailDirectory)/\(id).eml", encoding: .utf8)
        #expect(mail.contains("ada@example.com") && mail.contains("EUR 19.90"))

        // Had the first notice still waited for a mail server, it would not leave any more.
        let first = try #require(recorded["id"]?.stringValue.flatMap { MessageID($0) })
        let row = try await tenant.rows(MessageStore.message(first, tenant: tenant.id)).first
        let circumstances = try await tenant.rows(MessageStore.circumstances(first, tenant: tenant.id)).first
        let question = try MessageStore.decodeQuestion(
            #require(circumstances),
            about: MessageStore.decode(#require(row)),
            now: tenant.server.environment.clock.now()
        )
        #expect(question.refundState == .succeeded && decideToSend(question) == .drop(.superseded))

        // It is not late: what was scheduled for that case declines when it falls due, and says why.
        try await tenant.advance(days: 30)
        #expect(try await messages(tenant, order).count == 3)
        let runs = try await runs(tenant, order)
        // The two of one fact are decided together.
        #expect(
            runs.sorted() == [
                "fact:delivered acted scheduled", "fact:refund_recorded acted scheduled",
                "fact:refund_recorded acted triggered", "fact:refund_succeeded acted triggered",
                "schedule:follow_up acted due", "schedule:refund_delayed declined superseded",
            ]
        )
        #expect(runs.first == "schedule:refund_delayed declined superseded")
    }

    // The rule that notices collapse to the latest.
    @Test func `a refund whose money has moved when it is first told gets one mail, and the runs say why`() async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await tenant.settle()
        try await demo.post("refunds/create", body: refund(demo, "success"))
        try await tenant.settle()
        try await tenant.advance(days: 30)
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await subjects(tenant, order) == ["Your refund of EUR 19.90 for order #1001 was sent"])
        #expect(
            try await runs(tenant, order).sorted() == [
                "fact:refund_recorded declined superseded", "fact:refund_recorded declined superseded",
                "fact:refund_succeeded acted triggered",
            ]
        )
    }

    @Test func `a refund that is refused is told to the customer and to a person`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        try await demo.post("refunds/create", body: refund(demo, "failure"))
        try await tenant.settle()
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await subjects(tenant, order) == ["Your refund of EUR 19.90 for order #1001 could not be sent yet"])
        // The mail says that a person looks at it: here is what they look at.
        let tickets = try await tenant.get("/v1/tickets?order_id=\(order)")["data"]?.arrayValue ?? []
        #expect(tickets.map { $0["kind"] } == ["refund_failed"])
    }

    @Test func `a refund that does not move is told as late, on what is known then`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await demo.post("refunds/create")
        try await tenant.settle()
        try await tenant.advance(days: 30)
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(
            try await subjects(tenant, order) == [
                "We have recorded your refund of EUR 19.90 for order #1001",
                "Your refund of EUR 19.90 for order #1001 takes longer than usual",
            ]
        )
        let tickets = try await tenant.get("/v1/tickets?order_id=\(order)")["data"]?.arrayValue ?? []
        #expect(tickets.map { $0["kind"] } == ["refund_delayed"])
        // What was known is kept with the decision: the amount and the state, and nobody's name.
        let newest = try #require(try await tenant.get("/v1/runs?order_id=\(order)")["data"]?[0]?["id"]?.stringValue)
        let facts = try await tenant.get("/v1/runs/\(newest)")["facts"]
        let refund = facts?["order"]?["refunds"]?[0]
        #expect(refund?["state"] == "pending" && refund?["amount"] == ["amount": 1990, "currency": "EUR"])
        #expect(facts?.serialized.contains("Ada") == false)
    }

    @Test func `an order whose money all went back meanwhile gets no follow-up`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await tenant.settle()
        let now = tenant.server.environment.clock.now().rfc3339.json
        let refunded = try JSON(parsing: demo.body("orders/create"))
            .with("financial_status", "refunded").with("updated_at", now)
            .with("refunds", [try JSON(parsing: refund(demo, "success"))])
        try await demo.post("orders/updated", body: refunded.serializedBytes)
        try await tenant.settle()
        try await tenant.advance(days: 60)
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await subjects(tenant, order) == ["Your refund of EUR 19.90 for order #1001 was sent"])
        #expect(try await runs(tenant, order).first == "schedule:follow_up declined order_refunded")
    }

    // domain.md 5, Ingest 1; a shop that was connected just now.
    @Test func `a refund that comes before its order is told once the order is known`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("refunds/create")
        try await tenant.settle()
        #expect(try await tenant.get("/v1/messages")["data"] == [])
        try await demo.post("orders/create")
        try await tenant.settle()
        try await tenant.advance(days: 1)
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await subjects(tenant, order) == ["We have recorded your refund of EUR 19.90 for order #1001"])
        #expect(try await runs(tenant, order).first == "schedule:refund_recorded acted due")
    }

    // domain.md 4, pain 3; domain.md 5, case 25.
    @Test func `a refund of long ago that is told now is no news, and nobody is written to`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await tenant.settle()
        var old = String(decoding: try refund(demo, "success"), as: UTF8.self)
        let today = Zone.utc.local(at: tenant.server.environment.clock.now()).date
        old = old.replacing("\(today.adding(days: -1))", with: "\(today.adding(days: -40))")
        try await demo.post("refunds/create", body: Array(old.utf8))
        try await tenant.settle()
        #expect(try await tenant.get("/v1/messages")["data"] == [])
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(Set(try await runs(tenant, order)).contains("fact:refund_succeeded declined expired"))
    }

    // domain.md 5, case 24.
    @Test func `a second refund is told as well, and the same webhook again is not`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await tenant.settle()
        let first = try demo.body("refunds/create")
        let text = String(decoding: first, as: UTF8.self)
        let second = text.replacing("9107199254741031001", with: "9107199254741031002")
            .replacing("9107199254741051001", with: "9107199254741051002").replacing("\"19.90\"", with: "\"15.00\"")
        for body in [first, Array(second.utf8), first, Array(second.utf8)] {
            try await demo.post("refunds/create", body: body)
            try await tenant.settle()
        }
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(
            try await subjects(tenant, order) == [
                "We have recorded your refund of EUR 19.90 for order #1001",
                "We have recorded your refund of EUR 15.00 for order #1001",
            ]
        )
    }
}

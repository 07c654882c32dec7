import Foundation
import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Disputes over real HTTP into a real database: what they hold back, and who is told.
@Suite struct `Disputes` {
    private func mirrored(_ tenant: TestTenant) async throws -> JSON {
        let disputes = try await tenant.list("/v1/disputes")
        #expect(disputes.count == 1)
        return try #require(disputes.first)
    }

    /// What became of the messages to customers: the store's people have mails of their own.
    private func sent(_ tenant: TestTenant) async throws -> [JSON?] {
        try await tenant.list("/v1/messages").filter { $0["class"] != "internal" }.map { $0["state"] }
    }

    private func runs(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.list("/v1/runs").filter { $0["trigger"] == "schedule:follow_up" }
            .compactMap { $0["reason"]?.stringValue }
    }

    // domain.md 5, case 14.
    @Test func `while a payment is disputed no follow-up goes out, whatever becomes of its ticket`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        try await DemoOrder(tenant).post("disputes/create", body: DisputeBody.webhook("needs_response"))
        try await tenant.settle()
        // Its ticket is closed: it is the dispute that holds it back.
        for ticket in try await tenant.list("/v1/tickets?order_id=\(order)") {
            let id = try #require(ticket["id"]?.stringValue)
            #expect(try await tenant.send("POST", "/v1/tickets/\(id)/close", [:]).status == 200)
        }
        try await tenant.advance(days: 60)
        #expect(try await runs(tenant) == ["dispute_open"])
        #expect(try await sent(tenant) == [])
        let run = try #require(try await tenant.list("/v1/runs").first?["id"]?.stringValue)
        let facts = try await tenant.get("/v1/runs/\(run)")["facts"]
        #expect(facts?["order"]?["open_disputes"] == [.string(DisputeBody.id)])
    }

    // domain.md 5, case 14.
    @Test func `once it is won, follow-ups go out again`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let demo = DemoOrder(tenant)
        try await demo.post("disputes/create", body: DisputeBody.webhook("needs_response"))
        try await tenant.settle()
        try await demo.post("disputes/update", body: DisputeBody.webhook("won"))
        try await tenant.settle()
        let dispute = try await mirrored(tenant)
        #expect(dispute["status"] == "won" && dispute["is_open"] == false && dispute["closed_at"] != .null)
        for ticket in try await tenant.list("/v1/tickets?order_id=\(order)") {
            _ = try await tenant.send("POST", "/v1/tickets/\(ticket["id"]?.stringValue ?? "")/close", [:])
        }
        try await tenant.advance(days: 60)
        #expect(try await runs(tenant) == ["due"])
        #expect(try await sent(tenant) == ["accepted"])
        let story = try await tenant.list("/v1/orders/\(order)/timeline").compactMap { $0["summary"]?.stringValue }
        let told = ["Dispute \(DisputeBody.id) was opened.", "Dispute \(DisputeBody.id) is over."]
        #expect(told.allSatisfy(story.contains))
    }

    // domain.md 5, case 14.
    @Test func `it opens one ticket, which says by when evidence is due and when that has passed`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        _ = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": "people@shop.example"])
        try await demo.post("orders/create")
        try await tenant.settle()
        let now = tenant.server.environment.clock.now()
        let ahead = (now + .seconds(86_400)).rfc3339
        for _ in 0..<2 {
            try await demo.post("disputes/create", body: DisputeBody.webhook("needs_response", due: ahead))
        }
        try await tenant.settle()
        let tickets = try await tenant.list("/v1/tickets")
        #expect(tickets.count == 1)
        let ticket = try #require(tickets.first)
        #expect(ticket["kind"] == "charge_dispute" && ticket["state"] == "open" && ticket["priority"] == "high")
        #expect(ticket["opened_by"]?.stringValue?.hasPrefix("dsp_") == true && ticket["run_id"] == .null)
        #expect(ticket["order_id"]?.stringValue != nil && ticket["notification"] == "mailed")
        let first = try await tenant.ticket(ticket["id"])["comments"]?.arrayValue ?? []
        #expect(first.count == 1)
        let text = first.first?["body"]?.stringValue ?? ""
        #expect(text.contains("EUR 11.50") && text.contains("fraudulent") && text.contains("Evidence is due by"))

        // The mail to the store's people comes from no decision.
        let mail = try #require(ticket["notification_message_id"]?.stringValue)
        let message = try await tenant.get("/v1/messages/\(mail)")
        #expect(message["class"] == "internal" && message["run_id"] == .null && message["state"] == "accepted")

        // The time for evidence has passed.
        let past = (now - .seconds(60)).rfc3339
        try await demo.post("disputes/update", body: DisputeBody.webhook("under_review", due: past))
        try await tenant.settle()
        let comments = try await tenant.ticket(ticket["id"])["comments"]?.arrayValue ?? []
        #expect(comments.count == 2)
        #expect(comments.contains { $0["body"]?.stringValue?.contains("The time to send evidence ended on") == true })
    }

    @Test func `a dispute without an order is kept, told to people, and finds its order later`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": "people@shop.example"])
        let demo = DemoOrder(tenant)
        try await demo.post("disputes/create", body: DisputeBody.webhook("needs_response", order: nil))
        try await tenant.settle()
        #expect(try await mirrored(tenant)["order_id"] == .null)
        let ticket = try #require(try await tenant.list("/v1/tickets").first)
        #expect(ticket["order_id"] == .null && ticket["notification"] == "mailed")
        #expect(try await tenant.list("/v1/messages").map { $0["state"] } == ["accepted"])
        #expect(try await tenant.list("/v1/orders").isEmpty)

        try await demo.post("disputes/update", body: DisputeBody.webhook("under_review"))
        try await tenant.settle()
        let dispute = try await mirrored(tenant)
        let order = try #require(dispute["order_id"]?.stringValue)
        #expect(try await tenant.get("/v1/orders/\(order)")["is_complete"] == false)
        #expect(try await tenant.list("/v1/disputes?order_id=\(order)").count == 1)
        #expect(try await tenant.list("/v1/disputes?status=under_review&store_id=\(tenant.store)").count == 1)
        #expect(try await tenant.list("/v1/disputes?status=lost").isEmpty)
        #expect(try await tenant.list("/v1/tickets").count == 1)
    }

    @Test func `other shops put theirs: whole, by their own time`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.put(PutBody.order)
        let named = DisputeBody.put.with("order_external_id", "A-1")
        let made = try await tenant.putDispute(named)
        #expect(made.status == 201 && made["outcome"] == "created", "\(made.json)")
        #expect(made["dispute"]?["is_open"] == true && made["dispute"]?["amount"]?["amount"] == 1150)
        let again = try await tenant.putDispute(named)
        #expect(again["outcome"] == "unchanged" && again["dispute"] == made["dispute"])
        let lost = named.with("as_of", "2026-05-09T10:00:00Z").with("status", "lost").with("reason", nil)
        let updated = try await tenant.putDispute(lost)
        #expect(updated["outcome"] == "updated" && updated["dispute"]?["reason"] == .null)
        #expect(updated["dispute"]?["closed_at"] == "2026-05-09T10:00:00.000Z")
        #expect(try await tenant.putDispute(named)["outcome"] == "stale")
        let other = try await tenant.putDispute(lost.with("order_external_id", "A-2"))
        #expect(other.status == 422 && other["errors"]?[0]?["pointer"] == "#/order_external_id")
        let wrong = try await tenant.putDispute(["as_of": 1, "type": "duel", "status": nil, "colour": "red"])
        let pointers = Set(wrong["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? [])
        #expect(pointers == ["#/as_of", "#/type", "#/status", "#/colour"])
        let kinds = try await tenant.rows(
            "SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) AND kind LIKE 'dispute%' ORDER BY kind"
        )
        #expect(try kinds.decode(String.self) == ["dispute_closed", "dispute_opened"])
    }

    @Test func `history opens no workflow, and an open dispute needs a person all the same`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.putDispute(DisputeBody.put.with("order_external_id", "A-1").with("historical", true))
        try await tenant.settle()
        #expect(try await tenant.list("/v1/orders").first?["historical"] == true)
        #expect(try await tenant.list("/v1/tickets").count == 1)
        #expect(try await tenant.list("/v1/runs").isEmpty)
    }
}

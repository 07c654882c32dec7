import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// A person is at work on an order, or has to be: over real HTTP, a real database and real files.
@Suite struct PersonTakesOverTests {
    private func runs(_ tenant: TestTenant, of order: OrderID) async throws -> [JSON] {
        try await tenant.list("/v1/runs?order_id=\(order)")
    }

    private func makePaymentUnknown(_ tenant: TestTenant) async throws {
        let demo = DemoOrder(tenant)
        let now = tenant.server.environment.clock.now().rfc3339.json
        let changed = try JSON(parsing: demo.body("orders/create")).with("financial_status", "quantum")
            .with("updated_at", now)
        try await demo.post("orders/updated", body: changed.serializedBytes)
        try await tenant.settle()
        #expect(try await demo.order()["financial_status"] == "unknown")
    }

    @Test func `a follow-up that falls due while a ticket is open is declined by name`() async throws {
        let tenant = try await TestTenant.make()
        let (order, other) = (try await tenant.deliveredOrder(), try await tenant.deliveredOrder(1002))
        let opened = try await tenant.openTicket([("order_id", .string(order.description)), ("kind", "damaged_goods")])
        _ = try await tenant.send("PATCH", opened.header("Location") ?? "", ["state": "pending"])
        try await tenant.advance(days: 60)
        let run = try #require(try await runs(tenant, of: order).first)
        #expect(run["outcome"] == "declined" && run["reason"] == "ticket_open")
        let whole = try await tenant.get("/v1/runs/\(run["id"]?.stringValue ?? "")")
        #expect(whole["facts"]?["order"]?["open_tickets"] == ["damaged_goods"])
        #expect(try await tenant.list("/v1/messages?order_id=\(order)") == [])
        // The ticket is about one order, and the other one has its follow-up.
        #expect(try await tenant.list("/v1/messages?order_id=\(other)").count == 1)
    }

    @Test func `a ticket that is closed before lets the follow-up go`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let opened = try await tenant.openTicket([("order_id", .string(order.description))])
        #expect(try await tenant.send("POST", "\(opened.header("Location") ?? "")/close", [:]).status == 200)
        try await tenant.advance(days: 60)
        #expect(try await runs(tenant, of: order).first?["reason"] == "due")
        #expect(try await tenant.list("/v1/messages?order_id=\(order)").map { $0["state"] } == ["accepted"])
    }

    /// Edge case 8: a word the shop uses and we do not know.
    @Test func `what cannot be decided is declined, and a person is told why`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        try await makePaymentUnknown(tenant)
        try await tenant.advance(days: 60)

        let run = try #require(try await runs(tenant, of: order).first)
        #expect(run["outcome"] == "declined" && run["reason"] == "payment_status_unknown")
        let id = try #require(run["id"]?.stringValue)
        let effects = try await tenant.get("/v1/runs/\(id)")["plan"]?["effects"]
        #expect(effects == [["kind": "escalate", "ticket_kind": "unknown_order_data", "about": "order"]])

        let listed = try await tenant.list("/v1/tickets?order_id=\(order)&state=open")
        #expect(listed.count == 1)
        let ticket = try await tenant.ticket(listed.first?["id"])
        #expect(ticket["kind"] == "unknown_order_data" && ticket["notification"] == "mailed")
        #expect(ticket["run_id"]?.stringValue == id && ticket["opened_by"]?.stringValue == id)
        let summary = try #require(ticket["comments"]?[0]?["body"]?.stringValue)
        for part in ["#1001", "as of ", "(Europe/Berlin)", "Payment: unknown", "payment_status_unknown", id] {
            #expect(summary.contains(part), "\(part): \(summary)")
        }
        let mails = try await tenant.list("/v1/messages?order_id=\(order)")
        #expect(mails.map { $0["class"] } == ["internal"] && mails.first?["state"] == "accepted")
        let file = "\(tenant.server.mailDirectory)/\(mails.first?["id"]?.stringValue ?? "").eml"
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("To: <care@demo.example>"))
    }

    @Test func `a workflow in shadow opens no ticket`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        try await makePaymentUnknown(tenant)
        _ = try await tenant.rows("UPDATE workflows SET rollout = 'shadow' WHERE tenant_id = \(tenant.id.uuid)")
        try await tenant.advance(days: 60)
        #expect(try await runs(tenant, of: order).first?["reason"] == "payment_status_unknown")
        #expect(try await tenant.list("/v1/tickets") == [])
        #expect(try await tenant.list("/v1/messages") == [])
    }
}

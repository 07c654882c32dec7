import Foundation
import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// Customers that other shops put, and who is a VIP.
@Suite struct `Customers that are put` {
    @Test func `an account is told in parts, each by its own time`() async throws {
        let tenant = try await TestTenant.make()
        let made = try await tenant.putCustomer(PartBody.customer)
        #expect(made.status == 201 && made["outcome"] == "created", "\(made.json)")
        let id = try #require(made["customer"]?["id"]?.stringValue)
        #expect(made.header("Location") == "/v1/customers/\(id)" && made["customer"]?["source"] == "api")
        #expect(try await tenant.putCustomer(PartBody.customer)["outcome"] == "unchanged")
        let vip: JSON = ["as_of": "2026-05-05T10:00:00Z", "is_vip": true, "vip_reason": "Gold"]
        let flagged = try await tenant.putCustomer(vip)
        #expect(flagged["outcome"] == "updated" && flagged["customer"]?["is_vip"] == true)
        #expect(flagged["customer"]?["vip_since"] == "2026-05-05T10:00:00.000Z")
        #expect(flagged["customer"]?["email"] == "ada@example.com" && flagged["customer"]?["vip_reason"] == "Gold")
        let late: JSON = ["as_of": "2026-05-04T12:00:00Z", "is_vip": false]
        #expect(try await tenant.putCustomer(late)["outcome"] == "stale")
        let ended = try await tenant.putCustomer(["as_of": "2026-05-06T10:00:00Z", "is_vip": false])
        #expect(ended["customer"]?["is_vip"] == false && ended["customer"]?["vip_reason"] == .null)
        #expect(try await tenant.get("/v1/customers/\(id)")["version"] == 3)
    }

    @Test func `everything wrong is said at once, and only who may writes`() async throws {
        let tenant = try await TestTenant.make()
        let wrong = try await tenant.putCustomer([
            "email": "nobody", "is_vip": false, "vip_since": "2026-05-05T10:00:00Z", "vip_reason": "x",
            "marketing_state_raw": "y", "colour": "red",
        ])
        #expect(
            Set(wrong.pointers) == [
                "#/as_of", "#/email", "#/vip_since", "#/vip_reason", "#/marketing_state_raw", "#/colour",
            ],
            "\(wrong.json)"
        )
        let ahead = (tenant.server.environment.clock.now() + .seconds(100_000)).rfc3339
        #expect(try await tenant.putCustomer(["as_of": .string(ahead)]).pointers == ["#/as_of"])
        #expect(try await tenant.list("/v1/customers").isEmpty)
        let stranger = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/customers/by-external-id/C-1"
        #expect(try await stranger.send("PUT", path, PartBody.customer).status == 404)
        let key = try await tenant.key([.ordersWrite, .customersRead])
        #expect(try await tenant.send("PUT", path, PartBody.customer, as: key).code == "insufficient_scope")
        #expect(try await tenant.send("PUT", path, PartBody.customer, headers: [("If-Match", "*")]).status == 412)
    }

    @Test func `whoever takes a ticket of a VIP's sees it, and the mail says so`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": "people@shop.example"])
        _ = try await tenant.put(PutBody.order)
        let customer = try #require(try await tenant.list("/v1/customers").first?["id"]?.stringValue)
        let path = "/v1/customers/\(customer)"
        let flagged = try await tenant.send("PATCH", path, ["is_vip": true, "vip_reason": "The mayor"])
        #expect(flagged.status == 200 && flagged["is_vip"] == true && flagged["vip_since"] != .null)
        // The same again is nothing new.
        #expect(try await tenant.send("PATCH", path, ["is_vip": true])["version"] == flagged["version"])
        _ = try await tenant.putDispute(DisputeBody.put.with("order_external_id", "A-1"))
        try await tenant.settle()
        let ticket = try await tenant.ticket(try await tenant.list("/v1/tickets").first?["id"])
        #expect(ticket["customer_is_vip"] == true && ticket["order_risk_level"] == .null)
        let mails = try await tenant.rows("SELECT body FROM message_requests WHERE tenant_id = \(tenant.id.uuid)")
        #expect(try mails.decode(String.self).contains { $0.contains("The customer is a VIP.") })
        let ended = try await tenant.send("PATCH", path, ["is_vip": false])
        #expect(ended["is_vip"] == false && ended["vip_since"] == .null && ended["vip_reason"] == .null)
        let wrong = try await tenant.send("PATCH", path, ["is_vip": false, "vip_reason": "x", "email": "a@b.example"])
        #expect(Set(wrong.pointers) == ["#/vip_reason", "#/email"])
        #expect(try await tenant.send("PATCH", path, [:]).pointers == ["#/is_vip"])
        #expect(try await tenant.send("PATCH", "/v1/customers/\(CustomerID.new())", ["is_vip": true]).status == 404)
    }

    @Test func `a VIP with an account is one also for what they ordered as a guest`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.put(PutBody.order)
        _ = try await tenant.putCustomer(PartBody.customer.with("is_vip", true))
        try await tenant.settle()
        _ = try await tenant.putDispute(DisputeBody.put.with("order_external_id", "A-1"))
        try await tenant.settle()
        let ticket = try await tenant.ticket(try await tenant.list("/v1/tickets").first?["id"])
        #expect(ticket["customer_is_vip"] == true)
    }
}

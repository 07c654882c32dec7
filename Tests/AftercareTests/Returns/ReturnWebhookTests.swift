import JSON
import Testing
import Time

@testable import Aftercare

/// Returns over real HTTP into a real database.
@Suite struct `Return webhooks` {
    /// The tenant's one return as the API shows it, with its lines.
    private func mirrored(_ tenant: TestTenant) async throws -> Answer {
        let page = try await tenant.list("/v1/returns")
        #expect(page.count == 1)
        return try await tenant.get("/v1/returns/\(try #require(page.first?["id"]?.stringValue))")
    }

    // domain.md 5, Ingest 1, 2 and 4. The label's webhook names no order, and comes first as often as not.
    @Test func `in any order and twice they end in one return, whose order is known`() async throws {
        let start = Instant(seconds: 1_780_000_000)
        let events: [(topic: String, body: [UInt8])] = [
            ("returns/request", ReturnBody.whole("requested")), ("returns/approve", ReturnBody.whole("open")),
            ("reverse_deliveries/attach_deliverable", ReturnBody.label()),
        ]
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let tenant = try await TestTenant.make()
            let demo = DemoOrder(tenant)
            for index in order + order.reversed() {
                let sentAt = start + .seconds(index * 60)
                try await demo.post(events[index].topic, body: events[index].body, triggeredAt: sentAt)
                try await tenant.settle()
            }
            let known = try await mirrored(tenant)
            #expect(known["state"] == "label_issued" && known["reported_state"] == "approved", "\(order)")
            #expect(known["state_raw"] == "open" && known["tracking_number"] == "T-9" && known["name"] == "#1001-R1")
            #expect(known["requested_at"] == .string(start.rfc3339) && known["announced_quantity"] == 3)
            #expect(known["approved_at"] == .string((start + .seconds(60)).rfc3339))
            #expect(known["lines"]?[0]?["reason"] == "size_too_small" && known["lines"]?.arrayValue?.count == 1)
            let id = try #require(known["order_id"]?.stringValue)
            let mirrored = try await tenant.get("/v1/orders/\(id)")
            #expect(mirrored["external_id"] == .string(ReturnBody.order) && mirrored["is_complete"] == false)
            #expect(mirrored["return_status"] == "in_progress")
            let facts = ["return_approved \(ReturnBody.id)", "return_requested \(ReturnBody.id)"]
            #expect(try await tenant.returnFacts() == facts)
        }
    }

    @Test func `what names no order waits for a body that does, and raises nothing until then`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("returns/close", body: ReturnBody.bare("closed"))
        try await tenant.settle()
        #expect(try await mirrored(tenant)["order_id"] == .null)
        #expect(try await tenant.returnFacts() == [])
        #expect(try await tenant.list("/v1/orders").isEmpty)
        let late = Instant(seconds: 1_780_000_000)
        try await demo.post("returns/approve", body: ReturnBody.whole("open"), triggeredAt: late)
        try await tenant.settle()
        let known = try await mirrored(tenant)
        #expect(known["state"] == "resolved" && known["order_id"]?.stringValue != nil)
        let facts = ["return_approved \(ReturnBody.id)", "return_closed \(ReturnBody.id)"]
        #expect(try await tenant.returnFacts() == facts)
    }

    @Test func `the order tells of it: its axis, its list of returns, its story`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/create")
        try await demo.post("returns/request", body: ReturnBody.whole("requested"))
        try await tenant.settle()
        let order = try #require(try await demo.order()["id"]?.stringValue)
        #expect(try await tenant.get("/v1/orders/\(order)")["return_status"] == "requested")
        #expect(try await tenant.list("/v1/returns?order_id=\(order)").count == 1)
        #expect(try await tenant.list("/v1/returns?state=requested&store_id=\(tenant.store)").count == 1)
        #expect(try await tenant.list("/v1/returns?state=resolved").isEmpty)
        #expect(try await tenant.get("/v1/returns?state=none").status == 400)
        let story = try await tenant.list("/v1/orders/\(order)/timeline").compactMap { $0["summary"]?.stringValue }
        #expect(story.contains("Return \(ReturnBody.id) was requested."))

        // The order's own body says nothing of returns, and takes none back.
        try await demo.post("orders/updated", body: demo.body("orders/create"))
        try await demo.post("returns/decline", body: ReturnBody.bare("declined"))
        try await tenant.settle()
        #expect(try await tenant.get("/v1/orders/\(order)")["return_status"] == "none")
    }

    // domain.md 5, Ingest 8.
    @Test func `a status nobody knows is unknown in the return and in the order`() async throws {
        let tenant = try await TestTenant.make()
        try await DemoOrder(tenant).post("returns/request", body: ReturnBody.whole("teleported"))
        try await tenant.settle()
        let known = try await mirrored(tenant)
        #expect(known["state"] == "unknown" && known["state_raw"] == "teleported")
        let order = try #require(known["order_id"]?.stringValue)
        #expect(try await tenant.get("/v1/orders/\(order)")["return_status"] == "unknown")
        let tickets = try await tenant.list("/v1/tickets?order_id=\(order)")
        #expect(tickets.count == 1 && tickets.first?["kind"] == "unknown_order_data")
    }

    @Test func `nothing of it is applied while the connection is not in use`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.send("PATCH", "/v1/connections/\(tenant.demo.connection)", ["state": "disabled"])
        try await DemoOrder(tenant).post("returns/request", body: ReturnBody.whole("requested"))
        try await tenant.settle()
        #expect(try await tenant.list("/v1/inbound-events").first?["reason"] == "connection_disabled")
        #expect(try await tenant.list("/v1/returns").isEmpty)
    }
}

import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Carriers' webhooks through the whole program. Over real HTTP.
@Suite(.timeLimit(.minutes(2))) struct TrackingWebhookTests {
    @Test(arguments: Connection.Provider.trackers)
    func `a delivery told by a carrier is seen, told in the timeline, and followed up`(
        _ provider: Connection.Provider
    ) async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, provider)
        try await tenant.putOrder("A-1", numbers: [("P-1", "94-00 1")], placedAt: tenant.ago(days: 4))
        let scans = tenant.times([3, 2, 1])
        var body = ParcelBody.journey(provider, scans, number: "94001")
        body.signedBy = "A. Lovelace"
        body.estimate = "2026-05-07"
        body.updatedAt = tenant.ago(days: 0).rfc3339
        let answer = try await connection.post(body)
        #expect(answer.status == 200)
        try await tenant.settle()
        let event = try await connection.event(answer)
        #expect(event["state"] == "applied" && event["topic"] == "")

        let order = try await tenant.order("A-1")
        #expect(event["order_id"] == order["id"])
        let shipment = try #require(order["shipments"]?[0])
        #expect(shipment["status"] == "delivered" && shipment["delivered_at"]?.stringValue == scans[2])
        #expect(shipment["estimated_delivery"] == "2026-05-07")
        #expect(shipment["signed_by"] == (provider == .shippo ? .null : "A. Lovelace"))
        let events = shipment["events"]?.arrayValue ?? []
        #expect(events.map { $0["status"] } == ["label_created", "in_transit", "delivered"])
        #expect(events.allSatisfy { $0["precision"] == "exact" && $0["local_time"] == .null })
        #expect(events.first?["place"]?.stringValue?.uppercased().hasPrefix("HOUSTON") == true)

        let timeline = try await tenant.list("/v1/orders/\(order["id"]?.stringValue ?? "")/timeline")
        #expect(timeline.count { $0["type"] == "tracking_event" } == 3)
        #expect(timeline.contains { $0["summary"] == "A tracking provider sent word; it was applied." })
        #expect(timeline.contains { $0["type"] == "fact" && $0["kind"] == "delivered" })
        let runs = try await tenant.list("/v1/runs").filter { $0["trigger"] == "fact:delivered" }
        #expect(runs.map { $0["reason"] } == ["scheduled"])
        #expect(try await tenant.list("/v1/tickets") == [])

        // Again, with another delivery's bytes: nothing new.
        let version = order["version"]
        body.updatedAt = body.updatedAt.replacing("Z", with: "+00:00")
        try await connection.post(body)
        try await tenant.settle()
        #expect(try await tenant.order("A-1")["version"] == version)
        #expect(try await tenant.facts(of: "A-1").filter { $0 == "delivered P-1" }.count == 1)
    }

    @Test func `what a carrier tells before the shop waits for it, and reaches every order with that number`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        let early = try await connection.post(.journey(.easypost, tenant.times([3, 2]), number: "N 1"))
        let foreign = try await connection.post(.journey(.easypost, tenant.times([3, 2]), number: "N 2"))
        try await tenant.settle()
        #expect(try await connection.event(early)["reason"] == "no_shipment_with_that_number")
        try await tenant.putOrder("A-1", numbers: [("P-1", "n-1")], placedAt: tenant.ago(days: 4))
        try await tenant.settle()
        let shipment = try await tenant.order("A-1")["shipments"]?[0]
        #expect(shipment?["status"] == "in_transit" && shipment?["events"]?.arrayValue?.count == 2)

        // One parcel, two orders.
        try await tenant.putOrder("A-2", numbers: [("P-9", "N1")], placedAt: tenant.ago(days: 3))
        try await tenant.settle()
        let answer = try await connection.post(.journey(.easypost, tenant.times([3, 2, 1]), number: "N1"))
        try await tenant.settle()
        #expect(try await connection.event(answer)["state"] == "applied")
        for (order, parcel) in [("A-1", "P-1"), ("A-2", "P-9")] {
            #expect(try await tenant.order(order)["shipments"]?[0]?["status"] == "delivered")
            #expect(try await tenant.facts(of: order).contains("delivered \(parcel)"))
        }
        // domain.md 5, Ingest 7: a parcel with that number in another store of the tenant is another's.
        let store = try await tenant.addStore()
        let order = PutBody.order.with("placed_at", .string(tenant.ago(days: 4).rfc3339))
            .with("as_of", .string(tenant.ago(days: 1).rfc3339))
        #expect(
            try await tenant.put(
                order.with("shipments", [["external_id": "P", "tracking_number": "N1"]]),
                store: store
            ).status == 201
        )
        try await tenant.settle()
        let theirs = try await tenant.get("/v1/stores/\(store)/orders/by-external-id/A-1")
        #expect(theirs["shipments"]?[0]?["status"] == "unknown")
        // The other number's are about neither. Another carrier's parcel, and another season's, are not either.
        #expect(try await connection.event(foreign)["state"] == "ignored")
        var other = ParcelBody.journey(.easypost, tenant.times([3, 2]), number: "N1")
        other.carrier = "Royal Mail"
        var old = ParcelBody.journey(.easypost, tenant.times([303, 302]), number: "N1")
        old.updatedAt = tenant.ago(days: 300).rfc3339
        old.carrier = "UPS"
        for body in [other, old] {
            let answer = try await connection.post(body)
            try await tenant.settle()
            #expect(try await connection.event(answer)["reason"] == "about_no_shipment_with_that_number")
        }
        #expect(try await tenant.list("/v1/tickets") == [])
    }

    // domain.md 5, case 15: the two at the same moment, again and again.
    @Test func `a shop and a carrier who come at once miss each other never`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .aftership)
        let scans = tenant.times([3, 2, 1])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<24 {
                group.addTask {
                    try await connection.post(.journey(.aftership, scans, number: "R-\(number)"))
                }
                group.addTask {
                    let numbers = [("P-1", "R\(number)"), ("P-2", "R\(number + 1)")]
                    try await tenant.putOrder("B-\(number)", numbers: numbers, placedAt: tenant.ago(days: 4))
                }
            }
            try await group.waitForAll()
        }
        try await tenant.settle()
        for number in 0..<24 {
            let shipments = try await tenant.order("B-\(number)")["shipments"]?.arrayValue ?? []
            let delivered = shipments.filter { $0["status"] == "delivered" }.compactMap { $0["external_id"] }
            #expect(delivered == (number == 23 ? ["P-1"] : ["P-1", "P-2"]), "\(number)")
        }
        #expect(
            try await tenant.rows("SELECT 1 FROM facts WHERE tenant_id = \(tenant.id.uuid) AND kind = 'delivered'")
                .count == 47
        )
    }

    // domain.md 5, cases 15 and 16.
    @Test func `a lost parcel and a delivery that is contradicted open a ticket each, once`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1"), ("P-2", "N2")], placedAt: tenant.ago(days: 6))
        // Or the order, looking for what was told of its numbers, may be faster than the event.
        try await tenant.settle()
        let days = tenant.times([5, 4, 3])
        var lost = ParcelBody.journey(.easypost, [days[0], days[1]], number: "N2")
        lost.scans.append(.init(status: "failure", at: days[2], detail: "lost", message: "We cannot find it"))
        var back = ParcelBody.journey(.easypost, days, number: "N1")
        try await connection.post(back)
        try await connection.post(lost)
        try await tenant.settle()
        back.scans.append(.init(status: "in_transit", at: tenant.times([2])[0], message: "Departed"))
        for _ in 0..<2 {
            back.scans[3].message = "Departed"
            let answer = try await connection.post(back)
            try await connection.post(lost)
            try await tenant.settle()
            #expect(try await connection.event(answer)["state"] == "applied")
            back.updatedAt = "2026-05-07T12:00:00Z"
        }
        let shipments = try await tenant.order("A-1")["shipments"]?.arrayValue ?? []
        #expect(shipments.map { $0["status"] } == ["delivered", "lost"])
        let tickets = try await tenant.list("/v1/tickets")
        #expect(Set(tickets.compactMap { $0["kind"]?.stringValue }) == ["missing_shipment", "conflicting_tracking"])
        #expect(tickets.count == 2 && tickets.allSatisfy { $0["notification"] == "mailed" })
        for listed in tickets {
            let ticket = try await tenant.ticket(listed["id"])
            #expect(ticket["comments"]?.arrayValue?.count == 1)
            #expect(ticket["opened_by"]?.stringValue?.hasPrefix("evt_") == true)
            let text = ticket["comments"]?[0]?["body"]?.stringValue ?? ""
            #expect(text.contains(ticket["kind"] == "missing_shipment" ? "We cannot find it" : "Departed"), "\(text)")
        }
        // Its follow-up would be planned; while a ticket is open it does not leave.
        try await tenant.advance(days: 30)
        #expect(try await tenant.list("/v1/messages").allSatisfy { $0["class"] == "internal" })
    }

    @Test func `a word nobody has heard of is one ticket for all parcels, and the parcel goes on`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .shippo)
        for number in 1...3 {
            try await tenant.putOrder("A-\(number)", numbers: [("P", "N\(number)")], placedAt: tenant.ago(days: 6))
            var body = ParcelBody.journey(.shippo, tenant.times([5, 4]), number: "N\(number)")
            body.scans.append(.init(status: "TELEPORTED", at: tenant.times([3])[0]))
            try await connection.post(body)
            try await tenant.settle()
            let shipment = try await tenant.order("A-\(number)")["shipments"]?[0]
            #expect(shipment?["status"] == "in_transit" && shipment?["events"]?.arrayValue?.count == 3)
            #expect(shipment?["events"]?[2]?["status_raw"] == "TELEPORTED")
        }
        let tickets = try await tenant.list("/v1/tickets")
        #expect(tickets.map { $0["kind"] } == ["unknown_order_data"])
        #expect(tickets.first?["subject"]?.stringValue?.contains("TELEPORTED") == true)
    }

    // domain.md 4, pain 3: an import tells nobody anything.
    @Test func `a carrier's word makes no imported order a living one`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        try await connection.post(.journey(.easypost, tenant.times([3, 2]), number: "N1"))
        let numbers = [("P-1", "N1")]
        try await tenant.putOrder("A-1", numbers: numbers, placedAt: tenant.ago(days: 4), [("historical", true)])
        try await tenant.settle()
        var lost = ParcelBody.journey(.easypost, tenant.times([3, 2]), number: "N1")
        lost.scans.append(.init(status: "failure", at: tenant.times([1])[0], detail: "lost"))
        try await connection.post(lost)
        try await connection.post(.journey(.easypost, tenant.times([3, 2, 0]), number: "N1"))
        try await tenant.settle()
        let order = try await tenant.order("A-1")
        #expect(order["historical"] == true && order["shipments"]?[0]?["status"] == "delivered")
        #expect(try await tenant.list("/v1/runs") == [])
        #expect(try await tenant.list("/v1/tickets") == [])
    }

    // domain.md 5, cases 1 and 15.
    @Test func `Shopify's webhooks and the carrier's, in any order and twice, come to one mirror`() async throws {
        var random = SeededGenerator(seed: 5)
        var mirrors: [JSON] = []
        for _ in 0..<6 {
            let tenant = try await TestTenant.make()
            let demo = DemoOrder(tenant)
            let connection = try await TrackerConnection.make(tenant, .easypost)
            let today = Zone.utc.local(at: tenant.server.environment.clock.now()).date
            let (second, third) = (today.adding(days: -2), today.adding(days: -1))
            var early = ParcelBody(provider: .easypost, number: "JD01 4600 0010-01", carrier: "DHLExpress")
            early.updatedAt = "\(third)T01:00:00Z"
            early.scans = [
                .init(status: "pre_transit", at: "\(second)T08:00:00Z"),
                .init(status: "in_transit", at: "\(second)T12:00:00Z"),
            ]
            var late = early
            late.updatedAt = "\(third)T13:00:00Z"
            // A minute after what Shopify has of it.
            late.scans.append(.init(status: "delivered", at: "\(third)T12:31:00Z"))
            late.signedBy = "A. Lovelace"
            var posts: [@Sendable () async throws -> Answer] = DemoOrder.topics.map { topic in
                { try await demo.post(topic) }
            }
            for body in [early, late] { posts.append { [body] in try await connection.post(body) } }
            for post in (posts + posts).shuffled(using: &random) {
                #expect(try await post().status == 200)
                if Bool.random(using: &random) { try await tenant.settle() }
            }
            try await tenant.settle()
            var order = try await demo.order()
            order = try await tenant.get("/v1/orders/\(order["id"]?.stringValue ?? "")").json
            let shipment = try #require(order["shipments"]?[0])
            #expect(shipment["status"] == "delivered" && shipment["signed_by"] == "A. Lovelace")
            #expect(shipment["delivered_at"]?.stringValue == "\(third)T12:30:00.000Z")
            let facts = try await tenant.facts(of: order["external_id"]?.stringValue ?? "")
            #expect(facts.count == 4 && facts.count == Set(facts).count, "\(facts)")
            #expect(try await tenant.list("/v1/tickets") == [])
            #expect(try await tenant.list("/v1/runs").count { $0["trigger"] == "fact:delivered" } == 1)
            let events = (shipment["events"]?.arrayValue ?? []).map { $0.with("received_at", nil) }
            #expect(events.count == 4)
            mirrors.append(shipment.with("id", nil).with("events", .array(events)))
        }
        #expect(mirrors.allSatisfy { $0 == mirrors[0] }, "\(mirrors)")
    }

    @Test func `many updates of one number at once are all kept, and told to the shipment that comes later`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        let hours = (0..<16).map { tenant.ago(days: 2, hours: $0).rfc3339 }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for hour in hours {
                let scans = [ParcelBody.Scan(status: "in_transit", at: hour)]
                group.addTask {
                    try await connection.post(ParcelBody(provider: .easypost, number: "N1", scans: scans)).status
                }
            }
            for try await status in group { #expect(status == 200) }
        }
        try await tenant.settle()
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1")], placedAt: tenant.ago(days: 4))
        try await tenant.settle()
        let events = try await tenant.order("A-1")["shipments"]?[0]?["events"]?.arrayValue ?? []
        #expect(events.compactMap { $0["happened_at"]?.stringValue } == hours.reversed())
    }

    /// With everything that only a carrier's word puts there.
    @Test func `the answers are as the specification says`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .aftership)
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1")], placedAt: tenant.ago(days: 4))
        let wall = String(tenant.ago(days: 2).rfc3339.prefix(19))
        var body = ParcelBody(provider: .aftership, number: "N1", status: "Exception", detail: "Exception_013")
        (body.updatedAt, body.estimate) = (tenant.ago(days: 1).rfc3339, "2026-05-07")
        body.scans = [.init(status: "InTransit", at: wall)]
        try await connection.post(body)
        try await tenant.settle()

        let order = try await tenant.order("A-1")
        let id = order["id"]?.stringValue ?? ""
        let events = order["shipments"]?[0]?["events"]?.arrayValue ?? []
        #expect(events.map { $0["precision"] } == ["local", "reported"])
        #expect(events.map { $0["local_time"] } == [.string(wall), .null])
        #expect(order["shipments"]?[0]?["estimated_delivery"] == "2026-05-07")
        let ticket = try #require(try await tenant.list("/v1/tickets").first?["id"]?.stringValue)
        let mail = try #require(try await tenant.list("/v1/messages").first)
        #expect(mail["class"] == "internal" && mail["run_id"] == .null)
        try expect(order, conformsTo: "GET /v1/stores/{store_id}/orders/by-external-id/{external_id}")
        let answers = [
            ("/v1/orders/{order_id}", "/v1/orders/\(id)"),
            ("/v1/orders/{order_id}/timeline", "/v1/orders/\(id)/timeline"),
            ("/v1/tickets/{ticket_id}", "/v1/tickets/\(ticket)"), ("/v1/tickets", "/v1/tickets"),
            ("/v1/messages", "/v1/messages"),
            ("/v1/messages/{message_id}", "/v1/messages/\(mail["id"]?.stringValue ?? "")"),
            ("/v1/connections", "/v1/connections"), ("/v1/inbound-events", "/v1/inbound-events"),
        ]
        for (operation, path) in answers { try expect(await tenant.get(path), conformsTo: "GET \(operation)") }
    }

    private func expect(_ answer: Answer, conformsTo name: String) throws {
        let specification = try Specification.load()
        let operation = try #require(specification.operations.first { $0.name == name })
        let response = try #require(try specification.responses(of: operation).first { $0.status == "200" })
        let schema = try #require(response.value["content"]?["application/json"]?["schema"])
        let violations = try SchemaValidator(document: specification).violations(of: answer.json, against: schema)
        #expect(answer.status == 200 && violations.isEmpty, "\(name): \(violations)")
    }
}

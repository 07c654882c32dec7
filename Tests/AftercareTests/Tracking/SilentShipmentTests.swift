import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Parcels of which nothing is heard, found in the store's night.
@Suite(.timeLimit(.minutes(2))) struct SilentShipmentTests {
    private func parcel(
        _ tenant: TestTenant,
        _ name: String,
        lastHeard instant: Instant,
        _ status: String = "in_transit",
        detail: String? = nil,
        via connection: TrackerConnection,
        _ changes: [(String, JSON)] = []
    ) async throws {
        try await tenant.putOrder(name, numbers: [("P", "N\(name)")], placedAt: instant - .seconds(86_400), changes)
        try await hear(name, status, detail: detail, at: instant, via: connection)
    }

    private func hear(
        _ name: String,
        _ status: String,
        detail: String? = nil,
        at instant: Instant,
        via connection: TrackerConnection
    ) async throws {
        let scan = ParcelBody.Scan(status: status, at: instant.rfc3339, detail: detail)
        try await connection.post(ParcelBody(provider: .easypost, number: "N\(name)", scans: [scan]))
        try await connection.tenant.settle()
    }

    private func silences(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.list("/v1/tickets?limit=200").filter { $0["kind"] == "missing_shipment" }
            .compactMap { $0["subject"]?.stringValue }.sorted()
    }

    @Test func `a parcel on its way is looked for after seven silent days, and no other is`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        let longAgo = tenant.ago(days: 7, hours: 1)
        try await parcel(tenant, "silent", lastHeard: longAgo, via: connection)
        try await parcel(
            tenant,
            "picked",
            lastHeard: longAgo,
            "in_transit",
            detail: "received_at_origin_facility",
            via: connection
        )
        try await parcel(tenant, "door", lastHeard: longAgo, "out_for_delivery", via: connection)
        // Heard of, not there yet, arrived, waiting for its customer, of another age, imported, deleted.
        try await parcel(tenant, "heard", lastHeard: tenant.ago(days: 6, hours: 23), via: connection)
        try await parcel(tenant, "label", lastHeard: longAgo, "pre_transit", via: connection)
        try await parcel(tenant, "there", lastHeard: longAgo, "delivered", via: connection)
        try await parcel(tenant, "waits", lastHeard: longAgo, "available_for_pickup", via: connection)
        try await parcel(tenant, "ancient", lastHeard: tenant.ago(days: 98), via: connection)
        try await parcel(tenant, "imported", lastHeard: longAgo, via: connection, [("historical", true)])
        try await parcel(tenant, "deleted", lastHeard: longAgo, via: connection, [("lifecycle_status", "deleted")])
        try await tenant.passNight()
        let subjects = ["door", "picked", "silent"].map { "A shipment is missing: order \($0)" }
        #expect(try await silences(tenant) == subjects)
        // That the deleted order's parcel goes on is another matter.
        for ticket in try await tenant.list("/v1/tickets") where ticket["kind"] == "missing_shipment" {
            let whole = try await tenant.ticket(ticket["id"])
            #expect(whole["notification"] == "mailed" && whole["opened_by"] == whole["order_id"])
            let text = whole["comments"]?[0]?["body"]?.stringValue ?? ""
            #expect(text.contains("for 7 days or more") && text.contains(longAgo.rfc3339), "\(text)")
        }

        // The next nights tell nothing again, also when the ticket was closed.
        for ticket in try await tenant.list("/v1/tickets") {
            let id = ticket["id"]?.stringValue ?? ""
            #expect(try await tenant.send("POST", "/v1/tickets/\(id)/close", [:]).status == 200)
        }
        for _ in 0..<2 { try await tenant.passNight() }
        #expect(try await tenant.list("/v1/tickets").allSatisfy { $0["state"] == "closed" })

        // Heard of again, and silent again: that is another silence.
        try await hear("silent", "in_transit", at: tenant.ago(days: 7), via: connection)
        try await hear("picked", "in_transit", at: tenant.ago(days: 1), via: connection)
        try await tenant.passNight()
        let open = try await tenant.list("/v1/tickets?state=open")
        #expect(open.map { $0["subject"] } == ["A shipment is missing: order silent"])
        #expect(try await tenant.ticket(open.first?["id"])["comments"]?.arrayValue?.count == 2)
    }

    @Test func `a shop that says the same of a parcel every night has no news of it`() async throws {
        let tenant = try await TestTenant.make()
        for days in stride(from: 9, through: 1, by: -1) {
            let told = PutBody.order.with("as_of", .string(tenant.ago(days: days).rfc3339)).with(
                "shipments",
                [["external_id": "P", "carrier": "DHL", "tracking_number": "N1", "status": "in_transit"]]
            )
            #expect(try await tenant.put(told, "A-1").status < 300)
            let bulk = [told.with("external_id", "A-2").with("number", "A-2")]
            #expect(try await tenant.bulk(bulk).status == 207)
        }
        try await tenant.passNight()
        #expect(try await silences(tenant) == ["A-1", "A-2"].map { "A shipment is missing: order \($0)" })
    }

    @Test func `the days are the policy's`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        try await parcel(tenant, "three", lastHeard: tenant.ago(days: 3), via: connection)
        try await tenant.passNight()
        #expect(try await silences(tenant) == [])
        let document = Policy.initial.json.with("tracking", ["silent_after_days": 3])
        let policy = PolicyVersion(version: 2, policy: try FieldReader.read(document, Policy.init))
        _ = try await tenant.rows(
            PolicyStore.insert(policy, store: tenant.store, tenant: tenant.id, now: tenant.ago(days: 0))
        )
        try await tenant.passNight()
        #expect(try await silences(tenant).count == 1)
    }

    /// More than a page of it; by the index, whatever the store has besides.
    @Test func `a night reads what is due, and no more`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        try await parcel(tenant, "one", lastHeard: tenant.ago(days: 9), via: connection)
        // Nobody is told of them by mail.
        #expect(try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": nil]).status == 200)
        let template = try await tenant.rows(
            "SELECT order_id FROM shipments WHERE tenant_id = \(tenant.id.uuid)"
        )
        let order: UUID = try #require(try template.first?("order_id"))
        // As one shop's order of many parcels; most of them were heard of yesterday.
        for (count, age, name) in [(230, 8, "S"), (3000, 1, "H")] {
            _ = try await tenant.rows(
                """
                INSERT INTO shipments (tenant_id, id, store_id, order_id, external_id, status, status_at, last_event_at,
                                       created_at, updated_at)
                     SELECT \(tenant.id.uuid), id, \(tenant.store.uuid), \(order), \(name) || n, 'in_transit',
                            \(tenant.ago(days: age)), \(tenant.ago(days: age)), \(tenant.ago(days: age)),
                            \(tenant.ago(days: age))
                       FROM unnest(\((0..<count).map { _ in UUID.v7() })) WITH ORDINALITY AS parcel (id, n)
                """
            )
        }
        let limit = tenant.ago(days: 7)
        let statement = SilentShipmentStore.silent(
            tenant.store,
            tenant: tenant.id,
            after: (limit - FindSilentShipments.reach, .firstV7(at: limit - FindSilentShipments.reach)),
            before: limit,
            limit: FindSilentShipments.page
        )
        let plan = try await tenant.plan(of: statement).joined(separator: "\n")
        #expect(plan.contains("shipments_in_motion") && !plan.contains("Seq Scan on shipments"), "\(plan)")
        // And so is a carrier's word.
        let number = try #require(TrackingNumber("None"))
        let look = try await tenant.plan(of: TrackerStore.orders(number, tenant: tenant.id, store: tenant.store))
        #expect(look.contains { $0.contains("shipments_by_tracking_number") }, "\(look)")
        try await tenant.passNight()
        #expect(try await count("shipments", "silent_since IS NOT NULL", tenant) == 231)
        #expect(try await count("tickets", "true", tenant) == 231)
    }

    private func count(_ table: String, _ condition: String, _ tenant: TestTenant) async throws -> Int? {
        try await tenant.rows(
            "SELECT count(*) FROM \(unsafe: table) WHERE tenant_id = \(tenant.id.uuid) AND \(unsafe: condition)"
        ).first?.decode(Int.self)
    }

    @Test func `trackers that were last told of long ago are swept`() async throws {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .easypost)
        for name in ["old", "new"] { try await hear(name, "in_transit", at: tenant.ago(days: 1), via: connection) }
        _ = try await tenant.rows(
            """
            UPDATE trackers SET updated_at = \(tenant.ago(days: 501))
             WHERE tenant_id = \(tenant.id.uuid) AND number = 'NOLD'
            """
        )
        try await tenant.passNight()
        try await eventually {
            let kept: [String] = try await tenant.rows(
                "SELECT number FROM trackers WHERE tenant_id = \(tenant.id.uuid)"
            ).decode(String.self)
            return kept == ["NNEW"]
        }
    }
}

extension TestTenant {
    /// Makes the store's next night now, and waits until it is over.
    func passNight() async throws {
        let due = server.environment.clock.now() - .seconds(1)
        _ = try await rows(
            """
            UPDATE schedule SET due_at = \(due)
             WHERE tenant_id = \(id.uuid) AND store_id = \(store.uuid) AND kind = 'sweep_expired'
            """
        )
        try await eventually {
            let next = try await rows(
                """
                SELECT due_at FROM schedule
                 WHERE tenant_id = \(id.uuid) AND store_id = \(store.uuid) AND kind = 'sweep_expired'
                """
            )
            return try next.first?.decode(Instant.self) ?? due > due
        }
        try await settle()
    }
}

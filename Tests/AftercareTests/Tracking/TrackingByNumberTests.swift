import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// `POST /v1/stores/{store_id}/tracking-events`: carriers' reports that a shop passes on by number.
@Suite struct `Reports passed on by number` {
    private func post(_ tenant: TestTenant, _ events: [JSON], headers: [(String, String)] = []) async throws -> Answer {
        let path = "/v1/stores/\(tenant.store)/tracking-events"
        return try await tenant.send("POST", path, ["events": .array(events)], headers: headers)
    }

    private func outcomes(_ answer: Answer) -> [String?] {
        answer["results"]?.arrayValue?.map { $0["outcome"]?.stringValue } ?? []
    }

    private static let delivered: JSON = [
        "tracking_number": "t 1", "external_id": "E-9", "status": "delivered", "status_raw": "DEL", "message": "Left.",
        "happened_at": "2026-05-05T09:00:00Z",
    ]

    private func parcel(_ tenant: TestTenant) async throws -> JSON? {
        let order = try #require(try await tenant.list("/v1/orders").first?["id"]?.stringValue)
        return try await tenant.get("/v1/orders/\(order)")["shipments"]?[0]
    }

    private func tellParcel(_ tenant: TestTenant) async throws {
        _ = try await tenant.put(PutBody.order)
        _ = try await tenant.putPart("shipments/P-1", PartBody.shipment)
        try await tenant.settle()
    }

    @Test(arguments: [true, false]) func `they find their parcel, whichever comes first`(_ shopFirst: Bool) async throws
    {
        let tenant = try await TestTenant.make()
        if shopFirst { try await tellParcel(tenant) }
        let scan = Self.delivered.with("external_id", "E-8").with("status", "in_transit")
            .with("happened_at", "2026-05-04T15:00:00Z")
        let answer = try await post(tenant, [Self.delivered, scan.with("carrier", "DHL Express"), scan])
        #expect(answer.status == 207 && outcomes(answer) == ["kept", "kept", "kept"], "\(answer.json)")
        try await tenant.settle()
        if !shopFirst { try await tellParcel(tenant) }
        let parcel = try await parcel(tenant)
        #expect(
            parcel?["status"] == "delivered" && parcel?["delivered_at"] == "2026-05-05T09:00:00.000Z",
            "\(parcel as Any)"
        )
        #expect(parcel?["events"]?.arrayValue?.contains { $0["external_id"] == "api:E-9" } == true)
        #expect(outcomes(try await post(tenant, [Self.delivered])) == ["unchanged"])
        try await tenant.settle()
        let facts = try await tenant.rows("SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind")
        #expect(try facts.decode(String.self) == ["delivered", "order_paid", "order_placed", "shipped"])
    }

    @Test func `another carrier's parcel of the same number is left alone`() async throws {
        let tenant = try await TestTenant.make()
        try await tellParcel(tenant)
        _ = try await post(tenant, [Self.delivered.with("carrier", "UPS")])
        try await tenant.settle()
        #expect(try await parcel(tenant)?["status"] == "in_transit")
    }

    @Test func `each stands for itself, and everything wrong with one is said`() async throws {
        let tenant = try await TestTenant.make()
        let wrong: JSON = ["tracking_number": "\u{fc}", "external_id": "E-1", "status": "gone", "colour": "red"]
        let answer = try await post(tenant, [wrong, Self.delivered, 1])
        #expect(outcomes(answer) == ["rejected", "kept", "rejected"])
        let results = answer["results"]?.arrayValue ?? []
        let pointers = results.first?["problem"]?["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
        #expect(Set(pointers) == ["#/tracking_number", "#/status", "#/happened_at", "#/colour"])
        #expect(results.map { $0["status"] } == [422, 200, 422] && results[0]["external_id"] == "E-1")
        let ahead = (tenant.server.environment.clock.now() + .seconds(100_000)).rfc3339
        let late = try await post(tenant, [Self.delivered.with("happened_at", .string(ahead))])["results"]?[0]
        #expect(late?["problem"]?["errors"]?[0]?["pointer"] == "#/happened_at", "\(String(describing: late))")
        #expect(try await post(tenant, []).pointers == ["#/events"])
        #expect(try await post(tenant, [JSON](repeating: 1, count: 101)).pointers == ["#/events"])
        let key = [("Idempotency-Key", "one")]
        let first = try await post(tenant, [Self.delivered.with("external_id", "E-2")], headers: key)
        let again = try await post(tenant, [Self.delivered.with("external_id", "E-2")], headers: key)
        #expect(outcomes(first) == ["kept"] && again.json == first.json)
        let stranger = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/tracking-events"
        #expect(try await stranger.send("POST", path, ["events": [Self.delivered]]).status == 404)
        let reader = try await tenant.key([.ordersRead])
        #expect(try await tenant.send("POST", path, ["events": [Self.delivered]], as: reader).status == 403)
    }

    @Test func `from many at once, in both directions, nothing is lost and nobody waits in a circle`() async throws {
        let tenant = try await TestTenant.make()
        let events = (0..<20).map { number in
            Self.delivered.with("tracking_number", .string("N-\(number)")).with("external_id", .string("E-\(number)"))
        }
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for round in 0..<6 {
                group.addTask { try await post(tenant, round % 2 == 0 ? events : events.reversed()) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0.status == 207 })
        #expect(try await tenant.count("SELECT count(*) FROM trackers WHERE tenant_id = \(tenant.id.uuid)") == 20)
    }
}

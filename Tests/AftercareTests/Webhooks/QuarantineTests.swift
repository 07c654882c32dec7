import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// What nobody understood is not lost, and can be read again. Over real HTTP.
@Suite struct QuarantineTests {
    private func count(_ table: String, _ tenant: TestTenant) async throws -> Int {
        try await tenant.rows("SELECT 1 FROM \(unsafe: table) WHERE tenant_id = \(tenant.id.uuid)").count
    }

    private func facts(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.rows("SELECT kind FROM facts WHERE tenant_id = \(tenant.id.uuid) ORDER BY kind")
            .decode(String.self)
    }

    /// Signed as it should be, and nothing anybody could read.
    private static let broken: [(name: String, body: [UInt8], reason: String)] = [
        ("empty", [], "malformed_json"),
        ("not JSON", Array("order=1001".utf8), "malformed_json"),
        ("cut short", Array(#"{"id": 1001, "email": "ada@exa"#.utf8), "malformed_json"),
        ("not UTF-8", Array(#"{"id": 1001, "email": ""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8), "malformed_json"),
        ("NUL", Array("{\"id\": 1001, \"email\": \"a\u{0}b\"}".utf8), "malformed_json"),
        ("nested deep", Array(repeating: UInt8(ascii: "["), count: 100_000), "malformed_json"),
        ("5 MB of zeros", Array(repeating: 0x30, count: 5 << 20), "malformed_json"),
        ("5 MB of text", Array("\"".utf8) + Array(repeating: 0x61, count: 5 << 20) + Array("\"".utf8), "not_an_object"),
        ("an array", Array("[1001]".utf8), "not_an_object"),
        ("no id", Array(#"{"email": "ada@example.com"}"#.utf8), "missing_id:id"),
    ]

    // domain.md 5, Ingest 5 and 9.
    @Test func `a signed body that nobody can read is kept, answered, quarantined and replayed`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        var expected: [String: (reason: String, body: [UInt8])] = [:]
        for (name, body, reason) in Self.broken {
            let answer = try await demo.post("orders/create", body: body)
            #expect(answer.status == 200, "\(name)")
            expected[try #require(answer["id"]?.stringValue)] = (reason, body)
        }
        // A good one among them is not held up.
        #expect(try await demo.post("orders/create").status == 200)
        try await tenant.settle()
        #expect(try await demo.order()["financial_status"] == "paid")

        func quarantined() async throws -> [String: String] {
            let list = try await tenant.get("/v1/inbound-events?state=quarantined")["data"]?.arrayValue ?? []
            return list.reduce(into: [:]) { $0[$1["id"]?.stringValue ?? ""] = $1["reason"]?.stringValue }
        }
        #expect(try await quarantined() == expected.mapValues(\.reason))
        for (id, one) in expected {
            let event = try #require(InboundEventID(id)).uuid
            let stored = try await tenant.rows(
                "SELECT body FROM inbound_events WHERE tenant_id = \(tenant.id.uuid) AND id = \(event)"
            )
            #expect(try stored.first?("body", as: Bytea.self).bytes == one.body)
            let replay = try await tenant.send("POST", "/v1/inbound-events/\(id)/replay")
            #expect(replay.status == 202 && replay["state"] == "received" && replay["reason"] == .null)
        }
        try await tenant.settle()
        #expect(try await quarantined() == expected.mapValues(\.reason))
        #expect(try await count("orders", tenant) == 1)
    }

    @Test func `an event that is replayed changes nothing twice, and one that waits is not replayed`() async throws {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        for topic in DemoOrder.topics { try await demo.post(topic) }
        try await demo.post("shop/update", body: Array("{}".utf8))
        try await tenant.settle()
        let order = try await demo.order()
        let facts = try await facts(tenant)
        let events = try await tenant.get("/v1/inbound-events")["data"]?.arrayValue ?? []
        #expect(events.count == 4)
        for event in events {
            let id = try #require(event["id"]?.stringValue)
            #expect(try await tenant.send("POST", "/v1/inbound-events/\(id)/replay").status == 202)
        }
        try await tenant.settle()
        #expect(try await demo.order() == order)
        #expect(try await self.facts(tenant) == facts)
        for event in events {
            let now = try await tenant.get("/v1/inbound-events/\(event["id"]?.stringValue ?? "")")
            #expect(now["state"] == event["state"] && now["reason"] == event["reason"])
        }
        // One that has not been read yet. Its job is held back, so that it stays so.
        let id = try #require(events.first?["id"]?.stringValue)
        _ = try await tenant.rows(
            """
            UPDATE inbound_events SET state = 'received', reason = NULL, settled_at = NULL
             WHERE tenant_id = \(tenant.id.uuid) AND id = \(try #require(InboundEventID(id)).uuid)
            """
        )
        let refused = try await tenant.send("POST", "/v1/inbound-events/\(id)/replay")
        #expect(refused.status == 409 && refused.code == "state_conflict")
        #expect(try await tenant.send("POST", "/v1/inbound-events/\(InboundEventID.new())/replay").status == 404)
        #expect(
            try await tenant.send("POST", "/v1/inbound-events/\(id)/replay", as: tenant.signIn(.agent)).status == 403
        )
    }
}

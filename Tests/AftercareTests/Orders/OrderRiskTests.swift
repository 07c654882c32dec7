import Foundation
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// How risky an order is: who says so, what it holds back, and who is told.
@Suite struct `An order's risk` {
    private func assess(
        _ tenant: TestTenant,
        _ level: String,
        _ asOf: String,
        by source: String = "fraud-service",
        _ order: String = "A-1"
    ) async throws -> Answer {
        let body = PartBody.risk.with("level", .string(level)).with("as_of", .string(asOf))
        return try await tenant.putPart("risk", body.with("source", .string(source)), of: order)
    }

    @Test func `a high risk opens one ticket, and holds follow-ups back until a person clears it`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.send("PATCH", "/v1/stores/\(tenant.store)", ["escalation_email": "people@shop.example"])
        let now = tenant.server.environment.clock.now()
        let body = PutBody.delivered(at: now - .seconds(86_400), asOf: now - .seconds(10))
        let order = try #require(try await tenant.put(body)["order"]?["id"]?.stringValue)
        let made = try await tenant.putPart("risk", PartBody.risk)
        #expect(made.status == 201 && made["order"]?["risk_level"] == "high", "\(made.json)")
        let assessment = made["order"]?["risk_assessments"]?[0]
        #expect(assessment?["source"] == "fraud-service" && assessment?["level_raw"] == "97")
        #expect(assessment?["reasons"] == ["The card is from afar."])
        #expect(assessment?["assessed_at"] == "2026-05-04T10:30:00.000Z")
        #expect(try await tenant.putPart("risk", PartBody.risk)["outcome"] == "unchanged")
        // Told again later: it was one before.
        #expect(try await assess(tenant, "high", "2026-05-05T10:00:00Z")["outcome"] == "updated")
        #expect(try await assess(tenant, "low", "2026-05-04T10:00:00Z")["outcome"] == "stale")
        try await tenant.settle()
        let tickets = try await tenant.list("/v1/tickets")
        #expect(tickets.count == 1)
        let ticket = try await tenant.ticket(tickets.first?["id"])
        #expect(
            ticket["kind"] == "fraud_concern" && ticket["priority"] == "high" && ticket["order_id"] == .string(order)
        )
        #expect(ticket["order_risk_level"] == "high" && ticket["notification"] == "mailed")
        #expect(ticket["comments"]?.arrayValue?.count == 1)
        #expect(ticket["comments"]?[0]?["body"]?.stringValue?.contains("The card is from afar.") == true)

        // Its ticket is closed: it is the risk that holds it back.
        _ = try await tenant.send("POST", "/v1/tickets/\(ticket["id"]?.stringValue ?? "")/close", [:])
        try await tenant.advance(days: 60)
        #expect(try await reasons(tenant) == ["fraud_concern"])
        let run = try #require(try await tenant.list("/v1/runs").first { $0["reason"] == "fraud_concern" }?["id"])
        let facts = try await tenant.get("/v1/runs/\(run.stringValue ?? "")")["facts"]
        #expect(facts?["order"]?["risk_level"] == "high")
        #expect(try await tenant.list("/v1/messages").allSatisfy { $0["class"] == "internal" })
    }

    private func reasons(_ tenant: TestTenant) async throws -> [String] {
        try await tenant.list("/v1/runs").filter { $0["trigger"] == "schedule:follow_up" }
            .compactMap { $0["reason"]?.stringValue }
    }

    @Test func `a person's word settles what was said before it, and what is said later counts again`() async throws {
        let tenant = try await TestTenant.make()
        let order = try #require(try await tenant.put(PutBody.order)["order"]?["id"]?.stringValue)
        _ = try await assess(tenant, "high", "2026-05-04T10:30:00Z")
        let word: JSON = ["risk": ["level": "low", "reasons": ["Called the customer."]]]
        let cleared = try await tenant.send("PATCH", "/v1/orders/\(order)", word)
        #expect(cleared.status == 200 && cleared["risk_level"] == "low", "\(cleared.json)")
        #expect(cleared["risk_assessments"]?.arrayValue?.map { $0["source"] } == ["fraud-service", "person"])
        // Once more, late, and by somebody else from before.
        _ = try await assess(tenant, "high", "2026-05-04T10:45:00Z")
        _ = try await assess(tenant, "medium", "2026-05-04T10:45:00Z", by: "other")
        #expect(try await tenant.get("/v1/orders/\(order)")["risk_level"] == "low")
        let later = (tenant.server.environment.clock.now() + .seconds(60)).rfc3339
        #expect(try await assess(tenant, "high", later)["order"]?["risk_level"] == "high")
        try await tenant.settle()
        let ticket = try #require(try await tenant.list("/v1/tickets").first)
        #expect(try await tenant.ticket(ticket["id"])["comments"]?.arrayValue?.count == 2)
        #expect(try await tenant.list("/v1/tickets").count == 1)
        // A person's word comes after everything, whatever the clocks of others say.
        #expect(try await tenant.send("PATCH", "/v1/orders/\(order)", word)["risk_level"] == "low")
        let back = try await tenant.send("PATCH", "/v1/orders/\(order)", ["risk": nil])
        #expect(back["risk_level"] == "high" && back["risk_assessments"]?.arrayValue?.count == 2)
        #expect(try await tenant.send("PATCH", "/v1/orders/\(order)", [:])["version"] == back["version"])
    }

    @Test func `a person is told by name who says it, and everything wrong is said at once`() async throws {
        let tenant = try await TestTenant.make()
        let order = try #require(try await tenant.put(PutBody.order)["order"]?["id"]?.stringValue)
        _ = try await tenant.send("PATCH", "/v1/orders/\(order)", ["risk": ["level": "high"]])
        try await tenant.settle()
        let ticket = try #require(try await tenant.list("/v1/tickets").first)
        #expect(ticket["kind"] == "fraud_concern" && ticket["opened_by"] == .string(tenant.demo.owner.description))
        let wrong = try await tenant.putPart(
            "risk",
            ["level": "huge", "reasons": [""], "source": "person", "colour": "red", "assessed_at": 1]
        )
        #expect(
            Set(wrong.pointers) == [
                "#/as_of", "#/level", "#/reasons/0", "#/source", "#/colour", "#/assessed_at",
            ],
            "\(wrong.json)"
        )
        let patch = try await tenant.send("PATCH", "/v1/orders/\(order)", ["risk": ["level": 1], "number": "A-2"])
        #expect(Set(patch.pointers) == ["#/risk/level", "#/number"])
        let viewer = try await tenant.signIn(.agent)
        #expect(try await tenant.send("PATCH", "/v1/orders/\(order)", ["risk": nil], as: viewer).status == 403)
        #expect(try await tenant.send("PATCH", "/v1/orders/\(OrderID.new())", ["risk": nil]).status == 404)
    }

    @Test func `an order that is put may tell it, and one that does not says nothing of it`() async throws {
        let tenant = try await TestTenant.make()
        let risky = PutBody.order.with("risk", ["level": "high"])
        let made = try await tenant.put(risky)
        #expect(made["order"]?["risk_level"] == "high" && made["order"]?["risk_assessments"]?[0]?["source"] == "shop")
        let later = try await tenant.put(PutBody.order.with("as_of", "2026-05-05T10:00:00Z"))
        #expect(later["outcome"] == "updated" && later["order"]?["risk_level"] == "high")
        let low = PutBody.order.with("as_of", "2026-05-06T10:00:00Z").with("risk", ["level": "low"])
        #expect(try await tenant.put(low)["order"]?["risk_level"] == "low")
        try await tenant.settle()
        #expect(try await tenant.list("/v1/tickets").map { $0["kind"] } == ["fraud_concern"])
    }

    private static func webhook(_ level: String?, order: String = "\"\(ReturnBody.order)\"") -> [UInt8] {
        let level = level.map { #","risk_level":"\#($0)""# } ?? ""
        return Array(
            """
            {"order_id":\(order),"admin_graphql_api_order_id":"gid://shopify/Order/\(ReturnBody.order)",
             "provider_id":null,"provider_title":null,"created_at":"2026-05-20T12:00:00Z"\(level)}
            """.utf8
        )
    }

    @Test func `Shopify's assessment is applied, whichever comes first, and one without a level says so`() async throws
    {
        let tenant = try await TestTenant.make()
        let demo = DemoOrder(tenant)
        try await demo.post("orders/risk_assessment_changed", body: Self.webhook("HIGH"))
        try await tenant.settle()
        try await demo.post("orders/create")
        try await demo.post("orders/risk_assessment_changed", body: Self.webhook("HIGH", order: "null"))
        try await demo.post("orders/risk_assessment_changed", body: Self.webhook(nil))
        try await tenant.settle()
        let order = try #require(try await tenant.list("/v1/orders").first)
        #expect(order["risk_level"] == "high" && order["is_complete"] == true)
        let events = try await tenant.list("/v1/inbound-events")
        #expect(events.contains { $0["reason"] == "risk_level_not_told" })
        #expect(events.count { $0["state"] == "applied" } == 3)
        #expect(try await tenant.list("/v1/tickets").map { $0["kind"] } == ["fraud_concern"])
    }

    // MARK: In any order

    private static func statement(_ level: RiskLevel, _ second: Int64, _ source: String) -> RiskStatement {
        let stamp = Stamp(at: Instant(seconds: second), json: .string(level.rawValue))
        return RiskStatement(source: source, assessment: RiskAssessment(level: level, stamp: stamp))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `in whatever order they come, the newest of each source counts and the worst of all`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var told: [RiskStatement] = []
        for _ in 0..<8 {
            told.append(
                Self.statement(
                    RiskLevel.allCases.randomElement(using: &random) ?? .low,
                    Int64.random(in: 0..<4, using: &random),
                    ["a", "b", OrderState.person].randomElement(using: &random) ?? "a"
                )
            )
        }
        func state(_ told: [RiskStatement]) -> OrderState {
            var state = OrderState()
            for statement in told { state.apply(statement) }
            return state
        }
        let expected = state(told)
        for _ in 0..<5 {
            let other = state((told + told).shuffled(using: &random))
            #expect(other == expected && other.riskLevel == expected.riskLevel)
        }
        #expect([String: RiskAssessment](kept: expected.risks.json) == expected.risks)
    }

    @Test func `the worst is high, then medium, then what nobody knows`() {
        var state = OrderState()
        #expect(state.riskLevel == nil)
        for level in [RiskLevel.none, .low, .unknown, .medium, .high] {
            state.apply(Self.statement(level, 1, "\(level)"))
            #expect(state.riskLevel == level)
        }
        state.isRedacted = true
        state.settleRedaction()
        #expect(state.riskLevel == nil && state.risks.isEmpty)
    }

    @Test(arguments: [("low", RiskLevel.low), ("NONE", .none), ("PENDING", .unknown), ("high", .high), ("x", .unknown)])
    func `Shopify's words are ours`(_ raw: String, _ level: RiskLevel) {
        #expect(ShopifyRisk.level(raw) == level)
    }
}

import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Webhooks of a connection read again by the hundred. Over real HTTP.
@Suite(.timeLimit(.minutes(2))) struct ReplayEventsTests {
    private func replay(_ tenant: TestTenant, _ body: JSON, as token: String? = nil) async throws -> Answer {
        try await tenant.send("POST", "/v1/connections/\(tenant.demo.connection)/replay-events", body, as: token)
    }

    /// The operation, once it is over.
    private func finished(_ tenant: TestTenant, _ started: Answer) async throws -> Answer {
        guard started.status == 202, let location = started.header("Location") else { throw Unexpected(started) }
        try await eventually { try await tenant.get(location)["state"] != "running" }
        try await tenant.settle()
        return try await tenant.get(location)
    }

    // domain.md 5, Ingest 5 and 10.
    @Test func `what came while a connection was disabled is applied at once when it is in use again`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/connections/\(tenant.demo.connection)"
        _ = try await tenant.send("PATCH", path, ["state": "disabled"])
        for number in 2001...2012 { try await DemoOrder(tenant, number: number).post("orders/create") }
        try await tenant.settle()
        #expect(try await tenant.get("/v1/orders")["data"] == [])
        #expect(try await tenant.log("reason=connection_disabled").count == 12)
        // While it is disabled, reading them again changes nothing, and ends.
        let early = try await finished(tenant, replay(tenant, ["reason": "connection_disabled"]))
        #expect(early["state"] == "succeeded" && early["progress"] == 12)
        #expect(try await tenant.log("reason=connection_disabled").count == 12)
        _ = try await tenant.send("PATCH", path, ["state": "active"])
        let done = try await finished(tenant, replay(tenant, ["reason": "connection_disabled"]))
        #expect(done["state"] == "succeeded" && done["progress"] == 12 && done["finished_at"]?.stringValue != nil)
        #expect(try await tenant.get("/v1/orders")["data"]?.arrayValue?.count == 12)
        #expect(try await tenant.log("reason=connection_disabled") == [])
        let again = try await finished(tenant, replay(tenant, ["reason": "connection_disabled"]))
        #expect(again["progress"] == 0)
    }

    @Test func `only what was asked for is read again, in lots, and what cannot be read any more is left out`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let shop = try await WooShop.connect(tenant)
        let (now, hour) = (tenant.server.environment.clock.now(), Duration.seconds(3600))
        let poison = LoggedEvents(
            state: .quarantined,
            reason: "missing_id:id",
            body: Array("[]".utf8),
            receivedAt: now - hour * 10,
            count: ReplayEvents.batch + 20
        )
        let inLots = try await poison.add(to: tenant)
        var rest = poison
        rest.count = 3
        let ofTheOther = try await rest.add(to: tenant, ConnectionID(shop.connection))
        rest.receivedAt = now - hour * 2
        let later = try await rest.add(to: tenant)
        rest.receivedAt = now - hour * 9
        let gone = try await rest.add(to: tenant)
        for id in gone {
            _ = try await tenant.rows(
                """
                UPDATE inbound_events
                   SET body = '', body_hash = sha256(body), body_length = 2, body_expired_at = \(now)
                 WHERE tenant_id = \(tenant.id.uuid) AND id = \(try #require(InboundEventID(id)).uuid)
                """
            )
        }
        let wish: JSON = ["received_before": .string((now - hour * 5).rfc3339), "reason": nil]
        let done = try await finished(tenant, replay(tenant, wish))
        #expect(done["progress"]?.int64Value == Int64(inLots.count) && done["state"] == "succeeded")
        // Read again they are something else, which tells them from the others.
        #expect(Set(try await tenant.log("reason=not_an_object")) == Set(inLots))
        #expect(Set(try await tenant.log("reason=missing_id:id")) == Set(ofTheOther + later + gone))
    }

    @Test func `one runs at a time for a store, a repeated request begins none, and others may not`() async throws {
        let tenant = try await TestTenant.make()
        let key = [("Idempotency-Key", "again")]
        let path = "/v1/connections/\(tenant.demo.connection)/replay-events"
        let first = try await tenant.send("POST", path, [:], headers: key)
        let repeated = try await tenant.send("POST", path, [:], headers: key)
        #expect(repeated["id"] == first["id"] && repeated.header("Idempotent-Replayed") == "true")
        _ = try await finished(tenant, first)
        _ = try await tenant.rows(
            """
            UPDATE operations SET state = 'running', finished_at = NULL
             WHERE tenant_id = \(tenant.id.uuid) AND kind = 'replay_events'
            """
        )
        let second = try await replay(tenant, [:])
        #expect(second.status == 409 && second.code == "state_conflict")
        let faulty = try await replay(tenant, ["reason": "", "received_from": "today", "all": true])
        #expect(faulty.status == 422 && Set(faulty.pointers) == ["#/reason", "#/received_from", "#/all"])
        #expect(try await replay(tenant, [:], as: tenant.signIn(.agent)).status == 403)
        #expect(try await tenant.send("POST", "/v1/connections/\(ConnectionID.new())/replay-events", [:]).status == 404)
    }
}

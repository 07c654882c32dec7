import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Who may post carriers' webhooks, and what becomes of those that nobody can use. Over real HTTP.
@Suite(.timeLimit(.minutes(2))) struct TrackingReceiveTests {
    // domain.md 5, Ingest 5 to 7.
    @Test(arguments: Connection.Provider.trackers)
    func `only the connection's own secrets count, the former for its time`(
        _ provider: Connection.Provider
    ) async throws {
        let (tenant, other) = (try await TestTenant.make(), try await TestTenant.make())
        var connection = try await TrackerConnection.make(tenant, provider)
        let theirs = try await TrackerConnection.make(other, provider)
        let body = ParcelBody.journey(provider, tenant.times([3]), number: "N1").bytes
        #expect(try await connection.post(body, secret: "of-somebody-else").status == 401)
        #expect(try await tenant.server.send("POST", connection.hook, raw: body).status == 401)
        let rotate = "/v1/connections/\(connection.id)/rotate-secret"
        #expect(try await tenant.send("POST", rotate, ["secret": "second+&=%\u{E9}"]).status == 200)
        #expect(try await connection.post(body).status == 200)
        #expect(try await connection.post(body, secret: "second+&=%\u{E9}").status == 200)
        let ending: JSON = ["secret": "third-secret", "overlap_seconds": 0]
        #expect(try await tenant.send("POST", rotate, ending).status == 200)
        #expect(try await connection.post(body).status == 401)
        connection.secret = "third-secret"
        #expect(try await connection.post(body).status == 200)
        // Another tenant's secret, and its own on another's path.
        #expect(try await connection.post(body, secret: theirs.secret + "x").status == 401)
        let crossed = TrackerConnection(
            tenant: tenant,
            provider: provider,
            hook: theirs.hook,
            id: theirs.id,
            secret: "third-secret"
        )
        #expect(try await crossed.post(body).status == 401)
        try await tenant.settle()
        // The same bytes three times are one event.
        #expect(try await tenant.list("/v1/inbound-events").count == 1)
        #expect(try await other.list("/v1/inbound-events") == [])
    }

    // domain.md 5, Ingest 9.
    @Test func `what cannot be read is quarantined, and what a disabled connection tells waits to be replayed`()
        async throws
    {
        let tenant = try await TestTenant.make()
        let connection = try await TrackerConnection.make(tenant, .aftership)
        let broken: [(String, String, String)] = [
            ("{", "quarantined", "malformed_json"), ("[]", "quarantined", "not_an_object"),
            (#"{"event": "tracking_update"}"#, "quarantined", "not_an_object:msg"),
            (#"{"event": "tracking_update", "msg": {}}"#, "quarantined", "missing_id:tracking_number"),
            (
                #"{"event": "tracking_update", "msg": {"tracking_number": "\u0661"}}"#, "quarantined",
                "unreadable_id:tracking_number"
            ),
            (#"{"event": "edd_revise", "msg": {}}"#, "ignored", "not_about_tracking"),
            ("{}", "ignored", "not_an_event"),
            (#"{"event": "tracking_update", "msg": {"tracking_number": "1"}}"#, "ignored", "event_without_content"),
        ]
        for (body, state, reason) in broken {
            let answer = try await connection.post(Array(body.utf8))
            try await tenant.settle()
            let event = try await connection.event(answer)
            #expect(answer.status == 200 && event["state"]?.stringValue == state, "\(body)")
            #expect(event["reason"]?.stringValue == reason, "\(body)")
        }
        try await tenant.putOrder("A-1", numbers: [("P-1", "N1")], placedAt: tenant.ago(days: 4))
        let path = "/v1/connections/\(connection.id)"
        #expect(try await tenant.send("PATCH", path, ["state": "disabled"]).status == 200)
        let answer = try await connection.post(.journey(.aftership, tenant.times([3, 2]), number: "N1"))
        try await tenant.settle()
        #expect(try await connection.event(answer)["reason"] == "connection_disabled")
        #expect(
            try await tenant.rows("SELECT 1 FROM trackers WHERE tenant_id = \(tenant.id.uuid) AND number = 'N1'")
                .isEmpty
        )
        #expect(try await tenant.send("PATCH", path, ["state": "active"]).status == 200)
        let replay = "/v1/inbound-events/\(answer["id"]?.stringValue ?? "")/replay"
        #expect(try await tenant.send("POST", replay).status == 202)
        try await tenant.settle()
        #expect(try await tenant.order("A-1")["shipments"]?[0]?["status"] == "in_transit")
    }

    @Test func `an account is a name, and the same twice is refused`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await TrackerConnection.make(tenant, .easypost)
        func connect(_ provider: String, _ account: String) async throws -> Answer {
            let body: JSON = [
                "store_id": .string("\(tenant.store)"), "provider": .string(provider), "account": .string(account),
                "secret": "long-enough",
            ]
            return try await tenant.send("POST", "/v1/connections", body)
        }
        #expect(try await connect("easypost", "main").status == 409)
        let second = try await connect("easypost", "  the second ")
        #expect(second.status == 201 && second["account"] == "the second")
        #expect(try await connect("shippo", "main").status == 201)
        for account in ["", "  ", "a\u{7}b"] {
            let answer = try await connect("aftership", account)
            #expect(answer.status == 422 && answer.pointers == ["#/account"], "\(account)")
        }
    }
}

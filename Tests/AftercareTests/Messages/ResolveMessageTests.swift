import FoundationEssentials
import JSON
import Postgres
import Support
import Testing

@testable import Aftercare

/// A person says what became of a message nobody knows it of.
@Suite struct ResolveMessageTests {
    private func unknown(_ tenant: TestTenant) async throws -> MessageID {
        var seed = MessageSeed()
        seed.isUnknown = true
        seed.hasJob = false
        return try await seed.insert(tenant.demo, tenant.server.environment)
    }

    private func resolve(
        _ id: MessageID,
        _ tenant: TestTenant,
        _ body: JSON,
        as token: String? = nil
    ) async throws -> Answer {
        try await tenant.send("POST", "/v1/messages/\(id)/resolve", body, as: token)
    }

    @Test func `those in doubt are listed by themselves`() async throws {
        let tenant = try await TestTenant.make()
        let ids = [try await unknown(tenant), try await unknown(tenant)].map(\.description)
        _ = try await MessageSeed().insert(tenant.demo, tenant.server.environment)
        try await tenant.settle()
        func list(_ query: String) async throws -> [String] {
            let page = try await tenant.get("/v1/messages?\(query)")
            #expect(page.status == 200, "\(page.json)")
            return page["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
        }
        #expect(try await list("state=unknown") == ids.reversed())
        #expect(try await list("state=accepted").count == 1)
        #expect(try await list("state=failed").isEmpty)
        #expect(try await list("").count == 3)
        let order = try #require(try await tenant.get("/v1/messages/\(ids[0])")["order_id"]?.stringValue)
        #expect(try await list("state=unknown&order_id=\(order)") == [ids[0]])
        #expect(try await list("state=failed&order_id=\(order)").isEmpty)
        let first = try await tenant.get("/v1/messages?state=unknown&limit=1")
        let cursor = try #require(first["next_cursor"]?.stringValue)
        #expect(try await list("state=unknown&limit=1&cursor=\(cursor)") == [ids[0]])
        #expect(try await tenant.get("/v1/messages?state=lost").status == 400)
    }

    @Test func `the list of those in doubt is read by its index`() async throws {
        let tenant = try await TestTenant.make()
        // Of an empty table any plan would do.
        _ = try await unknown(tenant)
        let plan = try await tenant.plan(
            of: """
                SELECT id FROM messages
                 WHERE tenant_id = \(tenant.id.uuid) AND state IN ('unknown', 'failed') AND state = 'unknown'
                   AND (created_at, id) < (\(tenant.server.environment.clock.now()), \(tenant.id.uuid))
                 ORDER BY created_at DESC, id DESC LIMIT 51
                """
        )
        #expect(plan.contains { $0.contains("messages_in_doubt") }, "\(plan)")
    }

    @Test(arguments: ["accepted", "failed"])
    func `it ends as the person says, who is kept with it`(verdict: String) async throws {
        let tenant = try await TestTenant.make()
        let id = try await unknown(tenant)
        let agent = try await tenant.signIn(.agent)
        let body: JSON = ["as": .string(verdict), "note": "In the server's log.", "attempt": 1]
        let answer = try await resolve(id, tenant, body, as: agent)
        #expect(answer.status == 200, "\(answer.json)")
        #expect(answer["state"]?.stringValue == verdict)
        let shown = try await tenant.get("/v1/messages/\(id)")
        #expect(shown["state"]?.stringValue == verdict)
        #expect(shown["reason"] == answer["reason"])
        let attempt = try #require(shown["attempts"]?[0])
        #expect(attempt["outcome"] == "unknown")
        #expect(attempt["resolution"]?["as"]?.stringValue == verdict)
        #expect(attempt["resolution"]?["note"] == "In the server's log.")
        #expect(attempt["resolution"]?["at"] != .null)
        let me = try await tenant.get("/v1/me", as: agent)
        #expect(attempt["resolution"]?["by"] == me["id"])
        // Once.
        #expect(try await resolve(id, tenant, body).code == "state_conflict")
    }

    @Test func `sent again only where a person asks for it`() async throws {
        let tenant = try await TestTenant.make()
        let id = try await unknown(tenant)
        let answer = try await resolve(id, tenant, ["as": "queued"])
        #expect(answer["state"] == "queued")
        try await eventually { try await tenant.get("/v1/messages/\(id)")["state"] == "accepted" }
        let shown = try await tenant.get("/v1/messages/\(id)")
        #expect(shown["attempt_count"] == 2)
        #expect(shown["attempts"]?.arrayValue?.map { $0["outcome"] } == ["unknown", "accepted"])
        #expect(shown["attempts"]?[0]?["resolution"]?["as"] == "queued")
        #expect(shown["attempts"]?[1]?["resolution"] == .null)
    }

    @Test func `of two people at once one decides`() async throws {
        let tenant = try await TestTenant.make()
        let id = try await unknown(tenant)
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for verdict in ["accepted", "failed", "accepted", "failed"] {
                group.addTask { try await self.resolve(id, tenant, ["as": .string(verdict)]).status }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.sorted() == [200, 409, 409, 409])
    }

    @Test func `what is not unknown, or another try, is a conflict; what makes no sense is refused`() async throws {
        let tenant = try await TestTenant.make()
        let id = try await unknown(tenant)
        #expect(try await resolve(id, tenant, ["as": "failed", "attempt": 2]).code == "state_conflict")
        #expect(try await resolve(id, tenant, ["as": "delivered"]).pointers == ["#/as"])
        let long = String(repeating: "x", count: 2001)
        #expect(try await resolve(id, tenant, ["as": "failed", "note": .string(long)]).pointers == ["#/note"])
        let viewer = try await tenant.signIn(.viewer)
        let refused = try await resolve(id, tenant, ["as": "failed"], as: viewer)
        #expect(refused.status == 403)
        #expect(refused["required_scopes"] == ["messages:write"])
        let key = try await tenant.key([.messagesWrite])
        #expect(try await resolve(id, tenant, ["as": "failed"], as: key).status == 200)
        let sent = try await MessageSeed().insert(tenant.demo, tenant.server.environment)
        try await tenant.settle()
        #expect(try await resolve(sent, tenant, ["as": "failed"]).code == "state_conflict")
    }
}

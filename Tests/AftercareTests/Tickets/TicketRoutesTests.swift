import FoundationEssentials
import JSON
import Postgres
import Support
import Testing

@testable import Aftercare

@Suite struct `Tickets over the API` {
    @Test func `a ticket is opened, read, worked on, closed and opened again`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let opened = try await tenant.openTicket([
            ("kind", "damaged_goods"), ("body", "She called."), ("order_id", .string(order.description)),
            ("customer_email", "jon@example.test"), ("customer_name", "Jon"), ("priority", "urgent"),
        ])
        #expect(opened["number"] == 1 && opened["state"] == "open" && opened["priority"] == "urgent")
        #expect(opened["opened_by"]?.stringValue == tenant.demo.owner.description)
        #expect(opened["notification"] == "none" && opened["taken_at"] == .null)
        #expect(opened.header("ETag") == "\"v1\"")
        let path = try #require(opened.header("Location"))

        let taken = try await tenant.send(
            "PATCH",
            path,
            ["assignee_id": .string(tenant.demo.owner.description), "subject": "A hole"],
            headers: [("If-Match", "\"v1\"")]
        )
        #expect(taken.status == 200 && taken["taken_at"] != .null && taken["version"] == 2)
        let comment = try await tenant.send("POST", "\(path)/comments", ["body": "I asked for a photograph."])
        #expect(comment.status == 201 && comment["visibility"] == "internal")
        #expect(comment.header("ETag") == "\"v3\"")
        #expect(try await tenant.send("PATCH", path, ["state": "pending"])["state"] == "pending")
        #expect(try await tenant.send("PATCH", path, ["state": "pending"]).status == 200)
        let closed = try await tenant.send("POST", "\(path)/close", ["comment": "A new one is on its way."])
        #expect(closed["state"] == "closed" && closed["closed_at"] != .null)

        let whole = try await tenant.get(path)
        #expect(whole["subject"] == "A hole" && whole["order_id"]?.stringValue == order.description)
        let bodies = whole["comments"]?.arrayValue?.map { $0["body"] }
        #expect(bodies == ["She called.", "I asked for a photograph.", "A new one is on its way."])
        let actions = whole["events"]?.arrayValue?.map { $0["action"] }
        #expect(actions == ["opened", "assigned", "pended", "closed"])
        #expect(whole["events"]?[1]?["assignee_id"]?.stringValue == tenant.demo.owner.description)
        let etag = try #require(whole.header("ETag"))
        #expect(try await tenant.get(path, headers: [("If-None-Match", etag)]).status == 304)

        let reopened = try await tenant.send("POST", "\(path)/reopen", [:])
        #expect(reopened["state"] == "open" && reopened["closed_at"] == .null)
        // Measured once.
        #expect(reopened["taken_at"] == taken["taken_at"])
        #expect(reopened["assignee_id"] == taken["assignee_id"])
        #expect(try await tenant.send("PATCH", path, ["assignee_id": nil])["assignee_id"] == .null)
    }

    @Test func `a move that its state does not have is a conflict, and changes nothing`() async throws {
        let tenant = try await TestTenant.make()
        let path = try #require(try await tenant.openTicket().header("Location"))
        let early = try await tenant.send("POST", "\(path)/reopen", [:])
        #expect(early.status == 409 && early.code == "state_conflict")
        #expect(try await tenant.send("POST", "\(path)/close", [:]).status == 200)
        let before = try await tenant.get(path).json
        for (method, end, body) in [
            ("POST", "/close", [:]), ("PATCH", "", ["state": "pending"]), ("PATCH", "", ["state": "open"]),
        ] as [(String, String, JSON)] {
            let refused = try await tenant.send(method, path + end, body)
            #expect(refused.status == 409 && refused.code == "state_conflict", "\(method) \(end)")
        }
        #expect(try await tenant.get(path).json == before)
        // Everything else can still be said of a closed one.
        #expect(try await tenant.send("POST", "\(path)/comments", ["body": "For the record."]).status == 201)
        #expect(try await tenant.send("PATCH", path, ["priority": "low"]).status == 200)
    }

    @Test func `of two people who take one ticket at once, one gets it`() async throws {
        let tenant = try await TestTenant.make()
        let agents = [try await tenant.signIn(.agent), try await tenant.signIn(.agent)]
        let people = [
            try #require(try await tenant.get("/v1/me", as: agents[0])["id"]),
            try #require(try await tenant.get("/v1/me", as: agents[1])["id"]),
        ]
        for _ in 0..<5 {
            let path = try #require(try await tenant.openTicket().header("Location"))
            let answers = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                for index in 0..<2 {
                    group.addTask {
                        let body: JSON = ["assignee_id": people[index]]
                        let headers = [("If-Match", "\"v1\"")]
                        let answer = try await tenant.send("PATCH", path, body, as: agents[index], headers: headers)
                        return (index, answer.status)
                    }
                }
                return try await group.reduce(into: [(Int, Int)]()) { $0.append($1) }
            }
            #expect(answers.map(\.1).sorted() == [200, 412])
            let winner = answers.first { $0.1 == 200 }?.0
            let ticket = try await tenant.get(path)
            #expect(ticket["assignee_id"] == winner.map { people[$0] })
            #expect(ticket["events"]?.arrayValue?.count == 2)
        }
    }

    @Test func `tickets opened at once have the numbers of their store, each one`() async throws {
        let tenant = try await TestTenant.make()
        let numbers = try await withThrowingTaskGroup(of: Int64?.self) { group in
            for _ in 0..<12 { group.addTask { try await tenant.openTicket()["number"]?.int64Value } }
            return try await group.reduce(into: [Int64]()) { $0.append($1 ?? 0) }
        }
        #expect(numbers.sorted() == Array(1...12))
        let other = try await tenant.addStore()
        #expect(try await tenant.openTicket([("store_id", .string(other.description))])["number"] == 1)
    }

    @Test func `a repeated opening opens nothing more`() async throws {
        let tenant = try await TestTenant.make()
        let body: JSON = ["store_id": .string(tenant.store.description), "subject": "Once"]
        let key = [("Idempotency-Key", "t-1")]
        let first = try await tenant.send("POST", "/v1/tickets", body, headers: key)
        let second = try await tenant.send("POST", "/v1/tickets", body, headers: key)
        #expect(second.header("Idempotent-Replayed") == "true" && second.json == first.json)
        #expect(try await tenant.list("/v1/tickets").count == 1)
        let path = try #require(first.header("Location"))
        for _ in 0..<2 { _ = try await tenant.send("POST", "\(path)/comments", ["body": "Hm."], headers: key) }
        #expect(try await tenant.get(path)["comments"]?.arrayValue?.count == 1)
    }

    @Test func `lists are of a store, an order, a state or a person, newest first`() async throws {
        let tenant = try await TestTenant.make()
        let order = try await tenant.deliveredOrder()
        let other = try await tenant.addStore()
        let about = try await tenant.openTicket([("order_id", .string(order.description))])
        let elsewhere = try await tenant.openTicket([("store_id", .string(other.description))])
        let done = try await tenant.openTicket()
        _ = try await tenant.send("POST", "\(done.header("Location") ?? "")/close", [:])
        let mine: JSON = ["assignee_id": .string(tenant.demo.owner.description)]
        _ = try await tenant.send("PATCH", about.header("Location") ?? "", mine)

        func ids(_ query: String) async throws -> [JSON?] {
            try await tenant.list("/v1/tickets\(query)").map { $0["id"] }
        }
        let (a, e, d) = (about["id"], elsewhere["id"], done["id"])
        let (here, there) = ("store_id=\(tenant.store)", "store_id=\(other)")
        #expect(try await ids("") == [d, e, a])
        #expect(try await ids("?\(here)") == [d, a])
        #expect(try await ids("?state=open") == [e, a])
        #expect(try await ids("?\(here)&state=open") == [a])
        #expect(try await ids("?\(there)&state=closed") == [])
        #expect(try await ids("?order_id=\(order)") == [a])
        #expect(try await ids("?order_id=\(order)&state=closed") == [])
        #expect(try await ids("?order_id=\(order)&\(there)") == [])
        #expect(try await ids("?assignee_id=\(tenant.demo.owner)") == [a])
        #expect(try await ids("?assignee_id=\(tenant.demo.owner)&\(there)") == [])
        #expect(try await ids("?assignee_id=\(tenant.demo.reviewer)") == [])
        #expect(try await tenant.get("/v1/tickets?state=lost").code == "invalid_parameter")
        var (seen, next): ([JSON?], String?) = ([], "/v1/tickets?\(here)&limit=1")
        while let path = next {
            let page = try await tenant.get(path)
            seen += (page["data"]?.arrayValue ?? []).map { $0["id"] }
            next = page["next_cursor"]?.stringValue.map { "/v1/tickets?\(here)&limit=1&cursor=\($0)" }
        }
        #expect(seen == [d, a])
    }

    @Test func `viewers read, agents work, and keys do what their scopes say`() async throws {
        let tenant = try await TestTenant.make()
        let path = try #require(try await tenant.openTicket().header("Location"))
        let viewer = try await tenant.signIn(.viewer)
        let reader = try await tenant.key([.ticketsRead])
        for token in [viewer, reader] {
            #expect(try await tenant.get(path, as: token).status == 200)
            let refused = try await tenant.send("POST", "\(path)/comments", ["body": "Mine"], as: token)
            #expect(refused.status == 403 && refused["required_scopes"] == ["tickets:write"])
        }
        let agent = try await tenant.signIn(.agent)
        #expect(try await tenant.send("POST", "\(path)/comments", ["body": "Mine"], as: agent).status == 201)
        let writer = try await tenant.key([.ticketsWrite])
        #expect(try await tenant.get("/v1/tickets", as: writer).status == 403)
        let opened = try await tenant.openTicket(as: writer)
        #expect(opened["opened_by"]?.stringValue?.hasPrefix("key_") == true)
        // A program does not take a ticket, and a person who closes one has.
        let closed = try await tenant.send("POST", "\(opened.header("Location") ?? "")/close", [:], as: writer)
        #expect(closed["state"] == "closed" && closed["taken_at"] == .null)
        #expect(try await tenant.send("POST", "\(path)/close", [:], as: agent)["taken_at"] != .null)
    }
}

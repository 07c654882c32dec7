import Curl
import FoundationEssentials
import JSON
import Support
import Testing

@testable import Aftercare

@Suite struct StoreTests {
    private let body: JSON = ["name": "Shop", "platform": "shopify", "time_zone": "Europe/Berlin", "currency": "EUR"]

    @Test func `a store is created, found, listed and changed`() async throws {
        let tenant = try await TestTenant.make()
        let created = try await tenant.send("POST", "/v1/stores", body)
        #expect(created.status == 201)
        #expect(created["mode"] == "live")
        #expect(created["locale"] == "en")
        #expect(created.header("ETag") == "\"v1\"")
        let location = try #require(created.header("Location"))
        #expect(try await tenant.get(location).json == created.json)

        let changed = try await tenant.send("PATCH", location, ["name": "Laden", "mail_from": "laden@example.test"])
        #expect(changed.status == 200)
        #expect(changed["name"] == "Laden")
        #expect(changed["version"] == 2)
        #expect(changed["time_zone"] == "Europe/Berlin")
        #expect(try await tenant.send("PATCH", location, ["mail_from": nil])["mail_from"] == .null)
        #expect(created["escalation_email"] == .null)
        let told = try await tenant.send("PATCH", location, ["escalation_email": "care@example.test"])
        #expect(told["escalation_email"] == "care@example.test")
        #expect(try await tenant.get(location)["escalation_email"] == "care@example.test")
        for email in ["nobody", "a@b\r\nBcc: c", 7] as [JSON] {
            let refused = try await tenant.send("PATCH", location, ["escalation_email": email])
            #expect(refused.status == 422 && refused.pointers == ["#/escalation_email"])
        }
        #expect(try await tenant.send("PATCH", location, ["escalation_email": nil])["escalation_email"] == .null)
        let other = try await tenant.send("POST", "/v1/stores", body.with("escalation_email", "care@example.test"))
        #expect(other["escalation_email"] == "care@example.test")
        #expect(try await tenant.send("PATCH", location, ["name": nil]).pointers == ["#/name"])
        let list = try await tenant.get("/v1/stores")
        #expect(list["data"]?.arrayValue?.count == 3)
    }

    @Test func `an update of another version is refused`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)"
        let refused = try await tenant.send("PATCH", path, ["name": "B"], headers: [("If-Match", "\"v7\"")])
        #expect(refused.status == 412)
        #expect(refused.code == "version_mismatch")
        let weak = try await tenant.send("PATCH", path, ["name": "B"], headers: [("If-Match", "W/\"v1\"")])
        #expect(weak.status == 412)
        #expect(try await tenant.send("PATCH", path, ["name": "B"], headers: [("If-Match", "\"v1\"")]).status == 200)
    }

    @Test func `a reader who has the version gets 304`() async throws {
        let tenant = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)"
        let answer = try await tenant.get(path, headers: [("If-None-Match", "\"v1\"")])
        #expect(answer.status == 304)
        #expect(answer.response.body.isEmpty)
        #expect(try await tenant.get(path, headers: [("If-None-Match", "W/\"v1\"")]).status == 304)
        #expect(try await tenant.get(path, headers: [("If-None-Match", "\"v2\"")]).status == 200)
    }

    @Test func `racing updates with the same version let one through`() async throws {
        let tenant = try await TestTenant.make()
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask {
                    try await tenant.send(
                        "PATCH",
                        "/v1/stores/\(tenant.store)",
                        ["name": "N\(number)".json],
                        headers: [("If-Match", "\"v1\"")]
                    ).status
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.filter { $0 == 200 }.count == 1)
        #expect(statuses.filter { $0 == 412 }.count == 7)
    }

    @Test func `a list is walked page by page, each store once`() async throws {
        let tenant = try await TestTenant.make()
        for _ in 0..<6 { _ = try await tenant.addStore() }
        var (seen, path): ([String], String?) = ([], "/v1/stores?limit=3")
        while let next = path {
            let page = try await tenant.get(next)
            seen += page["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
            path = page["next_cursor"]?.stringValue.map { "/v1/stores?limit=3&cursor=\($0)" }
            #expect((path != nil) == (page["has_more"] == true))
            if path != nil { #expect(page.header("Link")?.hasSuffix("; rel=\"next\"") == true) }
            // A store made meanwhile shifts nothing.
            if seen.count == 3 { _ = try await tenant.addStore() }
        }
        #expect(seen.count == 7)
        #expect(Set(seen).count == 7)
    }

    @Test func `a cursor of another tenant or list is refused`() async throws {
        let (a, b) = (try await TestTenant.make(), try await TestTenant.make())
        for tenant in [a, b] { _ = try await tenant.addStore() }
        let cursor = try #require(try await a.get("/v1/stores?limit=1")["next_cursor"]?.stringValue)
        #expect(try await a.get("/v1/stores?cursor=\(cursor)").status == 200)
        #expect(try await b.get("/v1/stores?cursor=\(cursor)").code == "invalid_cursor")
        #expect(try await a.get("/v1/users?cursor=\(cursor)").code == "invalid_cursor")
        let changed = cursor.prefix(30) + (cursor.dropFirst(30).first == "A" ? "B" : "A") + cursor.dropFirst(31)
        #expect(try await a.get("/v1/stores?cursor=\(changed)").code == "invalid_cursor")
    }

    @Test(arguments: [("0", 400), ("-1", 400), ("x", 400), ("1", 200), ("200", 200), ("100000", 200)])
    func `a limit is at least one, and a large one is cut`(limit: String, status: Int) async throws {
        let tenant = try await TestTenant.make()
        #expect(try await tenant.get("/v1/stores?limit=\(limit)").status == status)
    }
}

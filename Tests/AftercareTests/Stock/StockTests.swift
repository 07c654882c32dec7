import Foundation
import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// `/v1/stores/{store_id}/stock`, over real HTTP.
@Suite struct `Stock` {
    private func putMany(_ tenant: TestTenant, _ levels: [JSON]) async throws -> Answer {
        try await tenant.send("PUT", "/v1/stores/\(tenant.store)/stock", ["levels": .array(levels)])
    }

    private func outcomes(_ answer: Answer) -> [String?] {
        answer["results"]?.arrayValue?.map { $0["outcome"]?.stringValue } ?? []
    }

    @Test func `the newest word counts, by the shop's own time`() async throws {
        let tenant = try await TestTenant.make()
        let made = try await tenant.putStock(PartBody.stock)
        #expect(made.status == 201 && made["outcome"] == "created" && made.header("ETag") == "\"v1\"", "\(made.json)")
        #expect(made["stock"]?["sku"] == "JK-1" && made["stock"]?["location"] == "" && made["stock"]?["available"] == 7)
        #expect(made.header("Location") == "/v1/stores/\(tenant.store)/stock?sku=JK-1")
        #expect(try await tenant.putStock(PartBody.stock)["outcome"] == "unchanged")
        let sold: JSON = ["as_of": "2026-05-05T10:00:00Z", "available": -2]
        let updated = try await tenant.putStock(sold)
        #expect(updated.status == 200 && updated["outcome"] == "updated" && updated["stock"]?["version"] == 2)
        let stale = try await tenant.putStock(PartBody.stock)
        #expect(stale["outcome"] == "stale" && stale["stock"] == updated["stock"])
        let other = try await tenant.putStock(PartBody.stock.with("location", "Graz"))
        #expect(other.status == 201 && other["stock"]?["location"] == "Graz")
        #expect(try await tenant.putStock(sold, headers: [("If-Match", "\"v1\"")]).status == 412)
        #expect(try await tenant.putStock(sold, headers: [("If-Match", "\"v2\"")])["outcome"] == "unchanged")
        #expect(try await tenant.putStock(sold, "new", headers: [("If-Match", "*")]).status == 412)
    }

    @Test func `many are told at once, each by itself`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.putStock(PartBody.stock.with("as_of", "2026-05-05T10:00:00Z"), "B")
        let a = PartBody.stock.with("sku", "A")
        let levels: [JSON] = [
            a, a.with("sku", "B"), a.with("location", "Graz"), a.with("available", 1), a.with("sku", nil), 1,
            a.with("sku", "C").with("available", "none").with("colour", "red"),
        ]
        let first = try await putMany(tenant, levels)
        let rejected = [String?](repeating: "rejected", count: 4)
        #expect(first.status == 207 && outcomes(first) == ["created", "stale", "created"] + rejected, "\(first.json)")
        let results = first["results"]?.arrayValue ?? []
        #expect(results.map { $0["status"] } == [201, 200, 201, 422, 422, 422, 422])
        func pointers(_ index: Int) -> Set<String> {
            Set(results[index]["problem"]?["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? [])
        }
        #expect(pointers(3) == ["#/sku"] && pointers(4) == ["#/sku"] && pointers(5) == ["#"])
        #expect(pointers(6) == ["#/available", "#/colour"] && results[6]["sku"] == "C" && results[5]["sku"] == .null)
        #expect(outcomes(try await putMany(tenant, levels)) == ["unchanged", "stale", "unchanged"] + rejected)
        let thousand = (0..<1000).map { PartBody.stock.with("sku", .string("S-\($0)")) }
        #expect(outcomes(try await putMany(tenant, thousand)).allSatisfy { $0 == "created" })
        #expect(try await putMany(tenant, thousand + [a]).pointers == ["#/levels"])
    }

    @Test func `it is listed page by page, and by variant`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await putMany(tenant, ["A", "B", "C"].map { PartBody.stock.with("sku", $0.json) })
        _ = try await tenant.putStock(PartBody.stock.with("location", "Graz"), "A")
        let path = "/v1/stores/\(tenant.store)/stock"
        #expect(try await tenant.list("\(path)?sku=A").map { $0["location"] } == ["Graz", ""])
        var (seen, next): ([String], String?) = ([], "\(path)?limit=3")
        while let page = next {
            let answer = try await tenant.get(page)
            seen += answer["data"]?.arrayValue?.compactMap { $0["sku"]?.stringValue } ?? []
            next = answer["next_cursor"]?.stringValue.map { "\(path)?limit=3&cursor=\($0)" }
        }
        #expect(seen.sorted() == ["A", "A", "B", "C"])
        let stranger = try await TestTenant.make()
        #expect(try await stranger.get(path).status == 404)
        #expect(try await stranger.send("PUT", path, ["levels": [PartBody.stock.with("sku", "A")]]).status == 404)
        #expect(try await stranger.send("PUT", "\(path)/A", PartBody.stock).status == 404)
        let other = try await tenant.key([.ordersRead, .ordersWrite], store: try await tenant.addStore())
        #expect(try await tenant.get(path, as: other).status == 404)
        #expect(try await tenant.send("PUT", "\(path)/A", PartBody.stock, as: other).status == 404)
        let reader = try await tenant.key([.ordersRead])
        #expect(try await tenant.send("PUT", "\(path)/A", PartBody.stock, as: reader).status == 403)
    }

    @Test func `everything wrong is said at once`() async throws {
        let tenant = try await TestTenant.make()
        let wrong = try await tenant.putStock(["available": 1.5, "location": 1, "colour": "red"])
        #expect(Set(wrong.pointers) == ["#/as_of", "#/available", "#/location", "#/colour"], "\(wrong.json)")
        let ahead = (tenant.server.environment.clock.now() + .seconds(100_000)).rfc3339
        #expect(try await tenant.putStock(PartBody.stock.with("as_of", .string(ahead))).pointers == ["#/as_of"])
        let long = try await tenant.putStock(PartBody.stock, String(repeating: "x", count: 256))
        #expect(long.status == 400 && long["errors"]?[0]?["parameter"] == "sku")
        #expect(try await putMany(tenant, []).pointers == ["#/levels"])
        #expect(try await tenant.list("/v1/stores/\(tenant.store)/stock").isEmpty)
    }

    @Test func `from many at once one word holds, and nobody waits in a circle`() async throws {
        let tenant = try await TestTenant.make()
        let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
            for round in 0..<8 {
                group.addTask {
                    let levels = (0..<40).map {
                        PartBody.stock.with("sku", .string("S-\($0)")).with(
                            "available",
                            .number(JSONNumber(Int64(round)))
                        )
                        .with("as_of", .string("2026-05-04T10:00:0\(round)Z"))
                    }
                    return try await putMany(tenant, round % 2 == 0 ? levels : levels.reversed())
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0.status == 207 })
        #expect(answers.flatMap(outcomes).count { $0 == "created" } == 40)
        let levels = try await tenant.list("/v1/stores/\(tenant.store)/stock?limit=200")
        #expect(levels.count == 40 && levels.allSatisfy { $0["available"] == 7 })
    }
}

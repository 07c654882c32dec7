import Foundation
import JSON
import Postgres
import Testing
import Time

@testable import Aftercare

/// `PUT /v1/stores/{store_id}/returns/by-external-id/{external_id}`, over real HTTP.
@Suite struct `Returns that are put` {
    // domain.md 5, case 18.
    @Test func `the shop announces three, the warehouse counts two, and then the third`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.put(PutBody.order)
        let made = try await tenant.putReturn(ReturnBody.put)
        #expect(made.status == 201 && made["outcome"] == "created", "\(made.json)")
        let id = try #require(made["return"]?["id"]?.stringValue)
        #expect(made.header("Location") == "/v1/returns/\(id)" && made.header("ETag") == "\"v1\"")

        let two = try await tenant.putReturn(ReturnBody.receipt(2, at: 0))
        #expect(two["outcome"] == "updated" && two["return"]?["state"] == "partially_received", "\(two.json)")
        #expect(two["return"]?["received_quantity"] == 2 && two["return"]?["announced_quantity"] == 3)
        #expect(two["return"]?["lines"]?[0]?["reason"] == "defective")
        let three = try await tenant.putReturn(ReturnBody.receipt(3, at: 9))
        #expect(three["return"]?["state"] == "received" && three["return"]?["version"] == 3)

        // The earlier count once more, late.
        #expect(try await tenant.putReturn(ReturnBody.receipt(2, at: 0))["outcome"] == "stale")
        let again = try await tenant.putReturn(ReturnBody.receipt(3, at: 9))
        #expect(again["outcome"] == "unchanged" && again["return"] == three["return"])
        try await tenant.settle()
        #expect(try await tenant.returnFacts() == ["return_received R-1", "return_requested R-1"])
        #expect(try await tenant.list("/v1/orders").first?["return_status"] == "in_progress")
        #expect(try await tenant.get("/v1/returns/\(id)", headers: [("If-None-Match", "\"v3\"")]).status == 304)
    }

    // domain.md 5, case 18.
    @Test func `what comes back without having been announced is counted, and not taken for all of it`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.put(PutBody.order)
        let parcel = ReturnBody.receipt(2, at: 0).with("order_external_id", "A-1")
        let made = try await tenant.putReturn(parcel, "WH-77")
        #expect(made.status == 201 && made["return"]?["state"] == "partially_received", "\(made.json)")
        #expect(made["return"]?["received_quantity"] == 2 && made["return"]?["announced_quantity"] == 0)
        #expect(made["return"]?["lines"]?[0]?["quantity"] == .null)
        #expect(try await tenant.returnFacts() == ["return_received WH-77"])
        // Announced afterwards, it is all there.
        let announced = ReturnBody.put.with("lines", [["external_id": "L-1", "quantity": 2]])
        #expect(try await tenant.putReturn(announced, "WH-77")["return"]?["state"] == "received")
    }

    @Test func `the axis follows from the returns, whatever the order's body says of it`() async throws {
        let tenant = try await TestTenant.make()
        _ = try await tenant.put(PutBody.order.with("return_status", "failed"))
        #expect(try await tenant.list("/v1/orders").first?["return_status"] == "failed")
        _ = try await tenant.putReturn(ReturnBody.put)
        #expect(try await tenant.list("/v1/orders").first?["return_status"] == "requested")
        let later = try await tenant.put(PutBody.order.with("as_of", "2026-05-06T10:00:00Z"))
        #expect(later["outcome"] == "updated" && later["order"]?["return_status"] == "requested")
    }

    @Test func `a return of an order nobody knows makes its place, and history starts nothing`() async throws {
        let tenant = try await TestTenant.make()
        let made = try await tenant.putReturn(ReturnBody.put.with("historical", true))
        let order = try #require(made["return"]?["order_id"]?.stringValue)
        let known = try await tenant.get("/v1/orders/\(order)")
        #expect(known["external_id"] == "A-1" && known["is_complete"] == false && known["historical"] == true)
        let jobs = try await tenant.rows("SELECT id FROM jobs WHERE tenant_id = \(tenant.id.uuid)")
        #expect(jobs.isEmpty)
        // A word that is not history makes the order a living one.
        _ = try await tenant.putReturn(ReturnBody.receipt(1, at: 0))
        #expect(try await tenant.get("/v1/orders/\(order)")["historical"] == false)
    }

    @Test func `a return is of one order, which the first body names`() async throws {
        let tenant = try await TestTenant.make()
        let nameless = try await tenant.putReturn(ReturnBody.receipt(1, at: 0))
        #expect(nameless.status == 422 && nameless["errors"]?[0]?["pointer"] == "#/order_external_id")
        #expect(try await tenant.list("/v1/returns").isEmpty)
        _ = try await tenant.putReturn(ReturnBody.put)
        #expect(try await tenant.putReturn(ReturnBody.receipt(1, at: 0)).status == 200)
        let other = try await tenant.putReturn(ReturnBody.put.with("order_external_id", "A-2"))
        #expect(other.status == 422 && other["errors"]?[0]?["code"] == "unknown_value")
    }

    @Test func `everything wrong is said at once`() async throws {
        let tenant = try await TestTenant.make()
        let wrong: JSON = [
            "as_of": "yesterday", "state": "teleported", "outcome": "applause", "label_url": "ftp://x",
            "requested_at": 1, "colour": "red",
            "lines": [
                ["external_id": "1"], ["external_id": "2", "quantity": -1],
                ["external_id": "1", "received_quantity": 1],
            ],
        ]
        let refused = try await tenant.putReturn(wrong)
        #expect(refused.status == 422)
        let pointers = Set(refused["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? [])
        #expect(
            pointers.isSuperset(of: [
                "#/as_of", "#/state", "#/outcome", "#/label_url", "#/requested_at", "#/colour", "#/lines/1/quantity",
            ]),
            "\(pointers)"
        )
        let twice = ReturnBody.put.with(
            "lines",
            [["external_id": "1", "quantity": 1], ["external_id": "1", "received_quantity": 1], ["external_id": "2"]]
        )
        let doubled = try await tenant.putReturn(twice)
        #expect(doubled["errors"]?[0]?["pointer"] == "#/lines/1/external_id", "\(doubled.json)")
        let bare = try await tenant.putReturn(ReturnBody.put.with("lines", [["external_id": "2"]]))
        #expect(bare["errors"]?[0]?["pointer"] == "#/lines/0/quantity", "\(bare.json)")
        let raw = try await tenant.putReturn(["as_of": "2026-05-04T10:00:00Z", "state_raw": "x"])
        #expect(raw["errors"]?[0]?["pointer"] == "#/state_raw", "\(raw.json)")
        let future = (tenant.server.environment.clock.now() + .seconds(100_000)).rfc3339
        let early = try await tenant.putReturn(ReturnBody.put.with("as_of", .string(future)))
        #expect(early["errors"]?[0]?["pointer"] == "#/as_of" && early["errors"]?[0]?["code"] == "out_of_range")
    }

    @Test func `another's store is not there, and a reader may not write`() async throws {
        let tenant = try await TestTenant.make()
        let stranger = try await TestTenant.make()
        let path = "/v1/stores/\(tenant.store)/returns/by-external-id/R-1"
        #expect(try await stranger.send("PUT", path, ReturnBody.put).status == 404)
        #expect(try await tenant.send("PUT", path, ReturnBody.put, as: tenant.signIn(.viewer)).status == 403)
        let none = try await tenant.send("PUT", path, ReturnBody.put, headers: [("If-Match", "*")])
        #expect(none.status == 412)
    }
}

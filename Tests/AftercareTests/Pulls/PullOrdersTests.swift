import FoundationEssentials
import JSON
import Postgres
import Support
import Testing
import Time

@testable import Aftercare

/// Pulls through the whole program, from a shop that speaks WooCommerce's REST API over local HTTP.
@Suite(.timeLimit(.minutes(3))) struct `Pulling from a shop` {
    // MARK: Missed

    // domain.md 5, case 10.
    @Test func `an order whose webhook was missed is found, and raises its facts`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop)
            try await tenant.settle()
            let before = tenant.realNow
            shop.put(WooOrder.young(727, at: before))
            let pull = try await connected.pull(.reconcile)
            #expect(pull["failure"] == .null && pull["changed"] == 1 && pull["orders"] == 1)
            #expect(pull["newest_seen"]?.stringValue?.prefix(19) == WooOrder.gmt(before).stringValue?.prefix(19))
            let order = try await connected.order()
            #expect(order.status == 200 && order["historical"] == false && order["financial_status"] == "paid")
            #expect(try await tenant.factKeys() == ["order_paid order", "order_placed order"])
            #expect(try await tenant.pulledEvents() == ["pull/order applied"])
            let verified = try #require(try await connected.verifiedAt())
            #expect(verified >= before && verified <= tenant.realNow)
            // Nothing new the next time, and the order is compared all the same.
            try await connected.pull(.reconcile)
            #expect(try await tenant.pulledEvents() == ["pull/order applied"])
            #expect(try #require(try await connected.verifiedAt()) > verified)
            #expect(try await connected.order()["version"] == order["version"])
        }
    }

    // domain.md 5, cases 10 and 25; 4, pain 3.
    @Test func `orders from before the connection are history, and those since are living ones`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            let start = tenant.realNow - .seconds(3600)
            shop.put(WooOrder.body(1, at: start - .seconds(86_400), []))
            shop.put(WooOrder.young(2, at: start + .seconds(60)))
            try await connected.giveCredentials()
            try await tenant.settle()
            #expect(try await connected.order(1)["historical"] == true)
            #expect(try await connected.order(2)["historical"] == false)
            #expect(try await tenant.factKeys(1) == ["order_paid order", "order_placed order"])
            let all = try await connected.pulls()
            #expect(all["sweep"]?["orders"] == 2 && all["sweep"]?["last_succeeded_at"]?.stringValue != nil)
            #expect(all["reconcile"]?["orders"] == 1)
            #expect(try await tenant.get("/v1/messages")["data"] == [])
            // What happens to the old one from now on counts.
            let parcel = WooOrder.parcel("a", shippedOn: "\((tenant.realNow.microseconds / 1_000_000))")
            shop.put(
                WooOrder.body(
                    1,
                    at: tenant.realNow,
                    [
                        ("meta_data", WooOrder.tracking(parcel)),
                        ("date_created_gmt", WooOrder.gmt(start - .seconds(93_600))),
                    ]
                )
            )
            try await connected.pull(.reconcile)
            let moved = try await connected.order(1)
            #expect(moved["historical"] == false, "\(moved.json)")
            #expect(try await tenant.factKeys(1).contains("shipped a"))
        }
    }

    // domain.md 4, pain 10; 5, case 10.
    @Test func `items that changed without a new time are found by the sweep`() async throws {
        try await WooCommerceShop.run { shop in
            // Whatever the hashes of the two are.
            for quantity in 2...5 {
                let tenant = try await TestTenant.make()
                let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
                let at = tenant.realNow - .seconds(1800)
                let told = WooOrder.young(700 + quantity, at: at)
                shop.put(told)
                try await connected.post("order.created", told)
                try await connected.giveCredentials()
                try await tenant.settle()
                let line: JSON = [
                    "id": 31, "name": "Rain jacket", "quantity": .number(JSONNumber(quantity)), "price": 39.9,
                ]
                shop.put(told.with("line_items", [line]))
                try await connected.pull(.sweep)
                let order = try await connected.order(700 + quantity)
                #expect(order["lines"]?.arrayValue?.map { $0["quantity"] } == [.number(JSONNumber(quantity))])
                // And back again: what was told before is told anew.
                shop.put(told)
                try await connected.pull(.sweep)
                #expect(try await connected.order(700 + quantity)["lines"]?.arrayValue?.count == 2)
                #expect(try await tenant.factKeys(700 + quantity) == ["order_paid order", "order_placed order"])
                shop.delete(700 + quantity)
            }
        }
    }

    // domain.md 4, pain 11; 5, cases 10 and 12.
    @Test func `a refund is verified when it is asked about, and one that is taken back is found`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            let at = tenant.realNow - .seconds(600)
            let refunds: JSON = [WooOrder.refund(801, "10.00"), WooOrder.refund(802, "5.00")]
            let told = WooOrder.young(727, at: at, [("refunds", refunds)])
            shop.put(told)
            shop.putRefund(801, of: 727, amount: "10.00", isPaid: true, at: at)
            shop.putRefund(802, of: 727, amount: "5.00", isPaid: false, at: at)
            try await connected.post("order.updated", told)
            try await tenant.settle()
            func states() async throws -> [String: JSON?] {
                let refunds = try await connected.order()["refunds"]?.arrayValue ?? []
                return Dictionary(
                    uniqueKeysWithValues: refunds.map { ($0["external_id"]?.stringValue ?? "", $0["state"]) }
                )
            }
            #expect(try await states() == ["801": "recorded_unverified", "802": "recorded_unverified"])
            try await connected.giveCredentials()
            try await tenant.settle()
            #expect(try await states() == ["801": "succeeded", "802": "recorded_unverified"])
            #expect(try await tenant.factKeys().contains("refund_succeeded 801"))
            // WooCommerce gives the order no new time.
            shop.put(told.with("refunds", [WooOrder.refund(801, "10.00")]))
            try await connected.pull(.sweep)
            #expect(try await states() == ["801": "succeeded", "802": "removed"])
            // A late webhook that still has it says nothing new.
            try await connected.post("order.updated", told)
            try await tenant.settle()
            #expect(try await states() == ["801": "succeeded", "802": "removed"])
        }
    }

    // domain.md 5, cases 1 and 10.
    @Test func `an order that is gone is deleted, and one that is back is restored`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            let orders = (1...25).map { WooOrder.young($0, at: tenant.realNow - .seconds(1200 - $0)) }
            for order in orders {
                shop.put(order)
                try await connected.post("order.created", order)
            }
            // Not through this connection: not the shop's to delete.
            _ = try await tenant.put(PutBody.order, "A-1")
            try await connected.giveCredentials()
            try await tenant.settle()
            for id in 1...23 { shop.delete(id) }
            shop.put(orders[23].with("status", "trash"))
            let sweep = try await connected.pull(.sweep)
            #expect(sweep["missing"] == 23 && sweep["orders"] == 1 && sweep["failure"] == .null)
            for id in [1, 23, 24] { #expect(try await connected.order(id)["lifecycle_status"] == "deleted") }
            #expect(try await connected.order(25)["lifecycle_status"] == "open")
            let put = try await tenant.get("/v1/stores/\(tenant.store)/orders/by-external-id/A-1")
            #expect(put["lifecycle_status"] == "open")
            // Once.
            let count = try await tenant.pulledEvents().count
            #expect(try await connected.pull(.sweep)["changed"] == 0)
            #expect(try await tenant.pulledEvents().count == count)

            shop.put(orders[0])
            shop.put(orders[23])
            try await connected.pull(.sweep)
            for id in [1, 24] { #expect(try await connected.order(id)["lifecycle_status"] == "open") }
            #expect(try await connected.order(2)["lifecycle_status"] == "deleted")
        }
    }

    @Test func `a sweep over what is known changes nothing, however often`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop)
            try await tenant.settle()
            for id in 1...120 { shop.put(WooOrder.young(id, at: tenant.realNow - .seconds(500 - id))) }
            // What cannot be understood is there too.
            shop.put(WooOrder.young(121, at: tenant.realNow, [("date_created_gmt", "2999-01-01"), ("line_items", 7)]))
            shop.put(WooOrder.young(122, at: tenant.realNow, [("status", "checkout-draft")]))
            #expect(try await connected.pull(.sweep)["changed"] == 122)
            let states = Dictionary(grouping: try await tenant.pulledEvents()) { $0 }.mapValues(\.count)
            #expect(states == ["pull/order applied": 120, "pull/order quarantined": 1, "pull/order ignored": 1])
            let facts = try await tenant.factKeys(7)
            let runs: SQL = "SELECT id FROM runs WHERE tenant_id = \(tenant.id.uuid)"
            let decided = try await tenant.rows(runs).count
            for _ in 0..<2 {
                let sweep = try await connected.pull(.sweep)
                // Where one page ends and the next begins, an order is listed twice.
                let orders = try #require(sweep["orders"]?.int64Value)
                #expect(sweep["changed"] == 0 && (122...126).contains(orders) && sweep["pages"] == 3)
            }
            #expect(try await tenant.pulledEvents().count == 122)
            #expect(try await tenant.factKeys(7) == facts)
            #expect(try await tenant.rows(runs).count == decided)
        }
    }

    // MARK: Begun, and not

    @Test func `a connection that is not in use, or has no credentials, is not asked`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            let path = "/v1/connections/\(connected.connection)"
            shop.put(WooOrder.young(727, at: tenant.realNow))
            #expect(try await tenant.send("POST", path + "/pulls", ["kind": "sweep"]).code == "state_conflict")
            _ = try await tenant.send("PATCH", path, ["state": "disabled"])
            try await connected.giveCredentials()
            try await tenant.settle()
            #expect(try await tenant.send("POST", path + "/pulls", ["kind": "sweep"]).code == "state_conflict")
            #expect(shop.requests.isEmpty)
            _ = try await tenant.send("PATCH", path, ["state": "active"])
            try await tenant.settle()
            #expect(try await connected.order().status == 200)
            #expect(try await tenant.send("DELETE", path + "/credentials").status == 204)
            shop.forgetRequests()
            #expect(try await tenant.send("POST", path + "/pulls", ["kind": "sweep"]).status == 409)
            #expect(shop.requests.isEmpty)
        }
    }

    @Test func `a webhook's header makes no pull of it`() async throws {
        try await WooCommerceShop.run { shop in
            let tenant = try await TestTenant.make()
            let connected = try await WooShop.connectEarlier(tenant, to: shop, asks: false)
            try await connected.post("order.created", WooOrder.body())
            for topic in PullTopic.allCases { try await connected.post(topic.rawValue, ["id": 727]) }
            try await tenant.settle()
            #expect(try await connected.order()["lifecycle_status"] == "open")
            let page = try await tenant.get("/v1/inbound-events?state=ignored")
            let ignored = page["data"]?.arrayValue ?? []
            #expect(ignored.map { $0["reason"] } == Array(repeating: "unknown_topic", count: 3), "\(page.json)")
            #expect(ignored.allSatisfy { $0["via"] == "webhook" })
        }
    }

    /// A page that was compared with every order of a store took a tenth of a second where there are a hundred thousand.
    @Test func `what is known of a page is read by indexes`() async throws {
        let tenant = try await TestTenant.make()
        let statement = PulledOrderStore.known(
            ["1", "2", "3"],
            tenant: tenant.id,
            store: tenant.store,
            connection: tenant.demo.connection
        )
        let plan = try await tenant.plan(of: statement)
        #expect(plan.filter { $0.contains("Seq Scan") || $0.contains("Materialize") } == [])
        #expect(plan.count { $0.contains("Limit") } == 3, "\(plan)")
    }
}

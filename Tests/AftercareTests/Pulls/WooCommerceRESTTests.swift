import Curl
import Foundation
import JSON
import Observability
import Support
import Testing
import Time

@testable import Aftercare

/// The connector alone, against a shop that speaks WooCommerce's REST API over local HTTP.
@Suite struct `WooCommerce, asked` {
    private let onThisMachine = Outbound(allowsPrivateAddresses: true)

    private func source(_ shop: WooCommerceShop, deadline: Duration = .seconds(20)) -> WooCommerceREST {
        WooCommerceREST(
            site: shop.account,
            consumerKey: WooCommerceShop.key,
            consumerSecret: Secret(WooCommerceShop.secret),
            transport: ShopTransport(outbound: onThisMachine, origin: TestServer.shopOrigin, deadline: deadline)
        )
    }

    /// Every page there is, as ids.
    private func pages(_ source: WooCommerceREST, since: Instant?) async throws -> [[String]] {
        var (pages, cursor): ([[String]], String?) = ([], nil)
        repeat {
            let page = try await source.orders(updatedSince: since, after: cursor)
            pages.append(page.orders.map(\.externalID))
            cursor = page.next
        } while cursor != nil && pages.count < 100
        return pages
    }

    @Test func `an order is told as the shop has it, and one that is not there as nil`() async throws {
        try await WooCommerceShop.run { shop in
            shop.put(WooOrder.body(727))
            let order = try #require(try await source(shop).order("727"))
            let body = try JSON(parsing: order.body)
            #expect(order.externalID == "727" && body == WooOrder.body(727))
            #expect(try await source(shop).order("728") == nil)
            #expect(shop.requests == ["/shop/wp-json/wc/v3/orders/727", "/shop/wp-json/wc/v3/orders/728"])
            // Nobody's id may become another path.
            for id in ["", "7/refunds", "..", "7?context=edit", "A-1"] {
                #expect(try await source(shop).order(id) == nil)
            }
            #expect(shop.requests.count == 2)
        }
    }

    // domain.md 2.3 and 5, case 12.
    @Test func `its refunds come with whether the money was sent`() async throws {
        try await WooCommerceShop.run { shop in
            let refunds: JSON = [
                WooOrder.refund(801, "10.00"), WooOrder.refund(802, "5.00"), WooOrder.refund(803, "1.00"),
            ]
            shop.put(WooOrder.body(727, minute: 5, ("refunds", refunds)))
            shop.putRefund(801, of: 727, amount: "10.00", isPaid: true, at: WooOrder.tenOClock)
            shop.putRefund(802, of: 727, amount: "5.00", isPaid: false, at: WooOrder.tenOClock)
            let order = try #require(try await source(shop).order("727"))
            let told = try JSON(parsing: order.body)["refunds"]?.arrayValue ?? []
            #expect(told.map { $0["refunded_payment"] } == [true, false, nil])
            #expect(told.map { $0["total"] } == ["-10.00", "-5.00", "-1.00"])
            let understanding = try WooCommerce.understand(
                pulled: .order,
                body: order.body,
                askedAt: WooOrder.tenOClock
            )
            guard case .changes(let changes) = understanding else { throw NeverHappened(description: "not changes") }
            let outcome = OrderMirror.apply(changes, to: nil, receivedAt: WooOrder.tenOClock)
            #expect(outcome.state.refunds["801"]?.state == .succeeded)
            #expect(outcome.state.refunds["801"]?.moved == Money(amount: 1000, currency: "EUR"))
            #expect(outcome.state.refunds["801"]?.movedAt == WooOrder.tenOClock)
            #expect(outcome.state.refunds["802"]?.state == .recordedUnverified)
            #expect(outcome.state.refunds["803"]?.state == .recordedUnverified)
            #expect(outcome.facts.filter { $0.key.kind == .refundSucceeded }.map(\.key.episode) == ["801"])
        }
    }

    // MARK: Pages

    @Test func `what has changed since a time is listed page by page, from that second on`() async throws {
        try await WooCommerceShop.run { shop in
            for id in 1...120 { shop.put(WooOrder.body(id, at: WooOrder.tenOClock + .seconds(id), [])) }
            let pages = try await pages(source(shop), since: WooOrder.tenOClock + .seconds(11))
            let ids = pages.flatMap { $0 }
            #expect(Set(ids) == Set((11...120).map(String.init)))
            #expect(pages.allSatisfy { $0.count <= WooCommerceREST.pageSize })
            let first = try #require(shop.requests.first)
            #expect(first.contains("modified_after=2026-05-04T10%3A00%3A10&") || first.hasSuffix("T10%3A00%3A10"))
            for part in ["dates_are_gmt=true", "orderby=modified", "order=asc", "per_page=50", "page=1"] {
                #expect(first.contains(part), "\(first)")
            }
        }
    }

    /// domain.md 4, pain 10: by numbers of pages, one would be skipped for each that changes meanwhile.
    @Test func `orders that change while they are listed hide no other`() async throws {
        try await WooCommerceShop.run { shop in
            for id in 1...130 { shop.put(WooOrder.body(id, at: WooOrder.tenOClock + .seconds(id), [])) }
            shop.afterEachRequest { shop, count in
                // The first orders go to the end.
                for id in 1...20 where count == 1 {
                    shop.put(WooOrder.body(id, at: WooOrder.tenOClock + .seconds(1000 + id), []))
                }
            }
            let ids = try await pages(source(shop), since: WooOrder.tenOClock).flatMap { $0 }
            #expect(Set(ids) == Set((1...130).map(String.init)))
            #expect(ids.last == "20")
        }
    }

    @Test func `more orders of one second than go on a page are all listed`() async throws {
        try await WooCommerceShop.run { shop in
            for id in 1...170 { shop.put(WooOrder.body(id, at: WooOrder.tenOClock, [])) }
            for id in 171...190 { shop.put(WooOrder.body(id, minute: 1)) }
            for since in [WooOrder.tenOClock, nil] {
                let ids = try await pages(source(shop), since: since).flatMap { $0 }
                #expect(Set(ids) == Set((1...190).map(String.init)), "\(String(describing: since))")
            }
        }
    }

    @Test func `all there are are listed by when they were made, and an empty shop has one page`() async throws {
        try await WooCommerceShop.run { shop in
            #expect(try await pages(source(shop), since: nil) == [[]])
            for id in 1...100 { shop.put(WooOrder.body(id, at: WooOrder.tenOClock + .seconds(id), [])) }
            shop.put(WooOrder.body(101, minute: 9, ("status", "trash")))
            shop.forgetRequests()
            let ids = try await pages(source(shop), since: nil).flatMap { $0 }
            #expect(Set(ids) == Set((1...100).map(String.init)))
            #expect(shop.requests.allSatisfy { $0.contains("orderby=date&") && !$0.contains("modified") })
        }
    }

    @Test func `a cursor of somebody else's is refused, and asks nothing`() async throws {
        try await WooCommerceShop.run { shop in
            for cursor in ["", "2", "- 0", "yesterday 1", "- 1 2", "gid://shopify/Order/1"] {
                await #expect(throws: PullFailure.unreadable("a cursor that is none of ours"), "\(cursor)") {
                    try await source(shop).orders(updatedSince: nil, after: cursor)
                }
            }
            #expect(shop.requests.isEmpty)
        }
    }

    // MARK: Refusals

    @Test func `each refusal has its name`() async throws {
        let cases: [(WooCommerceShop.Fault, PullFailure)] = [
            (.error(401, "woocommerce_rest_cannot_view"), .unauthorized),
            (.error(401, "woocommerce_rest_authentication_error"), .unauthorized),
            (.error(403, "woocommerce_rest_cannot_view"), .forbidden),
            (.init(status: 403, body: "<html>Forbidden by a firewall</html>"), .forbidden),
            (.error(404, "rest_no_route"), .apiSunset("rest_no_route")),
            (.init(status: 404, body: "<html>Not found</html>"), .apiSunset(nil)),
            (.init(status: 410), .apiSunset(nil)),
            (.init(status: 429, headers: [("Retry-After", "17")]), .throttled(retryAfter: .seconds(17))),
            (
                .init(status: 429, headers: [("Retry-After", "Mon, 23 Nov 2026 10:00:00 GMT")]),
                .throttled(retryAfter: nil)
            ),
            (.init(status: 429), .throttled(retryAfter: nil)),
            (.init(status: 503, headers: [("Retry-After", "600")]), .throttled(retryAfter: .seconds(600))),
            (.init(status: 503), .unavailable("HTTP 503")), (.init(status: 500), .unavailable("HTTP 500")),
            (.init(status: 502, body: "<html>Bad gateway</html>"), .unavailable("HTTP 502")),
            (.init(status: 301, headers: [("Location", "https://elsewhere.example/")]), .unreadable("HTTP 301")),
            (.error(400, "rest_invalid_param"), .unreadable("HTTP 400 rest_invalid_param")),
            (.init(status: 200, body: "<html>Hello</html>"), .unreadable("a body that is no JSON")),
            (.init(status: 200, body: "[{\"id\": 7"), .unreadable("a body that is no JSON")),
            (.init(status: 200, body: "7"), .unreadable("a list that is none")),
            (.init(status: 200, body: "[7]"), .unreadable("an order that is no object")),
            (.init(status: 200, body: "[{}]"), .unreadable("an order without an id")),
        ]
        try await WooCommerceShop.run { shop in
            for one in cases {
                shop.fail(one.0)
                await #expect(throws: one.1, "\(one.0)") {
                    try await source(shop).orders(updatedSince: nil, after: nil)
                }
            }
        }
    }

    @Test func `a byte order mark before an answer is passed over`() async throws {
        try await WooCommerceShop.run { shop in
            let missing = WooCommerceShop.Fault.error(404, "woocommerce_rest_shop_order_invalid_id")
            shop.fail(
                .init(status: 200, body: "\u{FEFF}" + WooOrder.body(727).serialized),
                .init(status: 404, body: "\u{FEFF}" + missing.body)
            )
            let (told, deleted) = (try await source(shop).order("727"), try await source(shop).order("728"))
            #expect(told?.externalID == "727" && deleted == nil)
        }
    }

    @Test func `a shop that does not answer, or is not there, is unavailable`() async throws {
        try await WooCommerceShop.run { shop in
            shop.fail(.silence)
            await #expect(throws: PullFailure.unavailable("no answer in time")) {
                try await source(shop, deadline: .milliseconds(300)).order("727")
            }
        }
        let nobody = WooCommerceREST(
            site: "https://127.0.0.1:1",
            consumerKey: "k",
            consumerSecret: Secret("s"),
            transport: ShopTransport(outbound: onThisMachine, origin: TestServer.shopOrigin)
        )
        await #expect(throws: PullFailure.unavailable("no connection")) { try await nobody.order("727") }
    }

    @Test func `an address that may not be reached is not`() async throws {
        let source = WooCommerceREST(
            site: "https://127.0.0.1:8443",
            consumerKey: "k",
            consumerSecret: Secret("s"),
            transport: ShopTransport(outbound: Outbound())
        )
        let refusal = PullFailure.unavailable("the shop's address has a host that is not on the public Internet")
        await #expect(throws: refusal) { try await source.order("727") }
    }
}

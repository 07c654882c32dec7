import Curl
import JSON
import Observability
import Support
import Synchronization
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify's Admin API` {
    /// A clock that goes when it is told to.
    private final class Clock: Sendable {
        private let instant = Mutex(ContinuousClock.now)
        var now: ContinuousClock.Instant { instant.withLock { $0 } }
        func advance(by duration: Duration) { instant.withLock { $0 += duration } }
    }

    private static func admin(
        _ double: ShopifyAdminDouble,
        token: String = ShopifyAdminDouble.token,
        _ clock: Clock = Clock()
    ) -> ShopifyAdmin {
        let url = double.url
        var transport = ShopTransport(outbound: Outbound(allowsPrivateAddresses: true))
        transport.origin = { $0 == "https://demo.myshopify.com" ? url : "http://127.0.0.1:1" }
        return ShopifyAdmin(
            shop: "demo.myshopify.com",
            accessToken: Secret(token),
            transport: transport,
            now: { clock.now }
        )
    }

    private static func failure(_ body: () async throws(PullFailure) -> Void) async -> PullFailure? {
        do throws(PullFailure) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    private static func changes(_ order: PulledOrder?) throws -> [OrderChange] {
        let order = try #require(order)
        return try ShopifyAdminOrder.changes(BodyReader(order.body), askedAt: Instant(seconds: 1_800_000_000))
    }

    private static func orders(_ count: Int) -> [ShopifyStoreOrder] {
        (1...count).map { ShopifyStoreOrder(id: 1000 + $0, updatedAt: $0) }
    }

    private static func at(_ minute: Int) -> Instant { ShopifyStoreOrder.tenOClock + .seconds(minute * 60) }

    // MARK: One order

    @Test func `one order is fetched by the id that webhooks give it`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        let order = try #require(try await Self.admin(double).order("9107199254740991001"))
        #expect(order.externalID == "9107199254740991001")
        #expect(try Self.changes(order).allSatisfy { $0.order == "9107199254740991001" })
        #expect(double.state.variables.first?["id"] == "gid://shopify/Order/9107199254740991001")
    }

    @Test(arguments: ["", "A-17", "gid://shopify/Order/1", "1 OR 1", "-1", "123456789012345678901"])
    func `an id that Shopify gives to no order is none of its orders, and nothing is asked`(_ id: String) async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        #expect(try await Self.admin(double).order(id) == nil)
        #expect(double.state.asked.isEmpty)
    }

    @Test func `that there is no such order is believed only of a shop that shows old ones too`() async throws {
        let double = try ShopifyAdminDouble()
        let admin = Self.admin(double)
        #expect(try await admin.order("1") == nil)
        double.change { $0.scopes = ["read_orders", "read_customers"] }
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") }
        #expect(failure == .missingScope("read_all_orders"))
    }

    @Test func `lists that are longer than was asked for are fetched to their end`() async throws {
        var order = ShopifyStoreOrder(updatedAt: 9)
        order.lines = (1...230).map { ShopifyStoreOrder.Line(id: $0, title: "Line \($0)") }
        order.parcels = (1...27).map { number in
            let reports = (1...(number == 3 ? 240 : 2)).map {
                ShopifyStoreOrder.Report(id: number * 1000 + $0, status: "in_transit", at: $0)
            }
            return ShopifyStoreOrder.Parcel(id: 20_000 + number, createdAt: 1, updatedAt: 2, reports: reports)
        }
        order.refunds = (1...14).map { number in
            let payments = (1...(number == 12 ? 60 : 1)).map {
                ShopifyStoreOrder.Payment(id: number * 1000 + $0, status: "success", createdAt: 3, processedAt: 4)
            }
            return ShopifyStoreOrder.Refund(id: 40_000 + number, createdAt: 3, payments: payments)
        }
        let double = try ShopifyAdminDouble([order])
        double.change { ($0.size, $0.left) = (1_000_000, 1_000_000) }
        let admin = Self.admin(double)
        let one = try #require(try await admin.order("\(order.id)"))
        let whole = try ShopifyAdminOrder.changes(
            BodyReader(order.answer.serializedBytes),
            askedAt: Instant(seconds: 1_800_000_000)
        )
        #expect(try Set(Self.changes(one)) == Set(whole))
        // On a page less is asked of each order, and the same comes of it.
        let page = try await admin.orders(updatedSince: nil, after: nil)
        #expect(page.orders.map(\.body) == [one.body])
    }

    @Test func `an order that is changed while its rest is fetched is not put together of two`() async throws {
        var order = ShopifyStoreOrder()
        order.lines = (1...120).map { ShopifyStoreOrder.Line(id: $0) }
        var later = order
        later.updatedAt = 1
        let (now, double) = (later, try ShopifyAdminDouble([order]))
        double.change { $0.change = (after: 1, orders: [now]) }
        let admin = Self.admin(double)
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("9107199254740991001") }
        #expect(failure == .unavailable("the order was changed while it was read"))
        #expect(try Self.changes(try await admin.order("9107199254740991001")).count == 1)
    }

    @Test func `the returns of an order come with it where the app may see them, and are not asked for without any`()
        async throws
    {
        var order = ShopifyStoreOrder()
        order.returns = "IN_PROGRESS"
        let id = ShopifyStoreOrder.gid("Order", order.id).stringValue ?? ""
        let returns = (1...7).map { ShopifyStoreOrder.returned($0, "OPEN") }
        let double = try ShopifyAdminDouble([order, ShopifyStoreOrder(id: 1002)])
        double.change { $0.returnsOfOrders = [id: returns] }
        let admin = Self.admin(double)
        func told(_ id: Int) async throws -> [ReturnChange] {
            let order = try #require(try await admin.order("\(id)"))
            return try ShopifyAdminOrder.returns(BodyReader(order.body), askedAt: Self.at(90))
        }
        #expect(try await told(order.id) == [])
        double.change { $0.scopes.append("read_returns") }
        let changes = try await told(order.id)
        #expect(changes.map(\.externalID) == (1...7).map(String.init))
        let first = try #require(changes.first)
        #expect(first.order == "\(order.id)" && first.statement.values.reported == .approved)
        #expect(first.statement.stamp.at == Self.at(90) && first.statement.values.name == "#1001-R1")
        #expect(
            first.statement.values.announced == [
                AnnouncedLine(
                    externalID: "10",
                    orderLine: "31",
                    quantity: 1,
                    reason: "size_too_small",
                    note: "Too tight"
                )
            ]
        )
        #expect(double.state.asked.filter { $0 == "Returns" }.count == 3)
        #expect(try await told(1002) == [] && double.state.asked.last == "Order")
    }

    // MARK: Pages

    @Test func `all orders come once, page by page, those that were changed longest ago first`() async throws {
        let double = try ShopifyAdminDouble(Self.orders(57))
        let admin = Self.admin(double)
        var (ids, cursor, pages): ([String], String?, Int) = ([], nil, 0)
        repeat {
            let page = try await admin.orders(updatedSince: nil, after: cursor)
            ids += page.orders.map(\.externalID)
            (cursor, pages) = (page.next, pages + 1)
            double.change { $0.left = $0.size }
        } while cursor != nil
        #expect(ids == (1...57).map { "\(1000 + $0)" })
        // It asks for as many at once as may cost what one question may.
        #expect(pages < 8 && double.state.variables.first?["first"] == 5)
    }

    @Test func `changed orders are those of that second or later`() async throws {
        let double = try ShopifyAdminDouble(Self.orders(9))
        let admin = Self.admin(double)
        let page = try await admin.orders(updatedSince: Self.at(7) + .milliseconds(900), after: nil)
        #expect(page.orders.map(\.externalID) == ["1007", "1008", "1009"] && page.next == nil)
        #expect(double.state.variables.first?["query"] == "updated_at:>='2026-05-04T10:07:00Z'")
        #expect(try await admin.orders(updatedSince: Self.at(500), after: nil).orders.isEmpty)
    }

    @Test func `a page that costs too much is asked for in halves`() async throws {
        let double = try ShopifyAdminDouble(Self.orders(3))
        double.change { $0.most = 300 }
        let admin = Self.admin(double)
        let page = try await admin.orders(updatedSince: nil, after: nil)
        #expect(page.orders.count >= 1)
        #expect(double.state.variables.compactMap { $0["first"]?.int64Value }.prefix(2) == [5, 2])
        double.change { $0.most = 20 }
        let failure = await Self.failure { () throws(PullFailure) in
            _ = try await admin.orders(updatedSince: nil, after: nil)
        }
        #expect(failure == .unreadable("one order costs more than one question may"))
    }

    @Test func `what is there of a page when the points run out is kept, and the next page begins after it`()
        async throws
    {
        var orders = Self.orders(3)
        orders[1].lines = (1...15).map { ShopifyStoreOrder.Line(id: $0) }
        let double = try ShopifyAdminDouble(orders)
        let admin = Self.admin(double)
        // Enough for the page, and for nothing more.
        double.change { ($0.left, $0.size) = (392, 500) }
        let page = try await admin.orders(updatedSince: nil, after: nil)
        #expect(page.orders.map(\.externalID) == ["1001"])
        double.change { $0.left = 500 }
        let fresh = Self.admin(double)
        let rest = try await fresh.orders(updatedSince: nil, after: page.next)
        #expect(rest.orders.map(\.externalID) == ["1002", "1003"] && rest.next == nil)
    }

    @Test func `a walk that gets longer than the shop leads anybody goes on from the last change`() throws {
        var place = try ShopifyPlace(nil, since: Self.at(0))
        for number in 1..<ShopifyPlace.most { place.pass("c\(number)", changedAt: Self.at(number)) }
        #expect(place.cursor == "c19999" && place.since == Self.at(0))
        #expect(try ShopifyPlace(place.text, since: nil) == place)
        place.pass("last", changedAt: Self.at(ShopifyPlace.most))
        #expect(place.cursor == nil && place.since == Self.at(ShopifyPlace.most) && place.count == 0)
        #expect(try ShopifyPlace(place.text, since: Self.at(0)) == place)
        #expect(throws: PullFailure.self) { try ShopifyPlace("no cursor", since: nil) }
        #expect(try ShopifyPlace("3 - a b c", since: nil).cursor == "a b c")
    }

    // MARK: Points

    @Test func `throttled says how long the bucket takes to fill`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        double.change { ($0.left, $0.perSecond) = (100, 50) }
        let admin = Self.admin(double)
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("9107199254740991001") }
        // 440 points, 100 of which are there.
        #expect(failure == .throttled(retryAfter: .milliseconds(6800)))
    }

    @Test func `what cannot be afforded is not asked`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        double.change { ($0.left, $0.size) = (500, 500) }
        let clock = Clock()
        let admin = Self.admin(double, clock)
        _ = try await admin.order("9107199254740991001")
        // It gave back what it did not cost: 390 of 500 are left, and the question may cost 440.
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("9107199254740991001") }
        #expect(failure == .throttled(retryAfter: .milliseconds(500)))
        #expect(double.state.asked == ["Order"])
        clock.advance(by: .milliseconds(500))
        double.change { $0.left = 450 }
        #expect(try await admin.order("9107199254740991001") != nil)
        #expect(double.state.asked == ["Order", "Order"])
    }

    @Test func `the budget never blocks for good, whatever a shop says of itself`() throws {
        let now = ContinuousClock.now
        let query = ShopifyQuery.order("1", .one)
        for (size, left, rate, requested) in [
            ("1e308", "-1e308", "1e-300", "1e308"), ("0", "0", "0.1", "5"), ("1000", "1e18", "50", "10"),
        ] {
            var budget = ShopifyBudget()
            let json = """
                {"extensions":{"cost":{"requestedQueryCost":\(requested),"throttleStatus":
                 {"maximumAvailable":\(size),"currentlyAvailable":\(left),"restoreRate":\(rate)}}}}
                """
            let cost = try #require(try JSON(parsing: json).objectValue.flatMap { ShopifyCost($0) })
            budget.note(cost, of: query, at: now)
            let wait = budget.take(for: query, at: now)
            #expect(wait.map { $0 <= .seconds(3600) } ?? true)
            #expect((1...25).contains(budget.size(of: query.name)))
        }
    }

    // MARK: Refusals

    @Test func `a token that is not taken is unauthorized`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        let admin = Self.admin(double, token: "shpat_other")
        #expect(await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") } == .unauthorized)
    }

    @Test(arguments: [
        (401, "", PullFailure.unauthorized), (403, "", .forbidden), (430, "", .forbidden),
        (
            403, #"{"errors":"[API] This action requires merchant approval for read_orders scope."}"#,
            .missingScope("read_orders")
        ),
        (402, "", .unavailable("the shop is frozen until it is paid for")),
        (423, "", .unavailable("the shop is locked")),
        (404, #"{"errors":"Not Found"}"#, .apiSunset("2026-07")), (429, "", .throttled(retryAfter: nil)),
        (500, "<html>", .unavailable("status 500")), (503, "", .unavailable("status 503")),
        (301, "", .unavailable("status 301")), (400, "", .unreadable("status 400")),
    ])
    func `a status has its meaning`(_ status: Int, _ body: String, _ failure: PullFailure) async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        double.change { $0.mishaps = [.status(status, body: body)] }
        let admin = Self.admin(double)
        #expect(await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") } == failure)
        double.change { $0.mishaps = [.status(status, body: body)] }
        let page = await Self.failure { () throws(PullFailure) in
            _ = try await admin.orders(updatedSince: nil, after: nil)
        }
        #expect(page == failure)
    }

    @Test(arguments: [("2", Duration.seconds(2)), ("0.5", .milliseconds(500)), ("1e9", .seconds(3600))])
    func `a shop that says when to come again is listened to`(_ header: String, _ wait: Duration) async throws {
        let double = try ShopifyAdminDouble()
        double.change { $0.mishaps = [.status(429, headers: [("Retry-After", header)])] }
        let admin = Self.admin(double)
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") }
        #expect(failure == .throttled(retryAfter: wait))
    }

    @Test(arguments: [
        ("", PullFailure.unreadable("no JSON object")), ("[]", .unreadable("no JSON object")),
        ("{}", .unreadable("no data")), (#"{"data":null}"#, .unreadable("no data")),
        (#"{"data":{}}"#, .unreadable("no order")), (#"{"data":{"order":7}}"#, .unreadable("no order")),
        (#"{"data":{"order":{}}}"#, .unreadable("an order without an id")),
        (#"{"data":{"order":{"id":"gid://shopify/Order/1"}}}"#, .unreadable("no list of an order's")),
        (
            #"{"errors":"Internal Server Error. Please contact partners@example.com"}"#,
            .unreadable("an error without a code")
        ),
        (#"{"errors":[{"message":"Throttled"}]}"#, .throttled(retryAfter: nil)),
        (#"{"errors":[{"extensions":{"code":"SHOP_INACTIVE"}}]}"#, .unavailable("the shop is not active")),
        (#"{"errors":[{"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#, .unavailable("an error within the shop")),
        (#"{"errors":[{"extensions":{"code":"undefinedField"}}]}"#, .unreadable("undefinedField")),
        (#"{"errors":[{"extensions":{"code":"ACCESS_DENIED"}}],"data":{"order":null}}"#, .missingScope(nil)),
    ])
    func `a body has its meaning`(_ body: String, _ failure: PullFailure) async throws {
        let double = try ShopifyAdminDouble()
        double.change { $0.mishaps = [.body(body)] }
        let admin = Self.admin(double)
        #expect(await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") } == failure)
    }

    @Test func `a scope that is missing is named, and nothing is made of the rest of the answer`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        let admin = Self.admin(double)
        double.change { $0.mishaps = [.denied("orders", scope: "read_orders"), .partial] }
        let denied = await Self.failure { () throws(PullFailure) in
            _ = try await admin.orders(updatedSince: nil, after: nil)
        }
        #expect(denied == .missingScope("read_orders"))
        let partial = await Self.failure { () throws(PullFailure) in _ = try await admin.order("9107199254740991001") }
        #expect(partial == .unavailable("an error within the shop"))
    }

    // domain.md 5, Ingest 11.
    @Test func `a version that is served no more is noticed by who answers in its place`() async throws {
        let double = try ShopifyAdminDouble([ShopifyStoreOrder()])
        let admin = Self.admin(double)
        _ = try await admin.order("9107199254740991001")
        #expect(admin.otherVersion == nil)
        double.change { $0.version = "2026-10" }
        _ = try await admin.order("9107199254740991001")
        #expect(admin.otherVersion == "2026-10")
    }

    @Test func `a shop that cannot be reached is unavailable`() async throws {
        var transport = ShopTransport(outbound: Outbound(allowsPrivateAddresses: true))
        transport.origin = { _ in "http://127.0.0.1:1" }
        let admin = ShopifyAdmin(shop: "demo.myshopify.com", accessToken: Secret("t"), transport: transport)
        let failure = await Self.failure { () throws(PullFailure) in _ = try await admin.order("1") }
        guard case .unavailable? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }

    @Test func `every fragment a document spreads is in it, and no other`() throws {
        let queries = [
            ShopifyQuery.order("1", .one), .orders(since: nil, after: nil, first: 1, .each),
            .lines(ofOrder: "1", after: ""),
            .events(ofFulfillment: "1", after: ""), .payments(ofRefund: "1", after: ""), .parts(ofOrder: "1"),
            .fulfillments([], .one), .refunds([], .one),
        ]
        for query in queries {
            let words = query.document.split { " \n(){}".contains($0) }.map(String.init)
            let spread = Set(words.filter { $0.hasPrefix("...") && $0.count > 3 }.map { String($0.dropFirst(3)) })
            let there = Set(words.indices.filter { words[$0] == "fragment" }.map { words[$0 + 1] })
            #expect(spread == there, "\(query.name)")
            #expect(query.document.count { $0 == "{" } == query.document.count { $0 == "}" })
            #expect(words.contains(query.name))
            // Each variable is declared, used and given.
            let used = Set(words.filter { $0.hasPrefix("$") }.map { $0.filter { $0 != ":" && $0 != "," } })
            #expect(used == Set((query.variables.objectValue ?? [:]).names.map { "$\($0)" }), "\(query.name)")
        }
    }
}

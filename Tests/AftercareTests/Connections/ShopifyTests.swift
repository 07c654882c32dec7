import Foundation
import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Shopify webhooks` {
    private static let receivedAt = Instant(seconds: 1_780_000_000)

    private static func understand(_ topic: String, _ body: String) throws(Poison) -> Understanding {
        try Shopify.understand(topic: topic, body: Array(body.utf8), receivedAt: receivedAt)
    }

    private static func statement(_ body: String) throws -> OrderStatement {
        var statements: [OrderStatement] = []
        if case .changes(let changes) = try understand("orders/updated", body) {
            for case .order(let statement) in changes.map(\.content) { statements.append(statement) }
        }
        return try #require(statements.first)
    }

    // MARK: Topics

    @Test func `every topic of the list is known by its name`() {
        let names = ShopifyTopic.allCases.map(\.rawValue)
        #expect(names.count { $0.hasPrefix("fulfillment_orders/") } == 20)
        #expect(names.count == 58)
        for name in [
            "orders/create", "orders/updated", "orders/edited", "orders/paid", "orders/partially_fulfilled",
            "orders/fulfilled", "orders/cancelled", "orders/delete", "orders/risk_assessment_changed",
            "refunds/create", "order_transactions/create", "fulfillments/create", "fulfillments/update",
            "fulfillment_events/create", "fulfillment_events/delete", "fulfillment_holds/added",
            "fulfillment_holds/released", "returns/request", "returns/approve", "returns/decline", "returns/cancel",
            "returns/close", "returns/reopen", "returns/update", "reverse_deliveries/attach_deliverable",
            "reverse_fulfillment_orders/dispose", "disputes/create", "disputes/update", "customers/create",
            "customers/update", "customers/delete", "customers/merge", "customers_email_marketing_consent/update",
            "app/uninstalled", "shop/update", "customers/data_request", "customers/redact", "shop/redact",
        ] { #expect(names.contains(name)) }
    }

    @Test func `the topics that are applied are these`() {
        let applied = ShopifyTopic.allCases.filter {
            if case .ignored = $0.handling { false } else { true }
        }
        #expect(
            Set(applied.map(\.rawValue)) == [
                "orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled",
                "orders/partially_fulfilled", "fulfillments/create", "fulfillments/update", "fulfillment_events/create",
                "orders/delete", "orders/risk_assessment_changed", "app/uninstalled",
                "refunds/create", "order_transactions/create",
                "returns/request", "returns/approve", "returns/decline", "returns/cancel", "returns/close",
                "returns/reopen", "returns/update", "reverse_deliveries/attach_deliverable",
                "disputes/create", "disputes/update", "customers/create", "customers/update", "customers/delete",
                "customers/merge", "customers_email_marketing_consent/update", "customers/data_request",
                "customers/redact", "shop/redact",
            ]
        )
    }

    // domain.md 5, Ingest 1. The body of a deletion has an id and no time.
    @Test func `a deleted order stays deleted, whatever comes late and in whatever order`() throws {
        func changes(_ topic: String, _ body: String) throws -> [OrderChange] {
            guard case .changes(let changes) = try Self.understand(topic, body) else { return [] }
            return changes
        }
        let deletion = try changes("orders/delete", #"{"id":1}"#)
        let creation = try changes(
            "orders/create",
            """
            {"id":1,"name":"#1","financial_status":"paid","line_items":[],"cancelled_at":null,"closed_at":null,
             "updated_at":"2026-05-04T10:00:00Z"}
            """
        )
        for order in [deletion + creation, creation + deletion, creation + deletion + creation + deletion] {
            let state = OrderMirror.apply(order, to: nil, receivedAt: Self.receivedAt).state
            #expect(state.values.lifecycle == .deleted && state.values.number == "#1" && state.isComplete)
            #expect(state.values.financial == .paid)
        }
    }

    @Test func `an app that was taken out needs a body that can be read`() throws {
        #expect(try Self.understand("app/uninstalled", #"{"id":1,"domain":null}"#) == .uninstalled)
        #expect(throws: Poison(.malformedJSON)) { try Self.understand("app/uninstalled", "") }
    }

    // domain.md 5, Ingest 8.
    @Test(arguments: ["", "orders/invented", "ORDERS/CREATE", "\u{1F600}"])
    func `an unknown topic is ignored by name, whatever its body`(_ topic: String) throws {
        #expect(try Self.understand(topic, "not JSON") == .ignored(.unknownTopic))
    }

    // MARK: Real bodies

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real order and fulfillment is understood`() throws {
        let topics = [
            "orders": "orders/updated", "order": "orders/updated", "fulfillments": "fulfillments/update",
            "fulfillment": "fulfillments/update", "fulfillment_events": "fulfillment_events/create",
            "fulfillment_event": "fulfillment_events/create",
        ]
        var understood = 0
        for file in try SharedData.files(below: "webhooks/shopify") + SharedData.files(below: "webhooks/shopify_rest") {
            let name = try #require(file.split(separator: "/").last).dropLast(".json".count)
            guard let topic = topics[String(name.replacing("__", with: "-").prefix { $0 != "-" })] else { continue }
            // An edit and a delete carry no order.
            if name == "orders__edited" || name == "orders__delete" { continue }
            for body in Self.resources(try JSON(parsing: SharedData.bytes(file), limits: .foreign)) {
                let understanding = try Self.understand(topic, body.serialized)
                guard case .changes(let changes) = understanding else {
                    Issue.record("\(file) is ignored")
                    continue
                }
                for change in changes { Self.check(change, file) }
                understood += 1
            }
        }
        #expect(understood > 60)
    }

    /// REST answers wrap one resource, or a list of them, into a member of an object.
    private static func resources(_ json: JSON) -> [JSON] {
        guard let object = json.objectValue, object.count == 1, let only = object.first else { return [json] }
        return only.value.arrayValue ?? [only.value]
    }

    private static func check(_ change: OrderChange, _ file: String) {
        #expect(Int64(change.order) != nil)
        guard case .order(let statement) = change.content, statement.isComplete else { return }
        #expect(statement.values.financial != .unknown, "\(file)")
        #expect(statement.values.total != nil && statement.values.presentmentTotal != nil, "\(file)")
        #expect(statement.values.placedAt != nil && statement.stamp.at != nil, "\(file)")
        #expect(!statement.values.lines.isEmpty, "\(file)")
    }

    @Test(.enabled(if: SharedData.isThere, "\(SharedData.absent)"))
    func `every real body of every topic has an outcome`() throws {
        for file in try SharedData.files(below: "webhooks/shopify") {
            let name = try #require(file.split(separator: "/").last).dropLast(".json".count)
            _ = try Shopify.understand(
                topic: String(name.replacing("__", with: "/")),
                body: SharedData.bytes(file),
                receivedAt: Self.receivedAt
            )
        }
    }

    // MARK: Reading

    // domain.md 5, Ingest 8.
    @Test func `ids beyond 2^53 keep every digit, as numbers, as text and as global ids`() throws {
        for id in ["9107199254740991001", "\"9107199254740991001\"", "\"gid://shopify/Order/9107199254740991001\""] {
            guard case .changes(let changes) = try Self.understand("orders/create", "{\"id\":\(id)}") else { continue }
            #expect(changes.map(\.order) == ["9107199254740991001"])
        }
    }

    @Test func `a new field, a missing one and null arrays do no harm`() throws {
        let statement = try Self.statement(
            #"{"id":1,"brand_new":{"a":[1]},"line_items":null,"fulfillments":null,"customer":null,"total_price":null}"#
        )
        #expect(!statement.isComplete && statement.values.lines.isEmpty && statement.values.total == nil)
        #expect(statement.told == [.lines, .customerName, .customer, .total, .presentmentTotal])
        #expect(statement.stamp.at == nil)
    }

    @Test func `an unknown status is unknown and keeps its word`() throws {
        let statement = try Self.statement(
            #"{"id":1,"financial_status":"half_paid","fulfillment_status":"teleported"}"#
        )
        #expect(statement.values.financial == .unknown && statement.values.financialRaw == "half_paid")
        #expect(statement.values.fulfillment == .unknown && statement.values.fulfillmentRaw == "teleported")
    }

    @Test func `amounts have their currency's decimals, and both currencies are kept`() throws {
        let statement = try Self.statement(
            """
            {"id":1,"currency":"KWD","total_price":"1.234","line_items":[{"id":2,"quantity":1,"price":"1.5"}],
             "total_price_set":{"shop_money":{"amount":"1.234","currency_code":"KWD"},
                                "presentment_money":{"amount":"600","currency_code":"JPY"}}}
            """
        )
        #expect(statement.values.total == Money(amount: 1234, currency: "KWD"))
        #expect(statement.values.presentmentTotal == Money(amount: 600, currency: "JPY"))
        #expect(statement.values.lines.first?.unitPrice == 1500)
    }

    @Test func `cancelled counts more than closed, and open needs both to be empty`() throws {
        let time = "\"2026-05-04T10:00:00Z\""
        #expect(
            try Self.statement(#"{"id":1,"cancelled_at":\#(time),"closed_at":\#(time)}"#).values.lifecycle == .cancelled
        )
        #expect(try Self.statement(#"{"id":1,"cancelled_at":null,"closed_at":\#(time)}"#).values.lifecycle == .closed)
        #expect(try Self.statement(#"{"id":1,"cancelled_at":null,"closed_at":null}"#).told == [.lifecycle])
        #expect(try Self.statement(#"{"id":1,"cancelled_at":null}"#).told.isEmpty)
    }

    @Test func `a body without a time of its own counts from when the shop sent it`() throws {
        let sentAt = Self.receivedAt - .seconds(60)
        func changes(_ body: String, sentAt: Instant) throws -> [OrderChange] {
            let told = try Shopify.understand(
                topic: "orders/updated",
                body: Array(body.utf8),
                receivedAt: Self.receivedAt,
                saidAt: sentAt
            )
            if case .changes(let changes) = told { return changes } else { return [] }
        }
        let whole = try changes(
            #"{"id":1,"updated_at":"2026-01-01T00:00:00Z","financial_status":"pending","fulfillments":[]}"#,
            sentAt: sentAt
        )
        let part = try changes(
            #"{"id":1,"financial_status":"paid","fulfillments":[{"id":9,"status":"success"}]}"#,
            sentAt: sentAt
        )
        for told in [whole + part, part + whole] {
            let state = OrderMirror.apply(told, to: nil, receivedAt: Self.receivedAt).state
            #expect(state.values.financial == .paid)
            #expect(state.shipments["9"]?.shippedAt == sentAt)
        }
    }

    /// Of what an app asked for ids alone, as it may.
    @Test func `a name that is not told is not taken away`() throws {
        #expect(try !Self.statement(#"{"id":1,"customer":{"id":7}}"#).told.contains(.customerName))
        let statement = try Self.statement(#"{"id":1,"customer":null,"shipping_address":{"zip":"1"}}"#)
        #expect(statement.told.contains(.customerName) && statement.values.customerName == nil)
    }

    @Test func `of two bodies of one second the one that is cancelled, or has more parts, is the newer`() throws {
        let (time, lists) = (#""updated_at":"2026-05-04T10:00:00Z""#, [#""refunds":[]"#, #""refunds":[{"id":3}]"#])
        for number in 0..<20 {
            let told = [
                #"{"id":1,"name":"\#(number)",\#(time),"cancelled_at":null,"closed_at":null,\#(lists[0])}"#,
                #"{"id":1,"name":"\#(number)",\#(time),"cancelled_at":null,"closed_at":null,\#(lists[1])}"#,
                #"{"id":1,"name":"\#(number)",\#(time),"cancelled_at":"2026-05-04T10:00:00Z",\#(lists[0])}"#,
            ]
            let stamps = try told.map { try Self.statement($0).stamp }
            #expect(stamps[0] < stamps[1] && stamps[1] < stamps[2])
        }
    }

    // MARK: Parcels

    private static func shipment(_ body: String) throws -> ShipmentStatement {
        guard case .changes(let changes) = try understand("fulfillments/create", body),
            case .shipment(let statement)? = changes.first?.content
        else { throw Poison(.notAnObject) }
        return statement
    }

    @Test func `what needs no shipping is never handed to a carrier`() throws {
        func fulfillment(_ lines: String) -> String {
            #"{"id":9,"order_id":1,"status":"success","created_at":"2026-05-04T10:00:00Z","line_items":[\#(lines)]}"#
        }
        let (card, tent) = (#"{"id":1,"requires_shipping":false}"#, #"{"id":2,"requires_shipping":true}"#)
        #expect(try Self.shipment(fulfillment(card)).shippedAt == nil)
        for lines in ["", #"{"id":3}"#, tent, "\(card),\(tent)"] {
            #expect(try Self.shipment(fulfillment(lines)).shippedAt != nil)
        }
    }

    @Test func `a report has a place, and a time that has not come is that of its telling`() throws {
        func event(_ happenedAt: String, _ place: String = "") throws -> TrackingEvent? {
            let body =
                #"{"id":5,"fulfillment_id":9,"order_id":1,"status":"in_transit","happened_at":"\#(happenedAt)",\#(place)"#
                + #""created_at":"2026-05-12T10:00:00Z"}"#
            guard case .changes(let changes) = try Self.understand("fulfillment_events/create", body),
                case .tracking(let event, _)? = changes.first?.content
            else { return nil }
            return event
        }
        let place = #""city":"Ottawa","province":null,"country":"CA","#
        #expect(try event("2026-05-12T09:00:00Z", place)?.place == "Ottawa, CA")
        #expect(try event("2026-05-13T09:00:00Z")?.happenedAt.rfc3339 == "2026-05-13T09:00:00.000Z")
        let wrong = try event("2027-05-12T09:00:00Z")
        #expect(wrong?.happenedAt.rfc3339 == "2026-05-12T10:00:00.000Z" && wrong?.place == nil)
    }

    // domain.md 5, Ingest 9.
    @Test(arguments: [
        ("", "malformed_json"), ("{", "malformed_json"), ("{\"id\":1}x", "malformed_json"), ("[]", "not_an_object"),
        ("null", "not_an_object"), ("{}", "missing_id:id"), ("{\"id\":null}", "missing_id:id"),
        ("{\"id\":1.5}", "unreadable_id:id"), ("{\"id\":\"\"}", "unreadable_id:id"),
        ("{\"id\":{}}", "unreadable_id:id"),
        ("{\"id\":1,\"updated_at\":\"yesterday\"}", "unreadable_time:updated_at"),
        ("{\"id\":1,\"email\":[]}", "unreadable_text:email"),
        ("{\"id\":1,\"currency\":\"EUR\",\"total_price\":\"1,00\"}", "unreadable_amount:total_price"),
        ("{\"id\":1,\"line_items\":{}}", "unreadable_list:line_items"),
        ("{\"id\":1,\"line_items\":[{\"id\":2,\"quantity\":\"many\"}]}", "unreadable_number:quantity"),
    ])
    func `poison has a name`(_ body: String, _ reason: String) {
        #expect { try Self.understand("orders/create", body) } throws: { "\($0)" == reason }
    }

    @Test func `what is not UTF-8 is poison, and NUL in a text is dropped`() throws {
        let body: [UInt8] = Array("{\"id\":1,\"email\":\"".utf8) + [0xFF] + Array("\"}".utf8)
        #expect(throws: Poison(.malformedJSON)) {
            try Shopify.understand(topic: "orders/create", body: body, receivedAt: Self.receivedAt)
        }
        #expect(try Self.statement("{\"id\":1,\"name\":\"#10\\u000001\"}").values.number == "#1001")
    }

    // MARK: The demo's own

    @Test func `the demo's three webhooks tell of one delivered order`() throws {
        var state: OrderState?
        var facts: [Fact.Kind] = []
        for (name, topic) in [
            ("orders-create", "orders/create"), ("fulfillments-create", "fulfillments/create"),
            ("fulfillment-events-create", "fulfillment_events/create"),
        ] {
            let file = URL(filePath: TestCluster.repository).appending(path: "deploy/demo/\(name).json")
            let body = Array(try Data(contentsOf: file))
            guard
                case .changes(let changes) = try Shopify.understand(
                    topic: topic,
                    body: body,
                    receivedAt: Self.receivedAt
                )
            else { continue }
            for change in changes {
                #expect(change.order == "9107199254740991001")
                let outcome = OrderMirror.apply(change, to: state, receivedAt: Self.receivedAt)
                state = outcome.state
                facts += outcome.facts.map(\.key.kind)
            }
        }
        #expect(facts == [.orderPlaced, .orderPaid, .shipped, .delivered])
        #expect(state?.values.customerName == "Ada Example" && state?.values.number == "#1001")
        let shipment = try #require(state?.shipments["9107199254741001101"])
        #expect(shipment.status == .delivered && shipment.deliveredAt?.rfc3339 == "2026-05-06T12:30:00.000Z")
    }
}

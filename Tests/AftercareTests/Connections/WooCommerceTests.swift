import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `WooCommerce orders` {
    private static let receivedAt = Instant(seconds: 1_800_000_000)

    private struct NoChanges: Error {}

    private static func understand(_ topic: String, _ body: JSON) throws -> Understanding {
        try WooCommerce.understand(topic: topic, body: body.serializedBytes, receivedAt: receivedAt)
    }

    @Test func `the whole order is read, with our words beside the shop's`() throws {
        let state = try WooOrder.state(WooOrder.body(727, ("currency", "EUR")))
        let values = state.values
        #expect(values.number == "727" && values.email == "ada@example.com" && values.customerName == "Ada Example")
        #expect(values.total == Money(amount: 4990, currency: "EUR") && values.presentmentTotal == values.total)
        #expect(values.financial == .paid && values.fulfillment == .unfulfilled && values.lifecycle == .open)
        #expect(values.financialRaw == "processing" && values.fulfillmentRaw == "processing")
        #expect(values.lifecycleRaw == "processing" && values.returns == .none && state.isComplete)
        #expect(values.lines.map(\.externalID) == ["31", "32"] && values.lines.map(\.quantity) == [1, 2])
        #expect(values.lines.map(\.unitPrice) == [3990, 500] && values.lines.map(\.sku) == ["JK-1", nil])
        // UTC, and not what the shop's clock showed.
        #expect(values.placedAt?.rfc3339 == "2026-05-04T08:00:00.000Z")
        #expect(state.provenance.newest?.at?.rfc3339 == "2026-05-04T10:00:00.000Z")
        #expect(
            Set(state.facts.keys) == [
                Fact.Key(kind: .orderPlaced, episode: "order"), .init(kind: .orderPaid, episode: "order"),
            ]
        )
    }

    // domain.md 2.1.
    @Test(
        arguments: [
            ("pending", .paid, .unfulfilled, .open), ("on-hold", .paid, .unfulfilled, .open),
            ("processing", .paid, .unfulfilled, .open), ("completed", .paid, .fulfilled, .open),
            ("cancelled", .paid, .unfulfilled, .cancelled), ("refunded", .refunded, .unfulfilled, .open),
            ("failed", .failed, .unfulfilled, .open), ("trash", .paid, .unfulfilled, .deleted),
            ("wc-completed", .paid, .fulfilled, .open),
            // Of plugins for shipping.
            ("shipped", .paid, .fulfilled, .open), ("delivered", .paid, .fulfilled, .open),
            ("partial-shipped", .paid, .partiallyFulfilled, .open),
            ("wc-partially-shipped", .paid, .partiallyFulfilled, .open),
            ("updated-tracking", .paid, .fulfilled, .open),
            // domain.md 5, Ingest 8: some plugin's.
            ("awaiting-pickup", .unknown, .unknown, .open),
        ] as [(String, FinancialStatus, FulfillmentStatus, LifecycleStatus)]
    )
    func `one status is four axes`(
        _ status: String,
        _ financial: FinancialStatus,
        _ fulfillment: FulfillmentStatus,
        _ lifecycle: LifecycleStatus
    ) throws {
        let values = try WooOrder.state(WooOrder.body(727, ("status", .string(status)))).values
        #expect(values.financial == financial && values.fulfillment == fulfillment && values.lifecycle == lifecycle)
        #expect(values.financialRaw == status && values.fulfillmentRaw == status && values.lifecycleRaw == status)
    }

    /// Of those that are paid on delivery, and those that were cancelled before anybody paid.
    @Test(arguments: ["pending", "on-hold", "processing", "cancelled", "shipped"])
    func `an order without a date of payment is not paid`(_ status: String) throws {
        let body = WooOrder.body(727, ("status", .string(status)), ("date_paid_gmt", nil))
        let state = try WooOrder.state(body)
        #expect(state.values.financial == .pending)
        #expect(state.facts[Fact.Key(kind: .orderPaid, episode: "order")] == nil)
    }

    @Test func `a body that says nothing of a date of payment is read by its status`() throws {
        let statuses: [(JSON, FinancialStatus)] = [("processing", .paid), ("on-hold", .pending), ("shipped", .unknown)]
        for (status, financial) in statuses {
            var body = try #require(WooOrder.body(727, ("status", status)).objectValue)
            body["date_paid_gmt"] = nil
            #expect(try WooOrder.state(.object(body)).values.financial == financial)
        }
    }

    @Test func `an order whose customer was erased has neither address nor name`() throws {
        let billing: JSON = ["first_name": "[deleted]", "last_name": "[deleted]", "email": "Deleted@site.invalid"]
        let values = try WooOrder.state(WooOrder.body(727, ("billing", billing))).values
        #expect(values.email == nil && values.customerName == nil)
    }

    @Test func `a shop that notes parcels does not say that nothing was shipped`() throws {
        let items: JSON = [["tracking_id": "a1", "tracking_provider": "DHL", "tracking_number": "JD 1"]]
        let meta: JSON = [["key": "_wc_shipment_tracking_items", "value": items]]
        let state = try WooOrder.state(WooOrder.body(727, ("meta_data", meta)))
        #expect(state.values.fulfillment == .inProgress && state.shipments["a1"]?.number?.key == "JD1")
    }

    @Test func `parcels that AfterShip notes are parcels, and those it repeats are none`() throws {
        let meta: JSON = [
            [
                "key": "_aftership_tracking_items",
                "value": [
                    ["slug": "usps", "tracking_number": "9400", "tracking_id": "f1", "metrics": [:]],
                    ["slug": "dhl", "tracking_number": "JD1", "tracking_id": "f2"],
                ],
            ],
            [
                "key": "_wc_shipment_tracking_items",
                "value": [["tracking_id": "a1", "tracking_provider": "DHL", "tracking_number": "JD 1"]],
            ],
        ]
        let state = try WooOrder.state(WooOrder.body(727, ("meta_data", meta)))
        #expect(Set(state.shipments.keys) == ["a1", "f1"])
        #expect(state.shipments["f1"]?.values.carrier == "usps" && state.shipments["f1"]?.shippedAt == nil)
    }

    @Test func `an order that was completed and refunded later was fulfilled all the same`() throws {
        let body = WooOrder.body(727, ("status", "refunded"), ("date_completed_gmt", "2026-05-04T09:00:00"))
        #expect(try WooOrder.state(body).values.fulfillment == .fulfilled)
    }

    @Test(arguments: WooCommerceTopic.allCases)
    func `every topic is applied or ignored by name`(_ topic: WooCommerceTopic) throws {
        let name = topic == .action ? "action.woocommerce_add_to_cart" : topic.rawValue
        let understanding = try Self.understand(name, topic == .orderDeleted ? ["id": 727] : WooOrder.body())
        if topic.rawValue.hasPrefix("order.") {
            guard case .changes(let changes) = understanding else { throw NoChanges() }
            #expect(!changes.isEmpty && changes.allSatisfy { $0.order == "727" })
        } else {
            let reason = topic == .action ? "actions" : topic.rawValue.split(separator: ".")[0] + "s"
            #expect(understanding == .ignored(try #require(IgnoredReason(rawValue: "\(reason)_not_mirrored"))))
        }
    }

    // domain.md 5, Ingest 8.
    @Test(arguments: ["order.shipped", "refund.created", "Order.created", "action", ""])
    func `a topic nobody knows is ignored as that`(_ topic: String) throws {
        #expect(try Self.understand(topic, WooOrder.body()) == .ignored(.unknownTopic))
    }

    @Test(arguments: ["draft", "auto-draft", "checkout-draft", "new"])
    func `an order that nobody placed is ignored as a draft`(_ status: String) throws {
        for topic in ["order.created", "order.updated", "order.restored"] {
            #expect(
                try Self.understand(topic, WooOrder.body(727, ("status", .string(status)))) == .ignored(.draftOrder)
            )
        }
    }

    // domain.md 5, Ingest 8.
    @Test(
        arguments: [
            ("JPY", "600", 600), ("JPY", "600.00", 600), ("KWD", "1.234", 1234), ("EUR", "10", 1000),
            ("EUR", "10.5000", 1050), ("EUR", "0.00", 0), ("EUR", "10.505", nil), ("XXX", "10.00", nil),
        ] as [(String, String, Int64?)]
    )
    func `money has the digits of its currency, or is not told`(
        _ currency: String,
        _ total: String,
        _ amount: Int64?
    )
        throws
    {
        let state = try WooOrder.state(WooOrder.body(727, ("currency", .string(currency)), ("total", .string(total))))
        #expect(state.values.total == amount.map { Money(amount: $0, currency: currency) })
        #expect(state.isComplete)
    }

    // domain.md 5, Ingest 8.
    @Test func `what is missing, null, of another type or too big harms nothing`() throws {
        var body = WooOrder.body(
            727,
            ("id", .number(JSONNumber(text: "9007199254740993") ?? JSONNumber(0))),
            (
                "line_items",
                [["id": "31", "quantity": 1.5], nil, ["id": 31], ["id": 32, "quantity": "3", "price": 17.647059]]
            )
        )
        for name in ["number", "billing", "refunds", "meta_data", "date_paid_gmt"] { body = body.with(name, nil) }
        guard case .changes(let changes) = try Self.understand("order.created", body) else { throw NoChanges() }
        #expect(changes.map(\.order) == ["9007199254740993"])
        let state = try WooOrder.state(body)
        #expect(state.values.lines.map(\.quantity) == [2, 3] && state.values.lines.map(\.unitPrice) == [nil, nil])
        #expect(state.refundList == nil && state.values.email == nil)
        #expect(try WooOrder.state(["id": 1]).isComplete == false)
    }

    // domain.md 5, Ingest 9.
    @Test(
        arguments: [
            (["id": nil], "missing_id:id"), (["id": "7a"], "unreadable_id:id"),
            (["id": 1, "date_modified_gmt": "yesterday"], "unreadable_time:date_modified_gmt"),
            (["id": 1, "total": "ten", "currency": "EUR"], "unreadable_amount:total"),
            (["id": 1, "line_items": [["id": 1, "quantity": 1e300]]], "unreadable_number:quantity"),
            (["id": 1, "line_items": 7], "unreadable_list:line_items"),
            // What a shop sends whose webhook's user may no longer read orders.
            (["code": "woocommerce_rest_cannot_view", "data": ["status": 401]], "missing_id:id"),
        ] as [(JSON, String)]
    )
    func `a body that cannot be understood says what is wrong with it`(_ body: JSON, _ poison: String) throws {
        let thrown = #expect(throws: Poison.self) { try Self.understand("order.updated", body) }
        #expect(thrown?.description == poison)
    }

    // domain.md 5, Ingest 4.
    @Test func `a pending order that is told late changes no paid one`() throws {
        let (pending, paid) = (
            WooOrder.body(727, minute: 0, ("status", "pending"), ("date_paid_gmt", nil)), WooOrder.body(727, minute: 1)
        )
        for bodies in [[pending, paid], [paid, pending], [paid, paid, pending, paid]] {
            let (state, facts) = try WooOrder.applied(bodies.map { WooOrder.Event(body: $0) })
            #expect(state.values.financial == .paid)
            #expect(facts.map(\.kind).sorted { $0.rawValue < $1.rawValue } == [.orderPaid, .orderPlaced])
        }
    }

    // domain.md 5, Ingest 3.
    @Test func `of two versions of one second one wins, whichever came first`() throws {
        let (a, b) = (WooOrder.body(), WooOrder.body(727, ("total", "59.90")))
        #expect(try WooOrder.state(a, b) == WooOrder.state(b, a))
        #expect(try WooOrder.state(a, b, a) == WooOrder.state(b, a))
    }

    @Test func `a body without a time only fills what is not known`() throws {
        let timeless = WooOrder.body(727, ("date_modified_gmt", nil), ("status", "completed"))
        #expect(try WooOrder.state(WooOrder.body(), timeless) == WooOrder.state(timeless, WooOrder.body()))
        #expect(try WooOrder.state(WooOrder.body(), timeless).values.financialRaw == "processing")
        #expect(try WooOrder.state(timeless).values.financialRaw == "completed")
    }

    // MARK: Deleted and restored

    // domain.md 5, Ingest 1.
    @Test func `deleted, restored and deleted again is told by the order in which it came`() throws {
        let noon = WooOrder.tenOClock + .seconds(7200)
        let (order, id): (JSON, JSON) = (WooOrder.body(), ["id": 727])
        let events = [
            WooOrder.Event(topic: "order.created", body: order, receivedAt: noon),
            WooOrder.Event(topic: "order.deleted", body: id, receivedAt: noon + .seconds(60)),
            // The order's own time is from before it was deleted.
            WooOrder.Event(topic: "order.restored", body: order, receivedAt: noon + .seconds(120)),
            WooOrder.Event(topic: "order.deleted", body: id, receivedAt: noon + .seconds(180)),
        ]
        let expected: [LifecycleStatus] = [.open, .deleted, .open, .deleted]
        for count in 1...4 {
            let told = Array(events.prefix(count))
            let state = try WooOrder.applied(told).state
            #expect(state.values.lifecycle == expected[count - 1])
            #expect(try WooOrder.applied(told.reversed()).state == state)
        }
    }

    // MARK: Parcels

    @Test func `parcels are those the tracking extension notes`() throws {
        let body = WooOrder.body(
            727,
            ("status", "completed"),
            (
                "meta_data",
                WooOrder.tracking(
                    WooOrder.parcel("a1"),
                    WooOrder.parcel("b2", shippedOn: "soon"),
                    [
                        "tracking_id": "c3", "custom_tracking_provider": "Harbour Couriers", "tracking_number": 12,
                        "custom_tracking_link": "https://example.com/12",
                    ],
                    ["custom_tracking_link": "javascript:alert(1)"],
                    ["tracking_number": "d4", "custom_tracking_link": "x"],
                    "none"
                )
            )
        )
        let shipments = try WooOrder.state(body).shipments
        #expect(Set(shipments.keys) == ["a1", "b2", "c3", "d4"])
        #expect(shipments["a1"]?.values.carrier == "dhl" && shipments["a1"]?.values.trackingNumber == "00340434")
        #expect(shipments["a1"]?.shippedAt?.rfc3339 == "2026-05-04T00:00:00.000Z")
        #expect(shipments["b2"]?.shippedAt == nil && shipments["c3"]?.values.carrier == "Harbour Couriers")
        #expect(shipments["c3"]?.values.trackingURL == "https://example.com/12")
        #expect(shipments["d4"]?.values.trackingURL == nil)
        // None of them is known to have arrived: the shop does not know it either.
        #expect(shipments.values.allSatisfy { $0.status == .unknown && $0.deliveredAt == nil })
        // As PHP writes a list of which the first was taken out.
        let holes: JSON = [["key": "_wc_shipment_tracking_items", "value": ["1": WooOrder.parcel("a1")]]]
        #expect(try WooOrder.state(WooOrder.body(727, ("meta_data", holes))).shipments.keys.sorted() == ["a1"])
    }
}

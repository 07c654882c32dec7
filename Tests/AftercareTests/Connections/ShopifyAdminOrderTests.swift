import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Orders pulled from Shopify` {
    private static let receivedAt = Instant(seconds: 1_800_000_000)

    private static func pulled(_ body: JSON, at askedAt: Instant = receivedAt) throws -> [OrderChange] {
        let understanding = try Shopify.understand(pulled: .order, body: body.serializedBytes, askedAt: askedAt)
        guard case .changes(let changes) = understanding else { return [] }
        return changes
    }

    private static func told(_ topic: String, _ body: JSON) throws -> [OrderChange] {
        let understanding = try Shopify.understand(topic: topic, body: body.serializedBytes, receivedAt: receivedAt)
        guard case .changes(let changes) = understanding else { return [] }
        return changes
    }

    private static func statement(_ body: JSON) throws -> OrderStatement {
        for change in try pulled(body) {
            if case .order(let statement) = change.content { return statement }
        }
        throw Poison(.missingID)
    }

    /// All that can be told of an order, in plain words.
    private static var full: ShopifyStoreOrder {
        var order = ShopifyStoreOrder(updatedAt: 50, financial: "partially_refunded", fulfillment: "FULFILLED")
        (order.cancelledAt, order.closedAt) = (40, 41)
        let reports = [
            ShopifyStoreOrder.Report(id: 301, status: "in_transit", at: 12, message: "Left Vienna"),
            ShopifyStoreOrder.Report(id: 302, status: "delivered", at: 30),
        ]
        order.parcels = [
            ShopifyStoreOrder.Parcel(id: 201, createdAt: 10, updatedAt: 31, reports: reports),
            ShopifyStoreOrder.Parcel(id: 202, status: "cancelled", createdAt: 11, updatedAt: 11, number: nil),
        ]
        order.refunds = [
            ShopifyStoreOrder.Refund(
                id: 401,
                createdAt: 45,
                payments: [
                    ShopifyStoreOrder.Payment(id: 501, status: "success", createdAt: 45, processedAt: 46),
                    ShopifyStoreOrder.Payment(id: 502, kind: "void", createdAt: 45),
                ]
            )
        ]
        return order
    }

    // MARK: The same as webhooks

    /// Whatever it is told from another by.
    private static func unstamped(_ changes: [OrderChange]) -> Set<OrderChange> {
        let stamp = Stamp(at: nil, hash: [])
        return Set(
            changes.map { change in
                switch change.content {
                case .order(var statement):
                    statement.stamp = stamp
                    statement.told.remove(.returns)
                    (statement.values.returns, statement.values.returnsRaw) = (.none, nil)
                    return OrderChange(order: change.order, content: .order(statement))
                case .shipment(var statement):
                    statement.stamp = stamp
                    return OrderChange(order: change.order, content: .shipment(statement))
                case .refund(var statement):
                    statement.stamp = stamp
                    for index in statement.transactions.indices { statement.transactions[index].stamp = stamp }
                    return OrderChange(order: change.order, content: .refund(statement))
                default: return change
                }
            }
        )
    }

    @Test func `what webhooks tell, an answer tells in the same words`() throws {
        let order = Self.full
        var told = try Self.told("orders/updated", order.rest(withSets: true))
        for parcel in order.parcels {
            for report in parcel.reports {
                told += try Self.told("fulfillment_events/create", order.rest(report, of: parcel))
            }
        }
        #expect(told.count == 6)
        #expect(Self.unstamped(try Self.pulled(order.answer)) == Self.unstamped(told))
    }

    @Test func `an order as an answer tells it is read whole`() throws {
        let statement = try Self.statement(Self.full.answer)
        #expect(statement.isComplete && statement.told == Set(OrderField.allCases))
        let values = statement.values
        #expect(values.number == "#1001" && values.email == "ada@example.com" && values.customerName == "Ada Example")
        #expect(values.customer == "9107199254740990001" && values.customerLocale == "de-AT")
        #expect(values.total == Money(amount: 4980, currency: "EUR"))
        #expect(values.presentmentTotal == Money(amount: 5478, currency: "USD"))
        #expect(values.financial == .partiallyRefunded && values.financialRaw == "partially_refunded")
        #expect(values.lifecycle == .cancelled && values.cancelReason == "customer")
        #expect(values.lines.map(\.unitPrice) == [1990, 1000] && values.lines.map(\.sku) == ["NOTE-A5", nil])
        #expect(statement.stamp.at == ShopifyStoreOrder.tenOClock + .seconds(50 * 60))
        let outcome = OrderMirror.apply(try Self.pulled(Self.full.answer), to: nil, receivedAt: Self.receivedAt)
        #expect(
            Set(outcome.facts.map(\.key.kind)) == [
                .orderPlaced, .orderCancelled, .shipped, .delivered, .refundRecorded, .refundSucceeded,
            ]
        )
        #expect(outcome.state.shipments["201"]?.deliveredAt == ShopifyStoreOrder.tenOClock + .seconds(30 * 60))
        #expect(outcome.state.shipments["202"]?.status == .cancelled)
        #expect(outcome.state.refunds["401"]?.moved == Money(amount: 1000, currency: "USD"))
        #expect(outcome.state.refundTransactions["501"]?.word.shopAmount == Money(amount: 910, currency: "EUR"))
    }

    @Test func `an answer too says what needs no shipping, and what is paid back by hand`() throws {
        let full = Self.full.answer
        func changed(_ list: String, _ change: (JSON) -> JSON) -> JSON {
            full.with(list, .array((full[list]?.arrayValue ?? []).map(change)))
        }
        for isSent in [true, false] {
            let sent = changed("fulfillments") {
                $0.with("status", "SUCCESS").with("displayStatus", "FULFILLED").with("events", nil)
                    .with("requiresShipping", .bool(isSent))
            }
            let state = OrderMirror.apply(try Self.pulled(sent), to: nil, receivedAt: Self.receivedAt).state
            #expect(state.shipments.count == 2 && state.shipments.values.allSatisfy { ($0.shippedAt != nil) == isSent })
        }
        let byHand = changed("refunds") { refund in
            let payments = (refund["transactions"]?["nodes"]?.arrayValue ?? []).map {
                $0.with("manualPaymentGateway", true)
            }
            return refund.with("transactions", ShopifyStoreOrder.connection(payments))
        }
        let state = OrderMirror.apply(try Self.pulled(byHand), to: nil, receivedAt: Self.receivedAt).state
        #expect(state.refunds["401"]?.state == .recordedUnverified && state.refundTransactions == [:])
    }

    // domain.md 5, Ingest 1 and 4.
    @Test(arguments: 0..<150 as Range<UInt64>)
    func `whoever tells first, and however often, the mirror and its facts end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let life = ShopifyLife(&random)
        var told: [Told] = []
        for event in life.events {
            // Asked one after the other.
            let at = Self.receivedAt + .seconds(told.count)
            let changes = try event.topic.map { try Self.told($0, event.body) } ?? Self.pulled(event.body, at: at)
            told.append(Told(changes: changes, at: event.topic == nil ? at : Self.receivedAt))
        }
        let expected = Self.applied(told)
        for _ in 0..<8 {
            let copies = told + told.filter { _ in Bool.random(using: &random) }
            let (state, facts) = Self.applied(copies.shuffled(using: &random))
            #expect(state == expected.state)
            #expect(Set(facts) == Set(expected.facts) && Set(facts).count == facts.count)
        }
        // The shop has the last word, and whoever only asks at the end knows how it ended.
        let asked = Self.applied(told.suffix(1)).state
        #expect(asked.values == expected.state.values)
        #expect(asked.shipments.mapValues(\.status) == expected.state.shipments.mapValues(\.status))
        #expect(asked.refunds.mapValues(\.state) == expected.state.refunds.mapValues(\.state))
    }

    private struct Told {
        let changes: [OrderChange]
        let at: Instant
    }

    private static func applied(_ told: some Collection<Told>) -> (state: OrderState, facts: [Fact.Key]) {
        var (state, facts): (OrderState?, [Fact.Key]) = (nil, [])
        for one in told {
            let outcome = OrderMirror.apply(one.changes, to: state, receivedAt: one.at)
            state = outcome.state
            facts += outcome.facts.map(\.key)
        }
        return (state ?? OrderState(), facts)
    }

    @Test func `the same answer again changes nothing, and a later one with the same time counts`() throws {
        let first = OrderMirror.apply(try Self.pulled(Self.full.answer), to: nil, receivedAt: Self.receivedAt).state
        let again = OrderMirror.apply(try Self.pulled(Self.full.answer), to: first, receivedAt: Self.receivedAt)
        #expect(again.state == first && again.facts.isEmpty)
        for email in ["a@example.com", "b@example.com", "c@example.com", "d@example.com"] {
            var changed = Self.full
            changed.email = email
            let later = Self.receivedAt + .seconds(1)
            let told = try Self.pulled(changed.answer, at: later) + Self.pulled(Self.full.answer)
            #expect(OrderMirror.apply(told, to: nil, receivedAt: later).state.values.email == email)
        }
    }

    // MARK: What only the Admin API has a word for

    @Test(
        arguments: [
            ("UNFULFILLED", FulfillmentStatus.unfulfilled, nil), ("OPEN", .unfulfilled, nil),
            ("PARTIALLY_FULFILLED", .partiallyFulfilled, "partial"), ("FULFILLED", .fulfilled, "fulfilled"),
            ("ON_HOLD", .onHold, "on_hold"), ("SCHEDULED", .scheduled, "scheduled"),
            ("IN_PROGRESS", .inProgress, "in_progress"),
            ("PENDING_FULFILLMENT", .inProgress, "pending_fulfillment"), ("RESTOCKED", .restocked, "restocked"),
            ("REQUEST_DECLINED", .declined, "request_declined"),
            ("FULFILLMENT_NOT_REQUIRED", .notRequired, "fulfillment_not_required"),
            ("TELEPORTED", .unknown, "teleported"),
        ] as [(String, FulfillmentStatus, String?)]
    )
    func `how far the shop is has one of our words`(_ word: String, _ status: FulfillmentStatus, _ raw: String?) throws
    {
        let values = try Self.statement(ShopifyStoreOrder(fulfillment: word).answer).values
        #expect(values.fulfillment == status && values.fulfillmentRaw == raw)
    }

    @Test func `of one time the answer counts, which has the finer words, whichever came first`() throws {
        for email in ["a@example.com", "b@example.com", "c@example.com", "d@example.com"] {
            let order = ShopifyStoreOrder(email: email, fulfillment: "ON_HOLD")
            let (webhook, pull) = (try Self.told("orders/updated", order.rest()), try Self.pulled(order.answer))
            for changes in [webhook + pull, pull + webhook, pull + webhook + pull] {
                let state = OrderMirror.apply(changes, to: nil, receivedAt: Self.receivedAt).state
                #expect(state.values.fulfillment == .onHold)
            }
        }
    }

    @Test(arguments: [
        ("NO_RETURN", ReturnStatus.none), ("RETURN_REQUESTED", .requested), ("IN_PROGRESS", .inProgress),
        ("INSPECTION_COMPLETE", .inspected), ("RETURNED", .returned), ("RETURN_FAILED", .failed), ("LOST", .unknown),
    ])
    func `the axis of returns is told`(_ word: String, _ status: ReturnStatus) throws {
        let order = ShopifyStoreOrder(returns: word)
        let state = OrderMirror.apply(try Self.pulled(order.answer), to: nil, receivedAt: Self.receivedAt).state
        #expect(state.values.returns == status && state.values.returnsRaw == word.lowercased())
        let told = OrderMirror.apply(
            try Self.told("orders/updated", order.rest()),
            to: state,
            receivedAt: Self.receivedAt
        )
        #expect(told.state.values == state.values)
    }

    @Test(
        arguments: [
            ("FULFILLED", nil), ("MARKED_AS_FULFILLED", nil), ("SUBMITTED", nil),
            ("OUT_FOR_DELIVERY", ShipmentStatus.outForDelivery),
            ("DELIVERED", .delivered), ("LABEL_VOIDED", .unknown), ("NOT_DELIVERED", .unknown),
        ] as [(String, ShipmentStatus?)]
    )
    func `what is shown of a fulfillment is the carrier's last word, or none`(
        _ word: String,
        _ status: ShipmentStatus?
    ) throws {
        var order = ShopifyStoreOrder()
        order.parcels = [ShopifyStoreOrder.Parcel(id: 201, createdAt: 1, updatedAt: 2)]
        let parcel = order.answer["fulfillments"]?[0]?.with("displayStatus", .string(word)) ?? .null
        let body = order.answer.with("fulfillments", [parcel])
        let statements = try Self.pulled(body).compactMap { change -> ShipmentStatement? in
            if case .shipment(let statement) = change.content { statement } else { nil }
        }
        #expect(statements.map(\.values.reported) == [status])
    }

    // MARK: Bodies that are not whole

    @Test func `a list that was told in part is not read, because what is missing would be taken for gone`() {
        let part = ShopifyStoreOrder.connection([], hasMore: true, cursor: "c")
        let body = ShopifyStoreOrder().answer.with("lineItems", part)
        #expect(throws: Poison(.unreadableList, "lineItems")) { try Self.pulled(body) }
    }

    @Test func `an answer that leaves something out says nothing of it`() throws {
        let statement = try Self.statement(["id": "gid://shopify/Order/1", "updatedAt": "2026-05-04T10:00:00Z"])
        #expect(statement.told.isEmpty && !statement.isComplete)
    }

    @Test func `an order that was taken for deleted is there again when the shop has it after all`() throws {
        let order = ShopifyStoreOrder()
        let gone: JSON = ["id": .string("\(order.id)")]
        let later = Self.receivedAt + .seconds(60)
        func understood(_ topic: PullTopic, _ body: JSON, at askedAt: Instant) throws -> [OrderChange] {
            let understanding = try Shopify.understand(pulled: topic, body: body.serializedBytes, askedAt: askedAt)
            guard case .changes(let changes) = understanding else { return [] }
            return changes
        }
        let deleted = try understood(.missingOrder, gone, at: Self.receivedAt)
        let back = try understood(.restoredOrder, order.answer, at: later)
        for changes in [deleted + back, back + deleted] {
            let all = try Self.pulled(order.answer) + changes
            #expect(OrderMirror.apply(all, to: nil, receivedAt: later).state.values.lifecycle == .open)
        }
        let all = try Self.pulled(order.answer, at: later) + deleted
        #expect(OrderMirror.apply(all, to: nil, receivedAt: later).state.values.lifecycle == .deleted)
    }
}

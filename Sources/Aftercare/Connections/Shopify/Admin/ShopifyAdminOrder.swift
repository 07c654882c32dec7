import FoundationEssentials
import JSON
import Time

extension Shopify {
    /// Reads what the Admin API answered. Pure.
    static func understand(pulled topic: PullTopic, body: [UInt8], askedAt: Instant) throws(Poison) -> Understanding {
        let body = try BodyReader(body)
        switch topic {
        case .missingOrder:
            return .changes(try ShopifyOrder.deletion(body, receivedAt: askedAt))
        case .order:
            let changes = try ShopifyAdminOrder.changes(body, askedAt: askedAt)
            return answer(changes, returns: try ShopifyAdminOrder.returns(body, askedAt: askedAt))
        case .restoredOrder:
            let restoration = try ShopifyAdminOrder.restoration(body, askedAt: askedAt)
            let changes = try ShopifyAdminOrder.changes(body, askedAt: askedAt) + [restoration]
            return answer(changes, returns: try ShopifyAdminOrder.returns(body, askedAt: askedAt))
        }
    }

    private static func answer(_ changes: [OrderChange], returns: [ReturnChange]) -> Understanding {
        returns.isEmpty ? .changes(changes) : .answer(changes, returns: returns)
    }
}

/// One order as the Admin API tells it, read. Pure.
///
/// It is put into the words of a webhook's body and read by the same readers: both say the same in the same way. What
/// webhooks do not tell at all, the carriers' reports and the axis of returns, is added.
enum ShopifyAdminOrder {
    /// The order, and every shipment, report of a carrier and refund within it.
    static func changes(_ body: BodyReader, askedAt: Instant) throws(Poison) -> [OrderChange] {
        let order = try body.id("id")
        var changes = try ShopifyOrder.changes(BodyReader(plain(body)), receivedAt: askedAt)
        for fulfillment in try body.list("fulfillments") {
            let id = try fulfillment.id("id")
            for event in try all(fulfillment, "events") {
                let report = try plain(event: event, of: id, order: order)
                changes += try ShopifyFulfillment.eventChanges(BodyReader(report), receivedAt: askedAt)
            }
        }
        if body.contains("returnStatus") {
            let raw = try body.text("returnStatus")?.lowercased()
            changes = changes.map { $0.telling(returns: returnStatus(raw), raw) }
        }
        return changes.map { $0.answered(to: askedAt) }
    }

    /// Its returns, as far as the app may see them. They have no time of their own, and count from when they were asked for.
    static func returns(_ body: BodyReader, askedAt: Instant) throws(Poison) -> [ReturnChange] {
        var changes: [ReturnChange] = []
        for known in try all(body, "returns") {
            var plain = known.renamed([
                "id": "id", "name": "name", "decline": "decline", "createdAt": "created_at", "closedAt": "closed_at",
            ])
            plain["status"] = try known.word("status")
            plain["order"] = .object(body.renamed(["id": "id"]))
            plain["return_line_items"] = try returnedLines(known)
            guard let change = try ShopifyReturn.change(BodyReader(plain), saidAt: askedAt) else { continue }
            changes.append(change)
        }
        return changes
    }

    /// Nil where some of them are left out: what is told would be taken for all there is.
    private static func returnedLines(_ known: BodyReader) throws(Poison) -> JSON? {
        guard let connection = try known.member("returnLineItems"),
            try connection.member("pageInfo")?.object["hasNextPage"]?.boolValue != true
        else { return nil }
        var lines: [JSON] = []
        for line in try connection.list("nodes") {
            var plain = line.renamed([
                "id": "id", "quantity": "quantity", "returnReasonNote": "return_reason_note",
                "customerNote": "customer_note",
            ])
            plain["return_reason"] = try line.word("returnReason")
            plain["fulfillment_line_item"] = try line.member("fulfillmentLineItem").map { item in
                .object(item.renamed(["lineItem": "line_item"]))
            }
            lines.append(.object(plain))
        }
        return .array(lines)
    }

    /// What an order that was taken for deleted says of itself, now that the shop has it after all. A deletion counts
    /// from when we were told, and so does this.
    static func restoration(_ body: BodyReader, askedAt: Instant) throws(Poison) -> OrderChange {
        var values = OrderValues()
        for change in try ShopifyOrder.changes(BodyReader(plain(body)), receivedAt: askedAt) {
            guard case .order(let statement) = change.content else { continue }
            values.copy(.lifecycle, from: statement.values)
        }
        let statement = OrderStatement(
            stamp: body.stamp(["id", "cancelledAt", "closedAt"], at: askedAt).answered(to: askedAt),
            told: [.lifecycle],
            values: values,
            isComplete: false
        )
        return OrderChange(order: try body.id("id"), content: .order(statement))
    }

    static func returnStatus(_ raw: String?) -> ReturnStatus {
        switch raw?.lowercased() {
        case "no_return": ReturnStatus.none
        case "return_requested": .requested
        case "in_progress": .inProgress
        case "inspection_complete": .inspected
        case "returned": .returned
        case "return_failed": .failed
        default: .unknown
        }
    }

    // MARK: In a webhook's words

    private static func plain(_ body: BodyReader) throws(Poison) -> JSONObject {
        var plain = body.renamed(orderMembers)
        plain["financial_status"] = try body.word("displayFinancialStatus")
        plain["fulfillment_status"] = try fulfillmentStatus(body)
        plain["cancel_reason"] = try body.word("cancelReason")
        plain["total_price_set"] = try body.sums("totalPriceSet")
        let people: KeyValuePairs = [
            "customer": "customer", "shippingAddress": "shipping_address", "billingAddress": "billing_address",
        ]
        for (name, other) in people where body.contains(name) {
            let names: KeyValuePairs = ["id": "id", "firstName": "first_name", "lastName": "last_name"]
            plain[other] = try body.member(name).map { .object($0.renamed(names)) } ?? .null
        }
        if body.contains("lineItems") { plain["line_items"] = try lines(body) }
        if body.contains("fulfillments") { plain["fulfillments"] = try fulfillments(body) }
        if body.contains("refunds") { plain["refunds"] = try refunds(body) }
        return plain
    }

    private static let orderMembers: KeyValuePairs = [
        "id": "id", "name": "name", "email": "email", "customerLocale": "customer_locale", "currencyCode": "currency",
        "presentmentCurrencyCode": "presentment_currency", "cancelledAt": "cancelled_at", "closedAt": "closed_at",
        "processedAt": "processed_at", "createdAt": "created_at", "updatedAt": "updated_at",
    ]

    /// REST says nothing of an order of which nothing was shipped. What it has no word for keeps the Admin API's.
    private static func fulfillmentStatus(_ body: BodyReader) throws(Poison) -> JSON? {
        switch try body.text("displayFulfillmentStatus") {
        case nil, "UNFULFILLED"?, "OPEN"?: body.contains("displayFulfillmentStatus") ? .null : nil
        case "PARTIALLY_FULFILLED"?: "partial"
        case let word?: .string(word.lowercased())
        }
    }

    private static func lines(_ body: BodyReader) throws(Poison) -> JSON {
        var lines: [JSON] = []
        for line in try all(body, "lineItems") {
            var plain = line.renamed(["id": "id", "title": "title", "sku": "sku", "quantity": "quantity"])
            plain["price"] = try line.member("originalUnitPriceSet")?.member("shopMoney")?.object["amount"]
            lines.append(.object(plain))
        }
        return .array(lines)
    }

    private static func fulfillments(_ body: BodyReader) throws(Poison) -> JSON {
        var fulfillments: [JSON] = []
        for fulfillment in try body.list("fulfillments") {
            var plain = fulfillment.renamed([
                "id": "id", "requiresShipping": "requires_shipping", "createdAt": "created_at",
                "updatedAt": "updated_at",
            ])
            plain["status"] = try fulfillment.word("status")
            plain["shipment_status"] = try shipmentStatus(fulfillment)
            if fulfillment.contains("trackingInfo") {
                // A fulfillment of several parcels lists several numbers; the first is the one shown.
                let tracking = try fulfillment.list("trackingInfo").first
                plain["tracking_company"] = tracking?.object["company"] ?? .null
                plain["tracking_number"] = tracking?.object["number"] ?? .null
                plain["tracking_url"] = tracking?.object["url"] ?? .null
            }
            fulfillments.append(.object(plain))
        }
        return .array(fulfillments)
    }

    /// What is shown is the carrier's last report, and without any how far the shop is, which `status` says.
    private static func shipmentStatus(_ fulfillment: BodyReader) throws(Poison) -> JSON? {
        switch try fulfillment.text("displayStatus") {
        case "FULFILLED"?, "MARKED_AS_FULFILLED"?, "SUBMITTED"?, "CANCELED"?: .null
        default: try fulfillment.word("displayStatus")
        }
    }

    private static func plain(event: BodyReader, of fulfillment: String, order: String) throws(Poison) -> JSONObject {
        var plain = event.renamed([
            "id": "id", "message": "message", "city": "city", "province": "province", "country": "country",
            "happenedAt": "happened_at", "createdAt": "created_at",
        ])
        plain["status"] = try event.word("status")
        plain["fulfillment_id"] = .string(fulfillment)
        plain["order_id"] = .string(order)
        return plain
    }

    private static func refunds(_ body: BodyReader) throws(Poison) -> JSON {
        var refunds: [JSON] = []
        for refund in try body.list("refunds") {
            var plain = refund.renamed(["id": "id", "createdAt": "created_at"])
            var transactions: [JSON] = []
            for transaction in try all(refund, "transactions") {
                transactions.append(.object(try self.transaction(transaction)))
            }
            plain["transactions"] = .array(transactions)
            refunds.append(.object(plain))
        }
        return .array(refunds)
    }

    private static func transaction(_ body: BodyReader) throws(Poison) -> JSONObject {
        var plain = body.renamed([
            "id": "id", "gateway": "gateway", "manualPaymentGateway": "manual_payment_gateway",
            "createdAt": "created_at", "processedAt": "processed_at",
        ])
        plain["kind"] = try body.word("kind")
        plain["status"] = try body.word("status")
        plain["parent_id"] = try body.member("parentTransaction")?.object["id"]
        plain["amount_set"] = try body.sums("amountSet")
        return plain
    }

    /// All of a list. One that was told in part is not read: what is only left out would be taken for gone.
    private static func all(_ body: BodyReader, _ name: String) throws(Poison) -> [BodyReader] {
        guard let connection = try body.member(name) else { return [] }
        let page = try connection.member("pageInfo")
        guard page?.object["hasNextPage"]?.boolValue != true else { throw Poison(.unreadableList, name) }
        return try connection.list("nodes")
    }
}

extension OrderChange {
    /// The order's own statement, with the axis of returns, which no webhook has.
    fileprivate func telling(returns: ReturnStatus, _ raw: String?) -> OrderChange {
        guard case .order(var statement) = content else { return self }
        statement.told.insert(.returns)
        (statement.values.returns, statement.values.returnsRaw) = (returns, raw)
        return OrderChange(order: order, content: .order(statement))
    }
}

extension BodyReader {
    /// The members of these names that are there, each under its other name.
    fileprivate func renamed(_ names: KeyValuePairs<String, String>) -> JSONObject {
        var renamed = JSONObject()
        for (name, other) in names { renamed[other] = object[name] }
        return renamed
    }

    /// A word of an enumeration, which REST writes in lower case.
    fileprivate func word(_ name: String) throws(Poison) -> JSON? {
        guard contains(name) else { return nil }
        return try text(name).map { .string($0.lowercased()) } ?? .null
    }

    /// A sum in the shop's currency and in the customer's.
    fileprivate func sums(_ name: String) throws(Poison) -> JSON? {
        guard contains(name) else { return nil }
        guard let bag = try member(name) else { return .null }
        let names: KeyValuePairs = ["amount": "amount", "currencyCode": "currency_code"]
        var sums = JSONObject()
        sums["shop_money"] = try bag.member("shopMoney").map { .object($0.renamed(names)) }
        sums["presentment_money"] = try bag.member("presentmentMoney").map { .object($0.renamed(names)) }
        return .object(sums)
    }
}

import FoundationEssentials
import JSON
import Time

/// The body of Shopify's `orders/*` topics, read. Pure.
enum ShopifyOrder {
    /// The order, and every shipment and refund within it.
    ///
    /// - Parameter sentAt: when the shop sent it, which counts where it does not say when it was true.
    static func changes(_ body: BodyReader, receivedAt: Instant, sentAt: Instant? = nil) throws(Poison) -> [OrderChange]
    {
        let order = try body.id("id")
        var changes = [OrderChange(order: order, content: .order(try statement(body, sentAt)))]
        for fulfillment in try body.list("fulfillments") {
            let statement = try ShopifyFulfillment.statement(fulfillment, receivedAt: receivedAt, sentAt: sentAt)
            changes.append(OrderChange(order: order, content: .shipment(statement)))
        }
        let saidAt = try body.time("updated_at") ?? sentAt
        for refund in try body.list("refunds") {
            let statement = try ShopifyRefund.statement(refund, saidAt: saidAt)
            changes.append(OrderChange(order: order, content: .refund(statement)))
        }
        return changes
    }

    /// The body of `orders/delete` has the id and no time. What is deleted stays so, and no statement made before can
    /// come with a later time than it has here.
    static func deletion(_ body: BodyReader, receivedAt: Instant) throws(Poison) -> [OrderChange] {
        try body.refuse("created_at", "updated_at", "line_items", "order_id")
        var values = OrderValues()
        values.lifecycle = .deleted
        let statement = OrderStatement(
            stamp: body.stamp(["id"], at: receivedAt),
            told: [.lifecycle],
            values: values,
            isComplete: false,
            cancelledAt: nil
        )
        return [OrderChange(order: try body.id("id"), content: .order(statement))]
    }

    private static let members = [
        "id", "name", "email", "contact_email", "customer", "billing_address", "shipping_address", "customer_locale",
        "currency", "presentment_currency", "total_price", "total_price_set", "financial_status", "fulfillment_status",
        "cancelled_at", "closed_at", "cancel_reason", "processed_at", "created_at", "line_items",
    ]

    /// The shop's times are whole seconds, and one action of it sends several bodies. Of two of one second the one that has
    /// more of what is never taken back is the newer: it is cancelled, it has more shipments and refunds.
    private static func stamp(_ body: BodyReader, _ sentAt: Instant?) throws(Poison) -> Stamp {
        let stamp = try body.stamp(members, saidAt: sentAt)
        let parts = ["fulfillments", "refunds"].reduce(0) { $0 + (body.object[$1]?.arrayValue?.count ?? 0) }
        let isCancelled = body.object["cancelled_at"].map { !$0.isNull } ?? false
        return Stamp(at: stamp.at, hash: [isCancelled ? 1 : 0, UInt8(clamping: parts)] + stamp.hash)
    }

    private static func statement(_ body: BodyReader, _ sentAt: Instant?) throws(Poison) -> OrderStatement {
        var told: Set<OrderField> = []
        var values = OrderValues()
        if body.contains("name") {
            told.insert(.number)
            values.number = try body.text("name")
        }
        if body.contains("email", "contact_email") {
            told.insert(.email)
            let emails = [try body.text("email"), try body.text("contact_email")]
            values.email = emails.compactMap { $0 }.first { !$0.isEmpty }
        }
        // An app may have asked for the ids of customer and addresses alone.
        if try tellsName(body) {
            told.insert(.customerName)
            values.customerName = try customerName(body)
        }
        if body.contains("customer") {
            told.insert(.customer)
            let customer = try body.member("customer")
            if let customer, customer.object["id"]?.isNull == false { values.customer = try customer.id("id") }
        }
        if body.contains("customer_locale") {
            told.insert(.customerLocale)
            values.customerLocale = try body.text("customer_locale")
        }
        if body.contains("total_price", "total_price_set") {
            told.formUnion([.total, .presentmentTotal])
            (values.total, values.presentmentTotal) = try totals(body)
        }
        if body.contains("financial_status") {
            told.insert(.financial)
            values.financialRaw = try body.text("financial_status")
            values.financial = financial(values.financialRaw)
        }
        if body.contains("fulfillment_status") {
            told.insert(.fulfillment)
            values.fulfillmentRaw = try body.text("fulfillment_status")
            values.fulfillment = fulfillment(values.fulfillmentRaw)
        }
        let cancelledAt = try body.time("cancelled_at")
        let closedAt = try body.time("closed_at")
        // One of the two alone says that an order is cancelled or closed, but only both together that it is open.
        if cancelledAt != nil || closedAt != nil || (body.contains("cancelled_at") && body.contains("closed_at")) {
            told.insert(.lifecycle)
            values.lifecycle = cancelledAt != nil ? .cancelled : closedAt != nil ? .closed : .open
            values.cancelReason = try body.text("cancel_reason")
        }
        if body.contains("processed_at", "created_at") {
            told.insert(.placedAt)
            values.placedAt = try body.time("processed_at", "created_at")
        }
        if body.contains("line_items") {
            told.insert(.lines)
            values.lines = try lines(body, currency: try body.text("currency"))
        }
        return OrderStatement(
            stamp: try stamp(body, sentAt),
            told: told,
            values: values,
            isComplete: told.isSuperset(of: [.number, .financial, .lines]),
            cancelledAt: cancelledAt
        )
    }

    private static let people = ["customer", "shipping_address", "billing_address"]

    private static func tellsName(_ body: BodyReader) throws(Poison) -> Bool {
        for name in people {
            guard let person = body.object[name] else { continue }
            if person.isNull || person["first_name"] != nil || person["last_name"] != nil { return true }
        }
        return false
    }

    private static func customerName(_ body: BodyReader) throws(Poison) -> String? {
        for member in people {
            guard let person = try body.member(member) else { continue }
            let parts = [try person.text("first_name"), try person.text("last_name")]
            let name = parts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " ")
            if !name.isEmpty { return name }
        }
        return nil
    }

    private static func totals(_ body: BodyReader) throws(Poison) -> (shop: Money?, presentment: Money?) {
        let currency = try body.text("currency")
        let set = try body.member("total_price_set")
        let shop = try money(set?.member("shop_money"))
        let presentment = try money(set?.member("presentment_money"))
        let price = try body.money("total_price", in: currency)
        let total = shop ?? price
        // Old bodies have one amount only: it is what the customer saw as well, unless another currency is named.
        let named = try body.text("presentment_currency")
        let shown = named ?? currency
        return (total, presentment ?? (total?.currency == shown ? total : nil))
    }

    private static func money(_ body: BodyReader?) throws(Poison) -> Money? {
        guard let body else { return nil }
        return try body.money("amount", in: body.text("currency_code"))
    }

    private static func lines(_ body: BodyReader, currency: String?) throws(Poison) -> [OrderLine] {
        var lines: [OrderLine] = []
        var seen: Set<String> = []
        for item in try body.list("line_items") {
            let id = try item.id("id")
            guard seen.insert(id).inserted else { continue }
            lines.append(
                OrderLine(
                    externalID: id,
                    title: try item.text("title") ?? "",
                    sku: try item.words("sku"),
                    quantity: try item.quantity("quantity"),
                    unitPrice: try item.money("price", in: currency)?.amount
                )
            )
        }
        return lines
    }

    /// REST's words, and GraphQL's where they differ.
    static func financial(_ raw: String?) -> FinancialStatus {
        switch raw?.lowercased() {
        case "pending": .pending
        case "authorized": .authorized
        case "partially_paid": .partiallyPaid
        case "paid": .paid
        case "partially_refunded": .partiallyRefunded
        case "refunded": .refunded
        case "voided": .voided
        case "expired": .expired
        default: .unknown
        }
    }

    static func fulfillment(_ raw: String?) -> FulfillmentStatus {
        switch raw?.lowercased() {
        // REST says null for an order of which nothing was shipped.
        case nil, "unfulfilled", "open": .unfulfilled
        case "partial", "partially_fulfilled": .partiallyFulfilled
        case "fulfilled": .fulfilled
        case "in_progress", "pending_fulfillment": .inProgress
        case "on_hold": .onHold
        case "scheduled": .scheduled
        case "restocked": .restocked
        case "request_declined": .declined
        case "fulfillment_not_required": .notRequired
        default: .unknown
        }
    }
}

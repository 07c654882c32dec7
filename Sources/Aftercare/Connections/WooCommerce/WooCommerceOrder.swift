import Crypto
import FoundationEssentials
import JSON
import Time

/// The body of WooCommerce's `order.*` topics, read. Pure.
///
/// It is made when it is sent, not when the change happened, and is always the whole order. `date_modified_gmt` tells
/// which of two is the newer, and is not to be relied on: looking at an order may change it, taking a refund back does
/// not.
enum WooCommerceOrder {
    /// The order, its parcels and all of its refunds, all of one stamp.
    ///
    /// - Parameter askedAt: when the shop was asked for it; nil where it told by itself.
    static func changes(_ body: BodyReader, askedAt: Instant? = nil) throws(Poison) -> [OrderChange] {
        let order = try body.id("id")
        let currency = try body.text("currency")
        let refunds = try WooCommerceRefund.told(body, currency: currency)
        let parcels = try WooCommerceParcel.told(body)
        let stamp = try stamp(body, refunds: refunds, parcels: parcels, askedAt: askedAt)
        let whole = try statement(body, stamp, refunds: refunds ?? [], hasParcels: !parcels.isEmpty)
        var contents = [OrderChange.Content.order(whole)]
        contents += parcels.map { .shipment($0.statement(stamp)) }
        if let refunds {
            contents.append(.refundList(RefundList(stamp: stamp, refunds: Set(refunds.map(\.id)))))
            contents += refunds.map { .refund($0.statement(stamp)) }
        }
        return contents.map { OrderChange(order: order, content: $0) }
    }

    /// The body of `order.deleted` has the id and no time: what was deleted counts from when we were told.
    static func deletion(_ body: BodyReader, receivedAt: Instant) throws(Poison) -> OrderChange {
        try body.refuse("status", "date_created", "date_created_gmt", "line_items")
        var values = OrderValues()
        values.lifecycle = .deleted
        return try lifecycle(values, of: body, at: receivedAt)
    }

    /// What `order.restored` says beside the order itself. A deletion counts from when we were told, and so does what
    /// takes it back: the order's own time may be the older one.
    static func restoration(_ body: BodyReader, receivedAt: Instant) throws(Poison) -> OrderChange {
        let status = WooCommerceStatus(try body.text("status"))
        var values = OrderValues()
        (values.lifecycle, values.lifecycleRaw) = (status.lifecycle, status.raw)
        return try lifecycle(values, of: body, at: receivedAt)
    }

    private static func lifecycle(
        _ values: OrderValues,
        of body: BodyReader,
        at instant: Instant
    ) throws(Poison) -> OrderChange {
        let statement = OrderStatement(
            stamp: body.stamp(["id", "status"], at: instant),
            told: [.lifecycle],
            values: values,
            isComplete: false,
            cancelledAt: nil
        )
        return OrderChange(order: try body.id("id"), content: .order(statement))
    }

    /// Begun in the admin's pages or at the checkout, and placed by nobody.
    static func isDraft(_ body: BodyReader) throws(Poison) -> Bool {
        ["draft", "auto-draft", "checkout-draft", "new"].contains(try body.text("status") ?? "")
    }

    // MARK: The stamp

    private static let members = [
        "id", "number", "status", "currency", "total", "billing", "shipping", "date_created_gmt", "date_paid_gmt",
        "date_completed_gmt", "line_items", "refunds",
    ]

    /// Of two bodies of one instant the one with fewer refunds is the newer: making a refund gives the order a new
    /// time, taking one back does not. One that does not list them is the oldest. Otherwise the hash decides.
    private static func stamp(
        _ body: BodyReader,
        refunds: [WooCommerceRefund]?,
        parcels: [WooCommerceParcel],
        askedAt: Instant?
    ) throws(Poison) -> Stamp {
        var read = JSONObject()
        for name in members { read[name] = body.object[name] }
        read["parcels"] = .array(parcels.map(\.json))
        let missing = refunds.map { 255 - UInt8(clamping: $0.count) } ?? 0
        let stamp = Stamp(
            at: try body.gmt("date_modified_gmt"),
            hash: [missing] + SHA256.hash(data: JSON.object(read).canonicalBytes)
        )
        return askedAt.map { stamp.answered(to: $0) } ?? stamp
    }

    // MARK: The order itself

    private static func statement(
        _ body: BodyReader,
        _ stamp: Stamp,
        refunds: [WooCommerceRefund],
        hasParcels: Bool
    ) throws(Poison) -> OrderStatement {
        var told: Set<OrderField> = []
        var values = OrderValues()
        if body.contains("number") {
            told.insert(.number)
            values.number = try body.words("number")
        }
        if body.contains("billing") {
            told.formUnion([.email, .customerName])
            let email = try body.member("billing")?.words("email")
            if email?.lowercased() != anonymous {
                values.email = email
                values.customerName = try customerName(body)
            }
        }
        let currency = try body.text("currency")
        if body.contains("total") {
            told.formUnion([.total, .presentmentTotal])
            values.total = try body.amount("total", in: currency)
            // A shop has one currency: what it accounts in is what the customer pays in.
            values.presentmentTotal = values.total
        }
        if body.contains("status") {
            told.formUnion([.financial, .fulfillment, .lifecycle])
            let status = WooCommerceStatus(try body.text("status"))
            let (paidAt, completedAt) = (try body.gmt("date_paid_gmt"), try body.gmt("date_completed_gmt"))
            values.financial = status.financial(
                isPaid: body.contains("date_paid_gmt") ? paidAt != nil : nil,
                refunded: refunds.isEmpty ? .nothing : .amount(Money.sum(refunds.map(\.amount)), of: values.total)
            )
            values.fulfillment = status.fulfillment(isCompleted: completedAt != nil, hasParcels: hasParcels)
            values.lifecycle = status.lifecycle
            (values.financialRaw, values.fulfillmentRaw, values.lifecycleRaw) = (status.raw, status.raw, status.raw)
        }
        if body.contains("date_created_gmt") {
            told.insert(.placedAt)
            values.placedAt = try body.gmt("date_created_gmt")
        }
        if body.contains("line_items") {
            told.insert(.lines)
            values.lines = try lines(body, currency: currency)
        }
        return OrderStatement(
            stamp: stamp,
            told: told,
            values: values,
            isComplete: told.isSuperset(of: [.number, .financial, .lines]),
            // WooCommerce does not say when; it was by then.
            cancelledAt: nil
        )
    }

    /// What WordPress puts in the place of everybody's address whose data it erases. They are not one person.
    private static let anonymous = "deleted@site.invalid"

    private static func customerName(_ body: BodyReader) throws(Poison) -> String? {
        for member in ["billing", "shipping"] {
            guard let person = try body.member(member) else { continue }
            let name = [try person.words("first_name"), try person.words("last_name")]
                .compactMap { $0 }.joined(separator: " ")
            if !name.isEmpty { return name }
        }
        return nil
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
                    title: try item.text("name") ?? "",
                    sku: try item.words("sku"),
                    quantity: try item.pieces("quantity"),
                    unitPrice: try item.amount("price", in: currency)?.amount
                )
            )
        }
        return lines
    }
}

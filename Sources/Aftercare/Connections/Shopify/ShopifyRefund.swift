import FoundationEssentials
import JSON
import Time

/// The bodies of Shopify's `refunds/create` and `order_transactions/create`, and the refunds within an order's, read.
/// Pure.
enum ShopifyRefund {
    static func changes(_ body: BodyReader) throws(Poison) -> [OrderChange] {
        [OrderChange(order: try body.id("order_id"), content: .refund(try statement(body)))]
    }

    /// Nil where the transaction pays nothing back that the shop knows of: a sale, a capture, a void, …, and what somebody
    /// pays back by hand.
    static func transactionChange(_ body: BodyReader) throws(Poison) -> OrderChange? {
        guard try isRefund(body), try !isByHand(body) else { return nil }
        let statement = try transaction(body)
        return OrderChange(order: try body.id("order_id"), content: .refundTransaction(statement))
    }

    private static let members = ["id", "created_at", "processed_at", "transactions"]

    /// - Parameter saidAt: when the order's body that it stands in was true; a refund's own body has no such time.
    static func statement(_ body: BodyReader, saidAt: Instant? = nil) throws(Poison) -> RefundStatement {
        var (sent, byHand): ([RefundTransactionStatement], [RefundTransactionStatement]) = ([], [])
        for item in try body.list("transactions") where try isRefund(item) {
            let payment = try transaction(item, saidAt: saidAt)
            if try isByHand(item) { byHand.append(payment) } else { sent.append(payment) }
        }
        // Of one that is paid back in part by hand nobody can say that it has all been sent; but that a part was refused.
        let isRefused = sent.contains { $0.status == .failed }
        let isUnverified = !byHand.isEmpty && !isRefused
        let recordedAt = try body.time("created_at", "processed_at")
        return RefundStatement(
            externalID: try body.id("id"),
            stamp: body.stamp(members, at: saidAt ?? recordedAt),
            recordedAt: recordedAt,
            transactions: isUnverified ? [] : sent,
            terms: isUnverified ? RefundTerms(amount: Money.sum((sent + byHand).map(\.amount)), reason: nil) : nil
        )
    }

    /// Whether the shop only notes that it was paid back: by hand, as where the customer paid on delivery, or as credit in
    /// the shop. It says `success` all the same, and no bank will ever send anything.
    private static func isByHand(_ body: BodyReader) throws(Poison) -> Bool {
        if let isManual = body.object["manual_payment_gateway"]?.boolValue, isManual { return true }
        return ["manual", "cash", "shopify_store_credit"].contains(try body.text("gateway")?.lowercased())
    }

    private static let transactionMembers = [
        "id", "kind", "status", "gateway", "manual_payment_gateway", "parent_id", "amount", "currency", "amount_set",
        "created_at", "processed_at",
    ]

    /// A refund of a payment that was only authorized releases it: `void`, and no money moves.
    private static func isRefund(_ body: BodyReader) throws(Poison) -> Bool {
        try body.text("kind")?.lowercased() == "refund"
    }

    private static func transaction(
        _ body: BodyReader,
        saidAt: Instant? = nil
    ) throws(Poison) -> RefundTransactionStatement {
        let raw = try body.text("status")
        let (createdAt, processedAt) = (try body.time("created_at"), try body.time("processed_at"))
        let set = try body.member("amount_set")
        let paid = try body.money("amount", in: body.text("currency"))
        let presentment = try set?.member("presentment_money")?.money("amount", in: "currency_code", "currency")
        return RefundTransactionStatement(
            externalID: try body.id("id"),
            stamp: body.stamp(transactionMembers, at: saidAt ?? processedAt ?? createdAt),
            status: status(raw),
            statusRaw: raw,
            gateway: try body.text("gateway"),
            parent: body.contains("parent_id") && body.object["parent_id"]?.isNull == false
                ? try body.id("parent_id") : nil,
            // `currency` is that of the payment: what the customer sees.
            amount: (presentment ?? paid)?.magnitude,
            shopAmount: try set?.member("shop_money")?.money("amount", in: "currency_code", "currency")?.magnitude,
            startedAt: createdAt,
            processedAt: processedAt
        )
    }

    /// REST's words, and those of GraphQL's OrderTransactionStatement.
    static func status(_ raw: String?) -> RefundTransactionStatus {
        switch raw?.lowercased() {
        case "pending", "awaiting_response": .pending
        case "success": .succeeded
        case "failure", "error": .failed
        default: .unknown
        }
    }
}

extension BodyReader {
    /// `amount` in the currency that the first of the members names.
    fileprivate func money(_ name: String, in currencies: String...) throws(Poison) -> Money? {
        for member in currencies {
            guard let currency = try text(member) else { continue }
            return try money(name, in: currency)
        }
        return nil
    }
}

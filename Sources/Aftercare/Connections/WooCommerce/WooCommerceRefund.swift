import JSON
import Time

/// A refund as it stands in an order: that it is recorded and how much it is. Whether the shop had the payment provider
/// send the money is in it only where the shop was asked for its refunds too. Pure.
struct WooCommerceRefund: Hashable, Sendable {
    let id: String
    let amount: Money?
    let reason: String?
    /// The shop had the payment provider send it. False also where nobody knows.
    let isPaid: Bool
    let createdAt: Instant?

    /// All refunds of an order; nil where the body does not list them. No webhook tells that one was taken back: it is
    /// missing from the next list.
    static func told(_ body: BodyReader, currency: String?) throws(Poison) -> [WooCommerceRefund]? {
        guard body.contains("refunds"), body.object["refunds"]?.isNull == false else { return nil }
        var refunds: [WooCommerceRefund] = []
        var seen: Set<String> = []
        for item in try body.list("refunds") {
            let id = try item.id("id")
            guard seen.insert(id).inserted else { continue }
            refunds.append(
                WooCommerceRefund(
                    id: id,
                    // Told as `-10.00`.
                    amount: try item.amount("total", in: currency)?.magnitude,
                    reason: try item.words("reason"),
                    isPaid: item.object["refunded_payment"]?.boolValue ?? false,
                    createdAt: try item.gmt("date_created_gmt")
                )
            )
        }
        return refunds
    }

    func statement(_ stamp: Stamp) -> RefundStatement {
        RefundStatement(
            externalID: id,
            stamp: stamp,
            // A webhook's list has no dates: it was recorded by then.
            recordedAt: createdAt ?? stamp.at,
            transactions: isPaid ? [payment(stamp)] : [],
            terms: RefundTerms(amount: amount, reason: reason)
        )
    }

    /// WooCommerce knows of one payment for a refund, and only of one that worked: where the provider refuses, no refund
    /// is recorded.
    private func payment(_ stamp: Stamp) -> RefundTransactionStatement {
        RefundTransactionStatement(
            externalID: id,
            stamp: stamp,
            status: .succeeded,
            statusRaw: "refunded_payment",
            amount: amount,
            startedAt: createdAt,
            processedAt: createdAt
        )
    }
}

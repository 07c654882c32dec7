import JSON
import Time

/// A refund as it stands in an order: that it is recorded and how much it is. Whether the shop had the payment provider
/// send any money is not in it. Pure.
struct WooCommerceRefund: Hashable, Sendable {
    let id: String
    let amount: Money?
    let reason: String?

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
                    reason: try item.words("reason")
                )
            )
        }
        return refunds
    }

    func statement(_ stamp: Stamp) -> RefundStatement {
        RefundStatement(
            externalID: id,
            stamp: stamp,
            // The list has no dates: it was recorded by then.
            recordedAt: stamp.at,
            transactions: [],
            terms: RefundTerms(amount: amount, reason: reason)
        )
    }
}

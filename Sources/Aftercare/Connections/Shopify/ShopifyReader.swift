import JSON
import Time

extension BodyReader {
    /// At the order's own time; a body that was asked to leave it out counts from when the shop sent it, to the second, as
    /// all of the shop's times.
    func stamp(_ names: [String], saidAt: Instant?) throws(Poison) -> Stamp {
        let second = saidAt.map { Instant(microseconds: $0.microseconds - $0.microseconds % 1_000_000) }
        return stamp(names, at: try time("updated_at") ?? second)
    }

    /// Whether it is about one of the orders, or the return, that Shopify's samples are about, and nobody else.
    var isShopifysSample: Bool {
        let ids: Set<String> = ["820982911946154508", "4783296544821", "123134564567890"]
        let named = ["id", "order_id"].map { object[$0] } + ["order", "return"].map { object[$0]?["id"] }
        return named.contains { $0.flatMap { $0.numberValue?.text ?? $0.stringValue }.map(ids.contains) ?? false }
    }
}

import JSON
import Time

extension BodyReader {
    /// At the order's own time; a body that was asked to leave it out counts from when the shop sent it, to the second, as
    /// all of the shop's times.
    func stamp(_ names: [String], saidAt: Instant?) throws(Poison) -> Stamp {
        let second = saidAt.map { Instant(microseconds: $0.microseconds - $0.microseconds % 1_000_000) }
        return stamp(names, at: try time("updated_at") ?? second)
    }

    /// Whether it is about the order, the customer or the shop that Shopify's samples are all about, and nobody else.
    var isShopifysSample: Bool {
        let ids: Set<String> = ["820982911946154508", "706405506930370084"]
        let named =
            ["id", "order_id", "customer_id"].map { object[$0] }
            + ["order", "customer"].map { object[$0]?["id"] }
        return named.contains { $0.flatMap { $0.numberValue?.text ?? $0.stringValue }.map(ids.contains) ?? false }
            || object["myshopify_domain"]?.stringValue == "super-toys.myshopify.com"
    }
}

import HTTPTypes
import Time

extension HTTPFields {
    /// One of Shopify's headers, by its old name (`X-Shopify-Topic`) or its new one (`Shopify-Topic`).
    func shopify(_ name: String) -> String? {
        for prefix in ["x-shopify-", "shopify-"] {
            guard let field = HTTPField.Name(prefix + name), let value = self[field] else { continue }
            return value
        }
        return nil
    }
}

extension InboundEvent.Headers {
    /// Before the topic of what a shop marks as a test: an order that was paid with play money, or a sample that it sends to
    /// see whether it arrives.
    static let shopifyTest = "test/"

    static func shopify(_ fields: HTTPFields) -> Self {
        func text(_ name: String) -> String? { fields.shopify(name).map(worthKeeping) }
        let isTest = text("test")?.lowercased() == "true"
        return Self(
            topic: (isTest ? shopifyTest : "") + (text("topic") ?? ""),
            deliveryID: text("webhook-id"),
            apiVersion: text("api-version"),
            triggeredAt: text("triggered-at").flatMap { Instant(rfc3339: $0) }
        )
    }
}

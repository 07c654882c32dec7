import FoundationEssentials
import JSON
import Time

/// The body of Shopify's `orders/risk_assessment_changed`, read. Pure.
///
/// It is one assessment, by Shopify itself or by an app that the shop uses: each of them is a source of its own. What
/// Shopify recommends to do is not in it.
enum ShopifyRisk {
    /// Nil where it does not say how high the risk is.
    static func change(_ body: BodyReader, saidAt: Instant) throws(Poison) -> OrderChange? {
        guard let raw = try body.text("risk_level"), !raw.isEmpty else { return nil }
        let assessedAt = try body.time("created_at")
        let assessment = RiskAssessment(
            level: level(raw),
            levelRaw: raw,
            assessedAt: assessedAt,
            stamp: body.stamp(members, at: assessedAt ?? saidAt)
        )
        let named = body.object["order_id"]?.isNull == false ? "order_id" : "admin_graphql_api_order_id"
        let statement = RiskStatement(source: try source(body), assessment: assessment)
        return OrderChange(order: try body.id(named), content: .risk(statement))
    }

    private static let members = [
        "order_id", "admin_graphql_api_order_id", "provider_id", "provider_title", "risk_level", "created_at",
    ]

    /// Shopify's own has no provider.
    private static func source(_ body: BodyReader) throws(Poison) -> String {
        let (title, id) = (try body.text("provider_title"), try body.text("provider_id"))
        guard let app = title ?? id else { return "shopify" }
        return "shopify: \(app.prefix(80))"
    }

    /// REST's words, and GraphQL's. `PENDING` is not known yet.
    static func level(_ raw: String) -> RiskLevel {
        switch raw.lowercased() {
        case "none": .none
        case "low": .low
        case "medium": .medium
        case "high": .high
        default: .unknown
        }
    }
}

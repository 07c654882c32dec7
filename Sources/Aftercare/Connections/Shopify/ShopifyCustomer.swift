import FoundationEssentials
import JSON
import Time

/// The bodies of Shopify's `customers/*` and `customers_email_marketing_consent/update`, read. Pure.
enum ShopifyCustomer {
    static func change(_ body: BodyReader, saidAt: Instant) throws(Poison) -> CustomerChange {
        // It is there to be told of.
        var told: Set<CustomerField> = [.deleted]
        var values = CustomerValues()
        if body.contains("email") {
            told.insert(.email)
            let email = try body.text("email")
            values.email = email?.isEmpty == true ? nil : email
        }
        if body.contains("first_name", "last_name") {
            told.insert(.name)
            let parts = [try body.text("first_name"), try body.text("last_name")]
            let name = parts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " ")
            values.name = name.isEmpty ? nil : name
        }
        if body.contains("locale") {
            told.insert(.locale)
            values.locale = try body.text("locale")
        }
        if let consent = try body.member("email_marketing_consent") {
            told.insert(.marketing)
            try read(consent, into: &values)
        } else if let accepts = body.object["accepts_marketing"]?.boolValue {
            // Older bodies say yes or no.
            told.insert(.marketing)
            values.marketing = accepts ? .subscribed : .notSubscribed
            values.marketingRaw = accepts ? "true" : "false"
            values.marketingAt = try body.time("accepts_marketing_updated_at")
        }
        let time = try body.time("updated_at") ?? saidAt
        let statement = CustomerStatement(stamp: body.stamp(members, at: time), told: told, values: values)
        return .statement(statement, of: try body.id("id"))
    }

    private static let members = [
        "id", "email", "first_name", "last_name", "locale", "email_marketing_consent", "accepts_marketing",
        "accepts_marketing_updated_at",
    ]

    /// The body has the id and no time. Whoever is deleted stays so, and nothing is kept of them: no statement made
    /// before can come with a later time than this has.
    static func deletion(_ body: BodyReader, saidAt: Instant) throws(Poison) -> CustomerChange {
        try body.refuse("created_at", "updated_at", "email", "line_items", "order_id")
        var values = CustomerValues()
        values.isDeleted = true
        let statement = CustomerStatement(
            stamp: body.stamp(["id"], at: saidAt),
            told: Set(CustomerField.allCases),
            values: values
        )
        return .statement(statement, of: try body.id("id"))
    }

    /// Nil unless the shop has carried it out: a body also tells of one that was asked for, or failed.
    static func merger(_ body: BodyReader) throws(Poison) -> CustomerChange? {
        let kept = try body.id("admin_graphql_api_customer_kept_id")
        let merged = try body.id("admin_graphql_api_customer_deleted_id")
        guard try body.text("status")?.lowercased() == "completed" else { return nil }
        return .merger(of: merged, into: kept)
    }

    static func consent(_ body: BodyReader, saidAt: Instant) throws(Poison) -> CustomerChange {
        var values = CustomerValues()
        let consent = try body.member("email_marketing_consent")
        if let consent { try read(consent, into: &values) }
        let time = values.marketingAt ?? saidAt
        let statement = CustomerStatement(
            stamp: body.stamp(["customer_id", "email_marketing_consent"], at: time),
            told: consent == nil ? [] : [.marketing],
            values: values
        )
        return .statement(statement, of: try body.id("customer_id"))
    }

    private static func read(_ consent: BodyReader, into values: inout CustomerValues) throws(Poison) {
        values.marketingRaw = try consent.text("state")
        values.marketing = marketing(values.marketingRaw)
        values.marketingAt = try consent.time("consent_updated_at")
    }

    static func marketing(_ raw: String?) -> MarketingState {
        raw.flatMap { MarketingState(rawValue: $0.lowercased()) } ?? .unknown
    }
}

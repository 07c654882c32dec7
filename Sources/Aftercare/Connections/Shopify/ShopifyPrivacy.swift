import FoundationEssentials
import JSON

/// The bodies of Shopify's `customers/data_request`, `customers/redact` and `shop/redact`, read. Pure.
enum ShopifyPrivacy {
    /// The two about a person differ in how they call the list of orders.
    static func person(
        _ body: BodyReader,
        _ kind: PrivacyRequest.Kind,
        orders name: String
    ) throws(Poison)
        -> PrivacyChange
    {
        try body.refuse("id", kind == .customerRedaction ? "orders_requested" : "orders_to_redact")
        var subject = PrivacySubject()
        if let customer = try body.member("customer") {
            // Somebody may have only an address.
            if customer.object["id"]?.isNull == false { subject.customer = try customer.id("id") }
            let email = try customer.text("email").map { MailAddress.normalized($0) }
            subject.email = email?.isEmpty == true ? nil : email
        }
        subject.orders = try ids(body, name)
        return PrivacyChange(kind: kind, subject: subject)
    }

    private static func ids(_ body: BodyReader, _ name: String) throws(Poison) -> [String] {
        guard let list = body.object[name], !list.isNull else { return [] }
        guard let elements = list.arrayValue else { throw Poison(.unreadableList, name) }
        var ids: [String] = []
        for element in elements where !element.isNull {
            var member = JSONObject()
            member[name] = element
            ids.append(try BodyReader(member).id(name))
        }
        return ids
    }

    static func store(_ body: BodyReader) throws(Poison) -> PrivacyChange {
        // Nothing in it is needed, but a body without it is none of the shop's.
        _ = try body.id("shop_id")
        try body.refuse("id", "order_id", "customer", "orders_requested", "orders_to_redact")
        return PrivacyChange(kind: .storeRedaction, subject: PrivacySubject())
    }
}

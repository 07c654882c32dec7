import JSON

@testable import Aftercare

/// Bodies of Shopify's compliance topics, in the shapes they come in, about the demo's customer.
enum PrivacyBody {
    /// The account of the demo's order.
    static let customer = "9107199254740991002"
    static let email = "Ada@Example.com"

    static func dataRequest(orders: [String] = [ReturnBody.order]) -> [UInt8] {
        Array(
            """
            {"shop_id":954889,"shop_domain":"demo.myshopify.com","orders_requested":[\(orders.joined(separator: ","))],
             "customer":{"id":\(customer),"email":"\(email)","phone":"555-625-1199"},"data_request":{"id":9999}}
            """.utf8
        )
    }

    static func redact(orders: [String] = [ReturnBody.order]) -> [UInt8] {
        Array(
            """
            {"shop_id":954889,"shop_domain":"demo.myshopify.com","orders_to_redact":[\(orders.joined(separator: ","))],
             "customer":{"id":\(customer),"email":"\(email)","phone":"555-625-1199"}}
            """.utf8
        )
    }

    static let shop = Array(#"{"shop_id":954889,"shop_domain":"demo.myshopify.com"}"#.utf8)
}

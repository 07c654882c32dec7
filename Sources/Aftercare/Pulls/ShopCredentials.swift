import Observability

/// What a merchant gives us to ask the shop with.
enum ShopCredentials: Sendable {
    /// The access token of a custom app for Shopify's Admin API.
    case shopify(accessToken: Secret<String>)
    /// A key pair of WooCommerce's REST API; `read` is enough.
    case wooCommerce(consumerKey: String, consumerSecret: Secret<String>)
}

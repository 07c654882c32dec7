import Observability

extension Connection.Provider {
    /// What asks the shop about its orders; nil for whoever knows none.
    ///
    /// - Parameter account: as the connection has it.
    func source(account: String, _ credentials: ShopCredentials, over transport: ShopTransport) -> (any OrderSource)? {
        switch (self, credentials) {
        case (.shopify, .shopify(let token)):
            ShopifyAdmin(shop: account, accessToken: token, transport: transport)
        case (.wooCommerce, .wooCommerce(let key, let secret)):
            WooCommerceREST(site: account, consumerKey: key, consumerSecret: secret, transport: transport)
        case (.shopify, _), (.wooCommerce, _), (.easypost, _), (.aftership, _), (.shippo, _): nil
        }
    }
}

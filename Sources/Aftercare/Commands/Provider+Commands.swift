/// What each provider's connector can do to an order. Each question is one switch; the answers are in the provider's
/// folder.
extension Connection.Provider {
    /// Whether its connector carries this out.
    func carries(_ parameters: CommandParameters) -> Bool {
        switch self {
        // Its connector only listens and asks.
        case .shopify: false
        case .wooCommerce: WooCommerceREST.carries(parameters)
        // They tell of parcels, and know no order.
        case .easypost, .aftership, .shippo: false
        }
    }

    /// Tells the shop, once.
    ///
    /// - Parameter source: as the provider made it.
    func carryOut(
        _ parameters: CommandParameters,
        on externalID: String,
        by source: any OrderSource
    ) async -> CommandOutcome {
        switch self {
        case .wooCommerce:
            if let shop = source as? WooCommerceREST { return await shop.carryOut(parameters, on: externalID) }
        case .shopify, .easypost, .aftership, .shippo: break
        }
        return .failed(.noWayToCommand, detail: "the connector carries out no such command")
    }

    /// Whether the shop's own order shows what the mirror keeps nothing of; nil where that cannot be told.
    func sees(_ parameters: CommandParameters, on externalID: String, by source: any OrderSource) async -> Bool? {
        guard case .changeShippingAddress(let address) = parameters else { return nil }
        switch self {
        case .wooCommerce: return await (source as? WooCommerceREST)?.shows(address, on: externalID)
        case .shopify, .easypost, .aftership, .shippo: return nil
        }
    }
}

import Time

/// What each provider's connector can do to an order. Each question is one switch; the answers are in the provider's
/// folder.
extension Connection.Provider {
    /// The commands its connector carries out.
    var commands: Set<Command.Kind> {
        switch self {
        // Their connectors only listen.
        case .shopify, .wooCommerce: []
        // They tell of parcels, and know no order.
        case .easypost, .aftership, .shippo: []
        }
    }

    /// Reads the order again from the shop and applies it to the mirror, before a command and after it. False where it
    /// could not be read.
    func readAgain(_ order: OrderID, _ connection: ConnectionID, _ environment: Environment) async -> Bool {
        switch self {
        case .shopify, .wooCommerce, .easypost, .aftership, .shippo: false
        }
    }

    /// Tells the shop, once.
    func carryOut(
        _ command: Command,
        on order: Order,
        _ connection: ConnectionID,
        _ environment: Environment
    ) async -> CommandOutcome {
        switch self {
        case .shopify, .wooCommerce, .easypost, .aftership, .shippo:
            .failed(.noWayToCommand, detail: "the connector carries out no commands")
        }
    }
}

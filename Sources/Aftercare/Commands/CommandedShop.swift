/// A shop that a connector can tell what to do with an order.
protocol CommandedShop: Sendable {
    /// Tells it, once.
    func carryOut(_ parameters: CommandParameters, on externalID: String) async -> CommandOutcome

    /// Whether the shop itself shows that a command was carried out, of which the mirror may not know; nil where that
    /// cannot be told.
    func shows(_ command: Command, on externalID: String) async -> Bool?
}

extension CommandOutcome {
    /// Of what gave no answer.
    init(_ silence: ShopTransport.Silence) {
        self = silence.mayHaveArrived ? .perhapsDone(silence.failure) : .notDone(silence.failure)
    }

    static func perhapsDone(_ failure: PullFailure) -> CommandOutcome {
        .unknown(.noAnswer, detail: failure.words)
    }

    /// What passes is tried again; what somebody has to see to is not.
    static func notDone(_ failure: PullFailure) -> CommandOutcome {
        switch failure {
        case .throttled(let wait): .passing(failure.words, mayHaveActed: false, after: wait)
        case .unavailable: .passing(failure.words, mayHaveActed: false, after: nil)
        case .unauthorized, .forbidden, .missingScope, .apiSunset, .unreadable: .refused(failure)
        }
    }

    static func refused(_ failure: PullFailure) -> CommandOutcome {
        .refused(.refusedByShop, detail: failure.words)
    }
}

extension PullFailure {
    /// Its name, and what the shop named.
    fileprivate var words: String {
        [Pull.Failure(self).rawValue, detail].compactMap { $0 }.joined(separator: ": ")
    }
}

extension Connection.Provider {
    /// Whether its connector carries this out.
    func carries(_ parameters: CommandParameters) -> Bool {
        switch self {
        case .shopify: true
        case .wooCommerce: WooCommerceREST.carries(parameters)
        // They tell of parcels, and know no order.
        case .easypost, .aftership, .shippo: false
        }
    }
}

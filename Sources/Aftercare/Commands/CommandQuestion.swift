import Time

/// What is known of an order when a command is asked for, and again right before it is sent. Pure.
struct CommandQuestion: Sendable {
    let order: Order
    let hasOpenDispute: Bool
    let returns: [KnownReturn]

    /// A return of the order, as the mirror has it.
    struct KnownReturn: Hashable, Sendable {
        let externalID: String
        let state: ReturnState
        /// When it was first heard of here.
        let knownAt: Instant
        /// Pieces by the line of the order.
        var announced: [String: Int]

        /// Whether its goods come back, or came. Of one in a state that nobody knows they may.
        var holdsGoods: Bool { state != .declined && state != .cancelled && state != .expired }
    }

    /// Why not, and which line of a return is meant.
    struct Obstacle: Hashable, Sendable {
        let reason: CommandReason
        var line: Int?

        /// Somebody has packed it, or is about to.
        var concernsLabel: Bool { reason == .labelCreated || reason == .shipped || reason == .inFulfillment }
    }

    /// What stands in the way of a command; nil where nothing does.
    func obstacle(to parameters: CommandParameters) -> Obstacle? {
        let values = order.state.values
        guard order.state.isComplete else { return Obstacle(reason: .orderIncomplete) }
        switch values.lifecycle {
        case .deleted: return Obstacle(reason: .orderDeleted)
        case .cancelled where !parameters.concernsGoodsThatCameBack: return Obstacle(reason: .alreadyCancelled)
        case .open, .closed, .cancelled: break
        }
        if hasOpenDispute { return Obstacle(reason: .disputeOpen) }
        return switch parameters {
        case .cancelOrder: reasonAgainstCancelling.map { Obstacle(reason: $0) }
        case .changeShippingAddress: reasonAgainstNewAddress.map { Obstacle(reason: $0) }
        case .createReturn(let new): obstacle(to: new)
        }
    }

    // MARK: Goods that are on their way

    private var parcels: [Shipment] { order.shipments.map(\.shipment).filter { $0.status != .cancelled } }

    private var hasLeft: Bool { parcels.contains { $0.shippedAt != nil || $0.status.impliesShipped } }

    private var reasonAgainstCancelling: CommandReason? {
        if hasLeft { return .shipped }
        switch order.state.values.fulfillment {
        case .partiallyFulfilled, .fulfilled: return .shipped
        case .unknown: return .fulfillmentUnknown
        case .unfulfilled, .scheduled, .onHold, .inProgress, .restocked, .notRequired, .declined: break
        }
        return parcels.contains { $0.status == .unknown } ? .fulfillmentUnknown : nil
    }

    /// Whoever packs it has the old address as soon as there is a label, and does not look again.
    private var reasonAgainstNewAddress: CommandReason? {
        if hasLeft { return .shipped }
        if !parcels.isEmpty { return .labelCreated }
        return switch order.state.values.fulfillment {
        case .partiallyFulfilled, .fulfilled: .shipped
        case .inProgress: .inFulfillment
        case .notRequired: .nothingToShip
        case .unknown: .fulfillmentUnknown
        case .unfulfilled, .scheduled, .onHold, .restocked, .declined: nil
        }
    }

    // MARK: Goods that come back

    /// A shop without tracking says that everything went out, and nothing more; so it is for what was picked up, or sold over
    /// the counter.
    private var hasArrived: Bool {
        if !parcels.contains(where: \.isTracked) { return order.state.values.fulfillment == .fulfilled }
        return parcels.contains { $0.deliveredAt != nil || $0.status == .delivered }
    }

    private func obstacle(to new: NewReturn) -> Obstacle? {
        guard hasArrived else { return Obstacle(reason: .notDelivered) }
        let holding = returns.filter(\.holdsGoods)
        for (index, line) in new.lines.enumerated() {
            guard let ordered = order.state.values.lines.first(where: { $0.externalID == line.orderLine }) else {
                return Obstacle(reason: .unknownLine, line: index)
            }
            let coming = holding.reduce(0) { $0 + ($1.announced[line.orderLine] ?? 0) }
            if line.quantity > ordered.quantity - coming {
                return Obstacle(reason: .quantityExceedsLeft, line: index)
            }
        }
        return nil
    }

    // MARK: Seeing that it was done

    /// Whether the mirror shows it; nil where it cannot.
    func shows(_ command: Command) -> Bool? {
        switch (command.kind, command.parameters) {
        case (.cancelOrder, _): order.state.values.lifecycle == .cancelled
        case (.changeShippingAddress, _): nil
        case (.createReturn, .createReturn(let new)):
            returns.contains { known in
                if let reference = command.reference { return known.externalID == reference }
                return known.knownAt >= command.createdAt && known.holdsGoods
                    && new.lines.allSatisfy { (known.announced[$0.orderLine] ?? 0) >= $0.quantity }
            }
        case (.createReturn, _): returns.contains { $0.externalID == command.reference }
        }
    }
}

extension CommandParameters {
    /// What was delivered may come back, whatever the order is called since.
    fileprivate var concernsGoodsThatCameBack: Bool { kind == .createReturn }
}

extension CommandReason {
    /// For whoever asked: what is so, in a sentence.
    var sentence: String {
        switch self {
        case .orderIncomplete: "The shop has told of a part of the order only."
        case .orderDeleted: "The order was deleted in the shop."
        case .alreadyCancelled: "The order is cancelled already."
        case .shipped: "Goods of the order have left already."
        case .labelCreated: "There is a label already, with the address before."
        case .inFulfillment: "The order is being packed already."
        case .fulfillmentUnknown: "The shop uses a word for how far the order is that is not known here."
        case .nothingToShip: "Nothing of the order is shipped."
        case .disputeOpen: "A payment of the order is disputed."
        case .notDelivered: "Nothing of the order is known to be delivered."
        case .unknownLine: "The order has no such line."
        case .quantityExceedsLeft: "More is to come back than there is left."
        case .noWayToCommand: "The store has no connector that does this, and no command endpoint for it."
        case .commandInProgress: "A command of this kind for the order is not over yet."
        case .orderNotRead: "The shop did not let the order be read again."
        case .endpointDisabled: "The store's command endpoint was disabled, or takes no such commands any more."
        case .endpointGone: "The store's command endpoint answered that it is gone (410), and was disabled."
        case .endpointRefused: "The address of the store's command endpoint may not be reached from here."
        case .unreachable: "No try to reach the shop's program came through in time."
        case .noAnswer: "Nothing came back that says the shop has the command, but it may have it."
        case .refusedByShop: "The shop refused it."
        case .noAcknowledgement: "The shop has the command and did not say in time what became of it."
        case .notSeen: "The shop says that it was done, and the order does not show it."
        case .interrupted: "The program was interrupted while it told the shop."
        case .failedOnOurSide: "Something went wrong on our side before the shop was told."
        case .redacted: "What it was about was erased."
        case .resolved: "A person said what became of it."
        }
    }
}

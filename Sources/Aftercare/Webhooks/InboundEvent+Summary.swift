/// What became of an event, in a sentence, for whoever reads the log.
extension InboundEvent {
    var summary: String {
        switch state {
        case .received: "It waits to be read."
        case .applied where order != nil: "It was read, and what is known of its order was brought up to date."
        case .applied: "It was read and applied."
        case .ignored: "It changed nothing: \(ignored)."
        case .quarantined: "It could not be read: \(fault). It is kept, and can be replayed."
        }
    }

    private var ignored: String {
        reason.flatMap { IgnoredReason(rawValue: $0) }?.words ?? "the reason is \(reason ?? "not known")"
    }

    private var fault: String {
        let parts = (reason ?? "").split(separator: ":", maxSplits: 1).map(String.init)
        guard let kind = parts.first.flatMap({ Poison.Kind(rawValue: $0) }) else {
            return "the reason is \(reason ?? "not known")"
        }
        return kind.words + (parts.count > 1 ? ", at \(parts[1].singleLine(limit: 100))" : "")
    }
}

extension IgnoredReason {
    /// As the end of a sentence.
    var words: String {
        switch self {
        case .unknownTopic: "nothing here is about its topic"
        case .testNotification: "the shop sent it as a sample, and it is about no real order"
        case .toldByOrdersUpdated: "the shop tells the same with orders/updated"
        case .deletionsNotMirrored: "what it says was deleted is not mirrored"
        case .riskLevelNotTold: "it tells of no level of risk"
        case .paymentsNotMirrored: "it is about a payment, and none that a provider pays back"
        case .fulfillmentOrdersNotMirrored: "fulfilment orders are not mirrored"
        case .customersNotMirrored: "customers of this shop are not mirrored"
        case .couponsNotMirrored: "coupons are not mirrored"
        case .productsNotMirrored: "products are not mirrored"
        case .actionsNotMirrored: "it is a hook of the shop's own program"
        case .draftOrder: "the order is a draft that nobody has placed"
        case .namesNoReturn: "it names no return"
        case .returnDifferencesNotMirrored: "it tells how a return differs, and not what it is"
        case .mergerNotCompleted: "the shop has not made one of the two customers"
        case .mergesInCircle: "the customer to be kept was merged into the other one before"
        case .shopNotMirrored: "it is about the shop itself"
        case .redacted: "its body was erased, with the data of whom it told of"
        case .expired: "its body was deleted, because it was kept for long enough"
        case .notAnEvent: "it is none of the provider's events"
        case .notAboutTracking: "it is not about a parcel"
        case .eventWithoutContent: "it names what happened and does not tell it"
        case .noShipment: "no shipment has its tracking number yet; it is kept for when one does"
        case .outsideWindow: "it is about none of the shipments that have its tracking number"
        case .connectionDisabled: "the connection was not in use; replay it once it is again"
        case .connectedAgainSince: "the app was put in again after what it tells of"
        }
    }
}

extension Poison.Kind {
    /// As the middle of a sentence.
    var words: String {
        switch self {
        case .malformedJSON: "the body is not JSON"
        case .notAnObject: "the body is not a JSON object"
        case .missingID: "an id is missing"
        case .unreadableID: "an id cannot be read"
        case .unreadableText: "a text cannot be read"
        case .unreadableNumber: "a number cannot be read"
        case .unreadableTime: "a time cannot be read"
        case .unreadableAmount: "an amount of money cannot be read"
        case .unreadableList: "a list or an object cannot be read"
        case .otherTopic: "the body is none of its topic, which is not signed"
        case .refusedByDatabase: "it was understood, and breaks a rule of the database"
        }
    }
}

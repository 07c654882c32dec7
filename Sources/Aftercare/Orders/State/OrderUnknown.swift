import Time

/// What is not known of an order, so that nobody answers as if it were. Pure.
struct OrderUnknown: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case orderIncomplete = "order_incomplete"
        case neverVerified = "never_verified"
        case placedAtUntold = "placed_at_untold"
        case paymentUnknown = "payment_unknown"
        case fulfillmentUnknown = "fulfillment_unknown"
        case noParcelTold = "no_parcel_told"
        case parcelStatusUnknown = "parcel_status_unknown"
        case noCarrierReport = "no_carrier_report"
        case noDeliveryDate = "no_delivery_date"
        case refundUnverified = "refund_unverified"
        case refundAmountUntold = "refund_amount_untold"
        case refundUnknown = "refund_unknown"
        case returnUnknown = "return_unknown"
        case disputeUnknown = "dispute_unknown"
    }

    let kind: Kind
    let subject: OrderConflict.Evidence.Subject

    static func all(in state: OrderState, verifiedAt: Instant?) -> [OrderUnknown] {
        ofTheOrder(state, verifiedAt)
            + state.shipments.sorted { $0.key < $1.key }.flatMap { of($0.value, $0.key) }
            + state.refunds.sorted { $0.key < $1.key }.flatMap { of($0.value, $0.key) }
            + state.returns.sorted { $0.key < $1.key }.filter { $0.value.state == .unknown }
            .map { OrderUnknown(kind: .returnUnknown, subject: .return($0.key)) }
            + state.disputes.sorted { $0.key < $1.key }.filter { $0.value.word.status == .unknown }
            .map { OrderUnknown(kind: .disputeUnknown, subject: .dispute($0.key)) }
    }

    private static func ofTheOrder(_ state: OrderState, _ verifiedAt: Instant?) -> [OrderUnknown] {
        let values = state.values
        var kinds: [Kind] = []
        if !state.isComplete { kinds.append(.orderIncomplete) }
        if verifiedAt == nil { kinds.append(.neverVerified) }
        if values.placedAt == nil { kinds.append(.placedAtUntold) }
        if values.financial == .unknown { kinds.append(.paymentUnknown) }
        if values.fulfillment == .unknown { kinds.append(.fulfillmentUnknown) }
        let isShipped = values.fulfillment == .fulfilled || values.fulfillment == .partiallyFulfilled
        if isShipped, state.shipments.isEmpty { kinds.append(.noParcelTold) }
        return kinds.map { OrderUnknown(kind: $0, subject: .order) }
    }

    private static func of(_ shipment: Shipment, _ id: String) -> [OrderUnknown] {
        var kinds: [Kind] = []
        switch shipment.status {
        case .delivered, .returning, .returned, .lost, .damaged, .cancelled: break
        case .unknown, .labelCreated, .pickedUp, .inTransit, .outForDelivery, .attempted, .pickupReady,
            .heldActionRequired, .failed, .noDataExpired:
            if shipment.status == .unknown { kinds.append(.parcelStatusUnknown) }
            if shipment.countedEvents.isEmpty { kinds.append(.noCarrierReport) }
            if shipment.tracker?.estimatedDelivery == nil { kinds.append(.noDeliveryDate) }
        }
        return kinds.map { OrderUnknown(kind: $0, subject: .shipment(id)) }
    }

    private static func of(_ refund: Refund, _ id: String) -> [OrderUnknown] {
        var kinds: [Kind] = []
        switch refund.state {
        case .recordedUnverified: kinds.append(.refundUnverified)
        case .unknown: kinds.append(.refundUnknown)
        case .recorded, .pending, .succeeded, .failed, .removed: break
        }
        if refund.amount == nil, refund.state != .removed { kinds.append(.refundAmountUntold) }
        return kinds.map { OrderUnknown(kind: $0, subject: .refund(id)) }
    }
}

extension OrderUnknown.Kind {
    var sentence: String {
        switch self {
        case .orderIncomplete: "The shop has told of a part of the order only."
        case .neverVerified: "The shop was never asked whether the order is still as it told it."
        case .placedAtUntold: "It is not told when the order was placed."
        case .paymentUnknown: "Whether the order is paid is not known, or said by a word that is not."
        case .fulfillmentUnknown: "How far the order's fulfilment is, is not known, or said by a word that is not."
        case .noParcelTold: "The shop says that the order was shipped, and has told of no parcel."
        case .parcelStatusUnknown: "Where the parcel is, is not known, or said by a word that is not."
        case .noCarrierReport: "No carrier has reported anything of the parcel."
        case .noDeliveryDate: "No carrier has told when the parcel will be delivered."
        case .refundUnverified: "The shop has recorded a refund, and never tells whether its money has moved."
        case .refundAmountUntold: "How much the refund is cannot be said in one sum."
        case .refundUnknown: "A payment of the refund is in a state that is not known."
        case .returnUnknown: "How far the return is, is not known, or said by a word that is not."
        case .disputeUnknown: "How far the dispute is, is not known, or said by a word that is not."
        }
    }
}

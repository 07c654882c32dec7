import Time

/// What is known of an order at one moment, how old each part of it is, what is not known, and what contradicts itself.
/// Pure: the same from the same mirror at the same time.
struct OrderAssessment: Hashable, Sendable {
    /// What its status comes from.
    enum Teller: String, CaseIterable, Sendable { case shop, carrier }

    struct Parcel: Hashable, Sendable {
        let externalID: String
        let shipment: Shipment
        /// Nil where nobody has told any.
        let toldBy: Teller?
        let times: KnownTimes
    }

    struct RefundAge: Hashable, Sendable {
        let externalID: String
        let refund: Refund
        let times: KnownTimes
    }

    struct ReturnAge: Hashable, Sendable {
        let externalID: String
        let known: OrderReturn
        let times: KnownTimes
    }

    struct DisputeAge: Hashable, Sendable {
        let externalID: String
        let dispute: Dispute
        let times: KnownTimes
    }

    /// The order itself: whether it goes on, and how far its fulfilment is.
    let order: KnownTimes
    let money: KnownTimes
    let shipment: KnownTimes
    let returns: KnownTimes
    let disputes: KnownTimes
    /// Of everything that may still change.
    let everything: KnownTimes
    let parcels: [Parcel]
    let refundAges: [RefundAge]
    let returnAges: [ReturnAge]
    let disputeAges: [DisputeAge]
    let unknowns: [OrderUnknown]
    let conflicts: [OrderConflict]

    /// - Parameter verifiedAt: when the mirror was last compared with the shop: what the shop says of the order, of its
    ///   money and of parcels that no carrier tells of. Not every shop tells of returns when it is asked, and none of
    ///   disputes.
    init(_ state: OrderState, verifiedAt: Instant?) {
        func said(_ field: OrderField) -> KnownTimes {
            KnownTimes(state.provenance.stamp(of: field), verifiedAt: verifiedAt)
        }
        parcels = state.shipments.sorted { $0.key < $1.key }.map { Parcel($0.value, $0.key, verifiedAt) }
        refundAges = state.refunds.sorted { $0.key < $1.key }.map { id, refund in
            RefundAge(refund, id, state.transactions(ofRefund: id), verifiedAt)
        }
        returnAges = state.returns.sorted { $0.key < $1.key }.map { id, known in
            ReturnAge(externalID: id, known: known, times: KnownTimes(known.newest, verifiedAt: nil))
        }
        disputeAges = state.disputes.sorted { $0.key < $1.key }.map { id, dispute in
            DisputeAge(externalID: id, dispute: dispute, times: KnownTimes(dispute.word.stamp, verifiedAt: nil))
        }
        let (parcelParts, refundParts) = (parcels.map(\.part), refundAges.map(\.part))
        let (returnParts, disputeParts) = (returnAges.map(\.part), disputeAges.map(\.part))
        order = KnownTimes(of: [said(.lifecycle), said(.fulfillment)].map { KnownTimes.Part(times: $0) })
        money = KnownTimes(of: [KnownTimes.Part(times: said(.financial))] + refundParts)
        shipment = KnownTimes(of: parcelParts)
        returns = returnParts.isEmpty ? said(.returns) : KnownTimes(of: returnParts)
        disputes = KnownTimes(of: disputeParts)
        let open = [(parcelParts, shipment), (returnParts, returns), (disputeParts, disputes)]
            .filter { parts, _ in parts.contains { !$0.isSettled } }
        everything = KnownTimes(of: ([order, money] + open.map(\.1)).map { KnownTimes.Part(times: $0) })
        conflicts = OrderConflict.all(in: state)
        unknowns = OrderUnknown.all(in: state, verifiedAt: verifiedAt)
    }
}

// MARK: How old the parts are

extension OrderAssessment.Parcel {
    fileprivate init(_ shipment: Shipment, _ id: String, _ orderVerifiedAt: Instant?) {
        let report = shipment.report
        let said = shipment.provenance.stamp(of: .reported)
        // The shop's later word is one more that it is so only where it says the same.
        let agreedAt = shipment.values.reported == shipment.status ? said?.at : nil
        let isCarriers = report?.number != nil
        // A provider that says how the parcel is has asked the carrier; the shop knows no better than it does.
        let verifiedAt = isCarriers ? shipment.tracker?.saidAt : orderVerifiedAt
        let isTold = report != nil || said != nil || !shipment.countedEvents.isEmpty
        self.init(
            externalID: id,
            shipment: shipment,
            toldBy: isTold ? (isCarriers ? .carrier : .shop) : nil,
            times: KnownTimes(
                happenedAt: shipment.statusAt,
                receivedAt: report?.receivedAt ?? said?.receivedAt,
                verifiedAt: isTold ? verifiedAt : nil,
                asOf: isTold ? KnownTimes.latest(shipment.lastEventAt, agreedAt, verifiedAt) : nil
            )
        )
    }

    fileprivate var part: KnownTimes.Part { KnownTimes.Part(times: times, isSettled: isSettled) }

    private var isSettled: Bool {
        switch shipment.status {
        case .delivered, .returned, .cancelled: true
        case .unknown, .labelCreated, .pickedUp, .inTransit, .outForDelivery, .attempted, .pickupReady,
            .heldActionRequired, .returning, .lost, .damaged, .failed, .noDataExpired:
            false
        }
    }
}

extension OrderAssessment.RefundAge {
    fileprivate init(_ refund: Refund, _ id: String, _ payments: [RefundTransaction], _ verifiedAt: Instant?) {
        let newest = payments.map(\.word.stamp).reduce(refund.newest) { $0 < $1 ? $1 : $0 }
        self.init(externalID: id, refund: refund, times: KnownTimes(newest, verifiedAt: verifiedAt))
    }

    fileprivate var part: KnownTimes.Part {
        KnownTimes.Part(times: times, isSettled: refund.state == .succeeded || refund.state == .removed)
    }
}

extension OrderAssessment.ReturnAge {
    fileprivate var part: KnownTimes.Part { KnownTimes.Part(times: times, isSettled: isSettled) }

    private var isSettled: Bool {
        switch known.state {
        case .declined, .resolved, .cancelled, .expired: true
        case .requested, .underReview, .approved, .labelIssued, .inTransit, .partiallyReceived, .received, .inspected,
            .unknown:
            false
        }
    }
}

extension OrderAssessment.DisputeAge {
    fileprivate var part: KnownTimes.Part { KnownTimes.Part(times: times, isSettled: !dispute.isOpen) }
}

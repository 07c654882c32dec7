import Time

/// Who says what, taken from the mirror. Pure.
extension OrderConflict.Evidence {
    init(_ event: TrackingEvent, of shipment: String) {
        self.init(
            source: event.number == nil ? .shop : .carrier,
            subject: .trackingEvent(event.externalID, shipment: shipment),
            says: "the parcel is \(event.kind.rawValue)",
            at: event.happenedAt,
            receivedAt: event.receivedAt
        )
    }

    /// - Parameter at: nil for when the shop last told of it.
    init(_ refund: Refund, _ id: String, _ says: String, _ amount: Money? = nil, at: Instant? = nil) {
        self.init(
            source: .shop,
            subject: .refund(id),
            says: says,
            amount: amount ?? refund.amount,
            at: at ?? refund.movedAt ?? refund.newest.at,
            receivedAt: refund.newest.receivedAt
        )
    }

    init(_ list: RefundList, _ says: String) {
        self.init(source: .shop, subject: .order, says: says, at: list.stamp.at, receivedAt: list.stamp.receivedAt)
    }

    init(_ known: OrderReturn, _ id: String, _ says: String) {
        self.init(
            source: .shop,
            subject: .return(id),
            says: says,
            at: known.cameBackAt ?? known.newest?.at,
            receivedAt: known.newest?.receivedAt
        )
    }

    init(_ dispute: Dispute, _ id: String) {
        self.init(
            source: .shop,
            subject: .dispute(id),
            says: "the payment is disputed, and the dispute is \(dispute.word.status.rawValue)",
            amount: dispute.word.amount,
            at: dispute.word.stamp.at,
            receivedAt: dispute.word.stamp.receivedAt
        )
    }
}

extension OrderState {
    /// What the shop says of the order itself.
    func said(_ field: OrderField, _ says: String, _ amount: Money? = nil) -> OrderConflict.Evidence {
        let stamp = provenance.stamp(of: field)
        return OrderConflict.Evidence(
            source: .shop,
            subject: .order,
            says: says,
            amount: amount,
            at: stamp?.at,
            receivedAt: stamp?.receivedAt
        )
    }
}

extension Shipment {
    /// What the shop says of the parcel.
    func said(_ field: ShipmentField, _ says: String, _ id: String) -> OrderConflict.Evidence {
        let stamp = provenance.stamp(of: field)
        return OrderConflict.Evidence(
            source: .shop,
            subject: .shipment(id),
            says: says,
            at: stamp?.at,
            receivedAt: stamp?.receivedAt
        )
    }

    /// What its status comes from: a report, or else the shop's own word.
    var report: TrackingEvent? {
        countedEvents.filter { $0.kind.status == status && $0.happenedAt == statusAt }.min { $0.precedes($1) }
    }

    var isDeliveredByCarrier: Bool { countedEvents.contains { $0.number != nil && $0.kind.status == .delivered } }

    /// It has left, and has neither arrived nor gone astray.
    var isUnderWay: Bool {
        switch status {
        case .pickedUp, .inTransit, .outForDelivery, .attempted, .pickupReady: true
        case .unknown, .labelCreated, .heldActionRequired, .returning, .returned, .lost, .damaged, .delivered, .failed,
            .noDataExpired, .cancelled:
            false
        }
    }

    /// That it was delivered, by the carrier's word where there is one.
    func delivery(_ id: String) -> OrderConflict.Evidence {
        let reports = countedEvents.filter { $0.kind.status == .delivered }
        let report = reports.filter { $0.number != nil }.min { $0.precedes($1) } ?? reports.min { $0.precedes($1) }
        return report.map { OrderConflict.Evidence($0, of: id) }
            ?? told("the parcel is delivered", at: deliveredAt, id)
    }

    /// That it was handed over.
    func handover(_ id: String) -> OrderConflict.Evidence {
        let report = countedEvents.filter { $0.kind.status?.impliesShipped == true && $0.happenedAt == shippedAt }
            .min { $0.precedes($1) }
        return report.map { OrderConflict.Evidence($0, of: id) } ?? told("it was handed over then", at: shippedAt, id)
    }

    /// Where it is.
    func standing(_ id: String) -> OrderConflict.Evidence {
        report.map { OrderConflict.Evidence($0, of: id) } ?? told("the parcel is \(status.rawValue)", at: statusAt, id)
    }

    private func told(_ says: String, at instant: Instant?, _ id: String) -> OrderConflict.Evidence {
        OrderConflict.Evidence(
            source: .shop,
            subject: .shipment(id),
            says: says,
            at: instant,
            receivedAt: provenance.stamp(of: .reported)?.receivedAt
        )
    }
}

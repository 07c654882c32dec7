import Time

/// What contradicts itself about the parcels of an order, and about an order and its parcels. Pure.
extension OrderConflict {
    static func ofParcels(_ state: OrderState) -> [OrderConflict] {
        var conflicts: [OrderConflict?] = []
        for (id, shipment) in state.shipments.sorted(by: { $0.key < $1.key }) {
            conflicts += [contradicted(shipment, id), cancelled(shipment, id), unfulfilled(shipment, id, state)]
            conflicts += [lost(shipment, id, state), replaced(shipment, id), early(shipment, id, state)]
        }
        return conflicts.compactMap { $0 } + sameNumbers(state)
    }

    // MARK: One parcel

    private static func contradicted(_ shipment: Shipment, _ id: String) -> OrderConflict? {
        let contradictions = shipment.contradictions
        guard !contradictions.isEmpty else { return nil }
        return OrderConflict(
            kind: .scannedAfterDelivery,
            severity: .warning,
            shipment: id,
            episodes: Set(contradictions.map { "\(id):\($0.externalID)" }),
            evidence: [shipment.delivery(id)] + contradictions.map { Evidence($0, of: id) }
        )
    }

    private static func cancelled(_ shipment: Shipment, _ id: String) -> OrderConflict? {
        guard shipment.isCancelled, shipment.deliveredAt != nil else { return nil }
        return OrderConflict(
            kind: .deliveredButShipmentCancelled,
            severity: .warning,
            shipment: id,
            episodes: ["\(id):cancelled"],
            evidence: [shipment.said(.reported, "the shipment is cancelled", id), shipment.delivery(id)]
        )
    }

    private static func unfulfilled(_ shipment: Shipment, _ id: String, _ state: OrderState) -> OrderConflict? {
        guard state.values.fulfillment == .unfulfilled, let deliveredAt = shipment.deliveredAt,
            shipment.isDeliveredByCarrier, !shipment.isCancelled
        else { return nil }
        // What the shop said before the delivery may only be late.
        let isSaidSince = state.provenance.stamp(of: .fulfillment)?.at.map { $0 > deliveredAt } ?? false
        return OrderConflict(
            kind: .deliveredButUnfulfilled,
            severity: isSaidSince ? .warning : .notice,
            shipment: id,
            episodes: ["\(id):unfulfilled"],
            evidence: [state.said(.fulfillment, "the order is unfulfilled"), shipment.delivery(id)]
        )
    }

    private static func lost(_ shipment: Shipment, _ id: String, _ state: OrderState) -> OrderConflict? {
        guard state.values.fulfillment == .fulfilled, shipment.status == .lost else { return nil }
        return OrderConflict(
            kind: .lostButFulfilled,
            severity: .warning,
            shipment: id,
            episodes: ["\(id):lost"],
            evidence: [state.said(.fulfillment, "the order is fulfilled"), shipment.standing(id)]
        )
    }

    /// Reports of a number the parcel no longer has, of what surely happened after it was given another.
    private static func replaced(_ shipment: Shipment, _ id: String) -> OrderConflict? {
        guard let toldAt = shipment.provenance.stamp(of: .trackingNumber)?.at else { return nil }
        let number = shipment.number
        let reports = shipment.events.values.filter { event in
            guard let former = event.number, former != number, event.kind.status?.impliesShipped == true else {
                return false
            }
            return event.earliest.map { $0 > toldAt } ?? false
        }
        guard !reports.isEmpty else { return nil }
        let says = number.map { "its tracking number is \($0.key)" } ?? "it has no tracking number"
        return OrderConflict(
            kind: .formerNumberGoesOn,
            severity: .warning,
            shipment: id,
            episodes: Set(reports.compactMap { $0.number.map { "\(id):\($0.key)" } }),
            evidence: [shipment.said(.trackingNumber, says, id)]
                + reports.sorted { $0.precedes($1) }.map { Evidence($0, of: id) }
        )
    }

    /// Shops tell dates for times, and of other zones.
    private static let blur = Duration.seconds(48 * 3600)

    private static func early(_ shipment: Shipment, _ id: String, _ state: OrderState) -> OrderConflict? {
        guard let placedAt = state.values.placedAt, let shippedAt = shipment.shippedAt, shippedAt + blur < placedAt
        else { return nil }
        let placed = Evidence(
            source: .shop,
            subject: .order,
            says: "the order was placed then",
            at: placedAt,
            receivedAt: state.provenance.stamp(of: .placedAt)?.receivedAt
        )
        return OrderConflict(
            kind: .shippedBeforePlaced,
            severity: .warning,
            shipment: id,
            episodes: ["\(id):early"],
            evidence: [placed, shipment.handover(id)]
        )
    }

    // MARK: Several parcels

    /// One that was cancelled leaves its number to another.
    private static func sameNumbers(_ state: OrderState) -> [OrderConflict] {
        let parcels = state.shipments.sorted { $0.key < $1.key }.filter { !$0.value.isCancelled }
        let numbers = Set(parcels.compactMap(\.value.number)).sorted()
        return numbers.compactMap { number in
            let holders = parcels.filter { $0.value.number == number }
            guard holders.count > 1, let first = holders.first,
                holders.allSatisfy({ Carrier.areCompatible(first.value.values.carrier, $0.value.values.carrier) })
            else { return nil }
            return OrderConflict(
                kind: .numberUsedTwice,
                severity: .notice,
                episodes: Set(holders.map { "\($0.key):\(number.key)" }),
                evidence: holders.map { id, shipment in
                    shipment.said(.trackingNumber, "its tracking number is \(number.key)", id)
                }
            )
        }
    }

    // MARK: The order and its parcels

    static func ofTheOrder(_ state: OrderState) -> [OrderConflict] {
        switch state.values.lifecycle {
        case .open, .closed: []
        case .cancelled:
            state.shipments.sorted { $0.key < $1.key }.compactMap { id, shipment in
                goesOn(shipment, id, though: state)
            }
        case .deleted: deleted(state).map { [$0] } ?? []
        }
    }

    private static func goesOn(_ shipment: Shipment, _ id: String, though state: OrderState) -> OrderConflict? {
        let cancelledAt = state.facts[Fact.Key(kind: .orderCancelled, episode: Fact.Key.wholeOrder)]
        let said = state.said(.lifecycle, "the order is cancelled")
        if let deliveredAt = shipment.deliveredAt {
            // A shop may cancel what it knows to be delivered, such as an order that came back.
            guard shipment.isDeliveredByCarrier || cancelledAt.map({ $0 < deliveredAt }) ?? false else { return nil }
            return OrderConflict(
                kind: .cancelledButDelivered,
                severity: .warning,
                shipment: id,
                episodes: ["\(id):order_cancelled"],
                evidence: [said, shipment.delivery(id)]
            )
        }
        guard shipment.isUnderWay else { return nil }
        let isCarriersWord = shipment.countedEvents.contains { $0.number != nil && $0.kind.status == shipment.status }
        let isLater = cancelledAt.flatMap { at in shipment.shippedAt.map { at < $0 } } ?? false
        guard isCarriersWord || isLater else { return nil }
        return OrderConflict(
            kind: .cancelledButShipped,
            severity: .warning,
            shipment: id,
            episodes: ["\(id):order_cancelled"],
            evidence: [said, shipment.standing(id)]
        )
    }

    /// Of each part the first that happened to it after the order was deleted.
    private static func deleted(_ state: OrderState) -> OrderConflict? {
        guard let deletedAt = state.provenance.stamp(of: .lifecycle)?.at else { return nil }
        var (episodes, evidence): (Set<String>, [Evidence]) = ([], [])
        for (id, shipment) in state.shipments.sorted(by: { $0.key < $1.key }) {
            let later = shipment.countedEvents.filter { event in
                event.kind.status?.impliesShipped == true && event.earliest.map { $0 > deletedAt } ?? false
            }
            guard let first = later.min(by: { $0.precedes($1) }) else { continue }
            episodes.insert("shipment:\(id)")
            evidence.append(Evidence(first, of: id))
        }
        for (id, refund) in state.refunds.sorted(by: { $0.key < $1.key }) where refund.recordedAt > deletedAt {
            episodes.insert("refund:\(id)")
            evidence.append(Evidence(refund, id, "a refund was recorded", at: refund.recordedAt))
        }
        guard !evidence.isEmpty else { return nil }
        return OrderConflict(
            kind: .deletedButGoesOn,
            severity: .warning,
            episodes: episodes,
            evidence: [state.said(.lifecycle, "the order is deleted")] + evidence
        )
    }
}

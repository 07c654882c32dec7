import Time

/// What contradicts itself about what came back of an order. Pure.
extension OrderConflict {
    static func ofReturns(_ state: OrderState) -> [OrderConflict] {
        let returns = state.returns.sorted { $0.key < $1.key }.map { (id: $0.key, return: $0.value) }
        let found = [notExpected(returns), beforeDelivery(returns.filter { $0.return.cameBack }, state)]
        return found.compactMap { $0 }
    }

    private typealias Returns = [(id: String, return: OrderReturn)]

    private static func notExpected(_ returns: Returns) -> OrderConflict? {
        let strange = returns.filter { _, known in
            known.receivedQuantity > 0
                && (known.announcedQuantity == 0 || known.state == .declined || known.state == .cancelled)
        }
        guard !strange.isEmpty else { return nil }
        return OrderConflict(
            kind: .returnNotExpected,
            severity: .warning,
            episodes: Set(strange.map(\.id)),
            evidence: strange.map { id, known in
                let announced =
                    known.announcedQuantity == 0 ? "nothing was announced" : "the return is \(known.state.rawValue)"
                return Evidence(known, id, "\(known.receivedQuantity) came back, and \(announced)")
            }
        )
    }

    private static func beforeDelivery(_ returns: Returns, _ state: OrderState) -> OrderConflict? {
        guard !returns.isEmpty, let undelivered = undelivered(state) else { return nil }
        return OrderConflict(
            kind: .returnBeforeDelivery,
            severity: isLate(state, returns) ? .notice : .warning,
            episodes: Set(returns.map(\.id)),
            evidence: undelivered + returns.map { Evidence($0.return, $0.id, "goods of it came back") }
        )
    }

    /// Where only the shop says that nothing was shipped, and said so before the goods came back, it may only be late.
    private static func isLate(_ state: OrderState, _ returns: Returns) -> Bool {
        guard state.shipments.isEmpty else { return false }
        guard let saidAt = state.provenance.stamp(of: .fulfillment)?.at else { return true }
        return !returns.contains { $0.return.cameBackAt.map { $0 < saidAt } ?? false }
    }

    /// That nothing can have reached the customer. Nil where nobody can say so: not every shop tells of parcels, and
    /// not every parcel has a carrier who tells.
    private static func undelivered(_ state: OrderState) -> [Evidence]? {
        if state.shipments.isEmpty {
            guard state.values.fulfillment == .unfulfilled else { return nil }
            return [state.said(.fulfillment, "the order is unfulfilled")]
        }
        let parcels = state.shipments.sorted { $0.key < $1.key }
        let isSure = parcels.allSatisfy { _, shipment in
            switch shipment.status {
            case .labelCreated, .pickedUp, .inTransit, .outForDelivery, .attempted, .lost:
                shipment.countedEvents.contains { $0.number != nil }
            case .cancelled: true
            // It may have been taken in, or is itself what comes back.
            case .unknown, .pickupReady, .heldActionRequired, .returning, .returned, .damaged, .delivered, .failed,
                .noDataExpired:
                false
            }
        }
        return isSure ? parcels.map { id, shipment in shipment.standing(id) } : nil
    }
}

extension OrderReturn {
    /// Whether any of it did.
    fileprivate var cameBack: Bool {
        switch state {
        case .partiallyReceived, .received, .inspected: true
        case .requested, .underReview, .approved, .declined, .labelIssued, .inTransit, .resolved, .cancelled, .expired,
            .unknown:
            receivedQuantity > 0
        }
    }
}

import Time

/// What contradicts itself about the money of an order. Pure.
extension OrderConflict {
    static func ofMoney(_ state: OrderState) -> [OrderConflict] {
        let refunds = state.refunds.sorted { $0.key < $1.key }.map { (id: $0.key, refund: $0.value) }
        let live = refunds.filter { $0.refund.state != .removed }
        let single = [
            aboveTotal(live, state), withoutMoney(live, state), takenBack(refunds, state), currencies(live, state),
        ]
        return single.compactMap { $0 } + disputed(live, state)
    }

    private typealias Refunds = [(id: String, refund: Refund)]

    /// What has moved, or may yet.
    private static func owed(_ refund: Refund) -> Money? {
        let money = refund.state == .failed ? refund.moved : refund.amount
        return money.flatMap { $0.amount > 0 ? $0 : nil }
    }

    // MARK: Too much

    private static func aboveTotal(_ refunds: Refunds, _ state: OrderState) -> OrderConflict? {
        let owed = refunds.filter { Self.owed($0.refund) != nil }
        guard let sum = Money.sum(owed.map { Self.owed($0.refund) }), let total = state.total(in: sum.currency),
            sum.amount > total.amount
        else { return nil }
        let moved = Money.sum(owed.compactMap(\.refund.moved))
        let hasMoved = moved.map { $0.currency == total.currency && $0.amount > total.amount } ?? false
        let isPresented = state.values.presentmentTotal == total
        let said = state.said(isPresented ? .presentmentTotal : .total, "this is the order's total", total)
        return OrderConflict(
            kind: .refundedAboveTotal,
            severity: hasMoved ? .critical : .warning,
            episodes: Set(owed.map(\.id)).union(hasMoved ? ["moved"] : []),
            evidence: [said] + owed.map { Evidence($0.refund, $0.id, $0.refund.words) }
        )
    }

    /// Of a payment that a bank has taken back, or may. An inquiry has moved no money, and a refund settles it.
    private static func disputed(_ refunds: Refunds, _ state: OrderState) -> [OrderConflict] {
        let moved = refunds.filter { ($0.refund.moved?.amount ?? 0) > 0 }
        guard !moved.isEmpty else { return [] }
        let sum = Money.sum(moved.map(\.refund.moved))
        return state.disputes.sorted { $0.key < $1.key }.compactMap { id, dispute in
            switch dispute.word.status {
            case .needsResponse, .underReview, .unknown, .lost, .accepted: break
            case .won, .prevented, .chargeRefunded: return nil
            }
            guard dispute.word.type != .inquiry, !fits(sum, dispute.word.amount, state) else { return nil }
            return OrderConflict(
                kind: .refundedAndDisputed,
                severity: .critical,
                episodes: Set(moved.map { "\(id):\($0.id)" }),
                evidence: [Evidence(dispute, id)] + moved.map { Evidence($0.refund, $0.id, $0.refund.words) }
            )
        }
    }

    /// Whether it is surely two parts of the total that went back.
    private static func fits(_ one: Money?, _ other: Money?, _ state: OrderState) -> Bool {
        guard let both = Money.sum([one, other]), let total = state.total(in: both.currency) else { return false }
        return both.amount <= total.amount
    }

    // MARK: Nothing

    private static func withoutMoney(_ refunds: Refunds, _ state: OrderState) -> OrderConflict? {
        switch state.values.financial {
        case .refunded, .partiallyRefunded: break
        default: return nil
        }
        let said = state.said(.financial, "the order is \(state.values.financial.rawValue)")
        guard !refunds.isEmpty else {
            return OrderConflict(
                kind: .refundedWithoutRefund,
                // A shop that lists its refunds says that there are none. Another one may never tell of them.
                severity: state.refundList == nil ? .notice : .warning,
                episodes: ["order"],
                evidence: [said] + (state.refundList.map { [Evidence($0, "it has no refunds")] } ?? [])
            )
        }
        let isEmpty = refunds.allSatisfy { _, refund in
            switch refund.state {
            case .recorded, .failed: (refund.moved?.amount ?? 0) == 0
            // Some of it has moved, or nobody knows.
            case .recordedUnverified, .pending, .succeeded, .removed, .unknown: false
            }
        }
        guard isEmpty else { return nil }
        return OrderConflict(
            kind: .refundedWithoutMoney,
            severity: .warning,
            episodes: Set(refunds.map(\.id)),
            evidence: [said] + refunds.map { Evidence($0.refund, $0.id, $0.refund.words) }
        )
    }

    /// Its customer may have been told of it, by us or by the shop. Nobody was told of nothing.
    private static func takenBack(_ refunds: Refunds, _ state: OrderState) -> OrderConflict? {
        guard let list = state.refundList else { return nil }
        let removed = refunds.filter { $0.refund.state == .removed && $0.refund.amount?.amount != 0 }
        guard !removed.isEmpty else { return nil }
        let names = removed.map(\.id).joined(separator: ", ")
        var evidence = removed.map {
            Evidence($0.refund, $0.id, "a refund was recorded", at: $0.refund.recordedAt)
        }
        evidence.append(Evidence(list, "the list of its refunds no longer has \(names)"))
        return OrderConflict(
            kind: .refundTakenBack,
            severity: .warning,
            episodes: Set(removed.map(\.id)),
            evidence: evidence
        )
    }

    // MARK: Currencies

    private static func currencies(_ refunds: Refunds, _ state: OrderState) -> OrderConflict? {
        let parts = refunds.flatMap { id, refund in
            let payments = state.transactions(ofRefund: id).filter { $0.status != .failed }.compactMap(\.word.amount)
            let amounts = payments.isEmpty ? [refund.amount].compactMap { $0 } : payments
            return amounts.map { (id: id, refund: refund, amount: $0) }
        }
        let used = Set(parts.map(\.amount.currency))
        let expected = Set([state.values.total, state.values.presentmentTotal].compactMap { $0?.currency })
        guard used.count > 1 || !(expected.isEmpty || used.isSubset(of: expected)) else { return nil }
        let totals = [
            state.values.total.map { state.said(.total, "the shop accounts in this", $0) },
            state.values.presentmentTotal.map { state.said(.presentmentTotal, "the customer pays in this", $0) },
        ]
        return OrderConflict(
            kind: .currenciesDiffer,
            severity: .warning,
            episodes: Set(parts.map { "\($0.id):\($0.amount.currency)" }),
            evidence: totals.compactMap { $0 }
                + parts.map { Evidence($0.refund, $0.id, "a refund is in this", $0.amount) }
        )
    }
}

extension OrderState {
    /// What the customer pays, or what the shop accounts, whichever is in this currency.
    fileprivate func total(in currency: String) -> Money? {
        [values.presentmentTotal, values.total].compactMap { $0 }.first { $0.currency == currency }
    }
}

extension Refund {
    fileprivate var words: String {
        switch state {
        case .recorded: "a refund is recorded, and no payment of it is known"
        case .recordedUnverified: "a refund is recorded, and whether its money has moved is not told"
        case .pending: "a refund waits for the payment provider"
        case .succeeded: "the money of a refund has moved"
        case .failed: "the payment provider refused a refund, or a part of it"
        case .removed: "a refund was taken back"
        case .unknown: "a refund is in a state that is not known"
        }
    }
}

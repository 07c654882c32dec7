import Time

/// Applies what a source says of a return. Pure.
///
/// The bodies of one return come in any order, again and late, and some from the shop, others from its warehouse. So
/// - each part goes by the newest statement that speaks of it, and each line's receipt by the newest that counts it;
/// - the state is worked out anew from what is reported and what the evidence shows;
/// - what can only become true (requested, approved, …) has the earliest evidence there ever was.
extension Return {
    mutating func apply(_ statement: ReturnStatement, receivedAt: Instant) {
        let stamp = statement.stamp.received(at: receivedAt)
        for field in provenance.admit(statement.told, by: stamp) {
            values.copy(field, from: statement.values)
        }
        for (line, quantity) in statement.receipts {
            if let known = receipts[line], known.stamp >= statement.stamp { continue }
            receipts[line] = Receipt(quantity: quantity, stamp: stamp)
        }
        let saidAt = statement.stamp.at ?? receivedAt
        if let requestedAt = statement.requestedAt { note(.requested, at: requestedAt) }
        if statement.told.contains(.reported), let reported = statement.values.reported {
            if let moment = reported.moment { note(moment, at: statement.happenedAt ?? saidAt) }
        }
        if statement.receipts.values.contains(where: { $0 > 0 }) { note(.received, at: saidAt) }
        settle()
    }

    private mutating func note(_ moment: Moment, at instant: Instant) {
        moments[moment] = min(moments[moment] ?? instant, instant)
    }

    /// What the source reports, unless the evidence is further along. What is over, and what is not understood, is not
    /// argued with: goods that come back after a refusal do not approve it.
    private mutating func settle() {
        let evidence = evidence
        guard let reported = values.reported else {
            state = evidence ?? .unknown
            return
        }
        guard let progress = reported.progress, let evidence, let shown = evidence.progress, shown > progress else {
            state = reported
            return
        }
        state = evidence
    }

    private var evidence: ReturnState? {
        if receivedQuantity > 0 { return isReceived ? .received : .partiallyReceived }
        return values.labelURL != nil || values.trackingNumber != nil ? .labelIssued : nil
    }

    /// Whether all that was announced came back. Of what nobody announced it cannot be said that it is all.
    private var isReceived: Bool {
        !values.announced.isEmpty
            && values.announced.allSatisfy { $0.quantity <= receipts[$0.externalID]?.quantity ?? 0 }
    }

    var announcedQuantity: Int64 { values.announced.reduce(0) { $0 + Int64($1.quantity) } }
    var receivedQuantity: Int64 { receipts.values.reduce(0) { $0 + Int64($1.quantity) } }

    /// Without what people wrote, and without the label, which has an address on it.
    mutating func redact() {
        (values.labelURL, values.trackingURL, values.declineReason) = (nil, nil, nil)
        for index in values.announced.indices { values.announced[index].note = nil }
    }

    // MARK: Facts

    /// What has become true of it, and when: facts of its order. More evidence adds to this and never takes from it.
    var facts: [(kind: Fact.Kind, at: Instant)] {
        Moment.allCases.compactMap { moment in moments[moment].map { (kind: moment.fact, at: $0) } }
    }
}

extension ReturnState {
    /// What has happened once it is said to be so.
    fileprivate var moment: Return.Moment? {
        switch self {
        case .requested, .underReview: .requested
        case .approved, .labelIssued, .inTransit: .approved
        case .declined: .declined
        case .cancelled: .cancelled
        case .partiallyReceived, .received, .inspected: .received
        case .resolved: .closed
        case .expired, .unknown: nil
        }
    }
}

extension Return.Moment {
    fileprivate var fact: Fact.Kind {
        switch self {
        case .requested: .returnRequested
        case .approved: .returnApproved
        case .declined: .returnDeclined
        case .cancelled: .returnCancelled
        case .received: .returnReceived
        case .closed: .returnClosed
        }
    }
}

extension ReturnStatus {
    /// The order's axis, of which returns it has. Of several that one which asks most for somebody's attention; nil
    /// where the order has none, so that it is for the shop to say.
    static func following(from returns: some Collection<ReturnState>) -> ReturnStatus? {
        if returns.isEmpty { return nil }
        let attention: [ReturnStatus] = [.unknown, .requested, .inProgress, .inspected, .returned]
        let axes = Set(returns.map(\.axis))
        return attention.first { axes.contains($0) } ?? ReturnStatus.none
    }
}

extension ReturnState {
    fileprivate var axis: ReturnStatus {
        switch self {
        case .requested, .underReview: .requested
        case .approved, .labelIssued, .inTransit, .partiallyReceived, .received: .inProgress
        case .inspected: .inspected
        case .resolved: .returned
        // Nothing comes back.
        case .declined, .cancelled, .expired: .none
        case .unknown: .unknown
        }
    }
}

extension OrderState {
    /// The axis follows from the mirrored returns. What the order's own body says of it counts only without any.
    mutating func settleReturns() {
        guard let status = ReturnStatus.following(from: returns.values.map(\.state)) else { return }
        (values.returns, values.returnsRaw) = (status, nil)
    }

    /// Takes note of one of its returns, and gives the facts that are new by it.
    mutating func note(_ known: Return, _ externalID: String) -> [Fact] {
        returns[externalID] = OrderReturn(
            state: known.state,
            announcedQuantity: known.announcedQuantity,
            receivedQuantity: known.receivedQuantity,
            cameBackAt: known.moments[.received],
            newest: known.provenance.newest
        )
        settleReturns()
        return known.facts.compactMap { raise($0.kind, externalID, at: $0.at) }
    }
}

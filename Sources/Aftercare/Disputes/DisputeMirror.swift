import Time

/// Applies what a source says of a dispute. Pure.
///
/// Every statement is the whole of it, so that the newest holds, by the source's time; that it was opened, and that it
/// ended, has the earliest evidence there ever was. So any order of arrival ends the same.
extension Dispute {
    static func applying(_ statement: DisputeStatement, to known: Dispute?, receivedAt: Instant) -> Dispute {
        var statement = statement
        statement.stamp = statement.stamp.received(at: receivedAt)
        var dispute = known ?? Dispute(word: statement)
        if dispute.word.precedes(statement) { dispute.word = statement }
        let saidAt = statement.stamp.at ?? receivedAt
        let openedAt = min(statement.initiatedAt ?? saidAt, saidAt)
        dispute.openedAt = min(dispute.openedAt ?? openedAt, openedAt)
        if !statement.status.isOpen {
            let closedAt = statement.finalizedAt ?? saidAt
            dispute.closedAt = min(dispute.closedAt ?? closedAt, closedAt)
        }
        return dispute
    }

    /// What has become true of it, and when: facts of its order. More evidence adds to this and never takes from it.
    var facts: [(kind: Fact.Kind, at: Instant)] {
        let moments: [(kind: Fact.Kind, at: Instant?)] = [(.disputeOpened, openedAt), (.disputeClosed, closedAt)]
        return moments.compactMap { moment in moment.at.map { (kind: moment.kind, at: $0) } }
    }
}

extension OrderState {
    /// Takes note of one of its disputes, and gives the facts that are new by it.
    mutating func note(_ dispute: Dispute, _ externalID: String) -> [Fact] {
        disputes[externalID] = dispute
        return dispute.facts.compactMap { raise($0.kind, externalID, at: $0.at) }
    }
}

import Time

/// Applies what a provider says of refunds to the mirror of their order. Pure.
///
/// A refund's body and its transactions' own webhooks come in any order, again and late. So
/// - of one transaction the best word holds (`RefundTransactionStatement.precedes`);
/// - a transaction nobody has assigned yet waits in the order until a refund's body lists it;
/// - a refund's state is worked out anew from all its transactions;
/// - one that a newer list of all refunds leaves out was taken back;
/// - what can only become true (recorded, succeeded, failed) is raised from the earliest evidence there ever was.
extension OrderState {
    mutating func apply(_ statement: RefundStatement, receivedAt: Instant) {
        // A spelling of the same letters is the same refund.
        let id = refunds.index(forKey: statement.externalID).map { refunds[$0].key } ?? statement.externalID
        let recordedAt = statement.recordedAt ?? receivedAt
        let stamp = statement.stamp.received(at: receivedAt)
        var refund = refunds[id] ?? Refund(recordedAt: recordedAt, newest: stamp)
        refund.recordedAt = min(refund.recordedAt, recordedAt)
        if let terms = statement.terms, refund.terms == nil || refund.newest < stamp { refund.terms = terms }
        if refund.newest < stamp { refund.newest = stamp }
        refunds[id] = refund
        for transaction in statement.transactions {
            note(transaction, receivedAt)
            // No source lists one twice; if one does, both orders of arrival have to end alike.
            let former = refundTransactions[transaction.externalID]?.refund ?? id
            refundTransactions[transaction.externalID]?.refund = min(former, id)
            if id < former { settleRefund(former) }
        }
        markOriginals(of: id, Set(statement.transactions.map(\.externalID)))
        settleRefund(id)
    }

    mutating func apply(_ list: RefundList, receivedAt: Instant) {
        if let known = refundList, list.stamp <= known.stamp { return }
        refundList = RefundList(stamp: list.stamp.received(at: receivedAt), refunds: list.refunds)
        for id in refunds.keys { settleRefund(id) }
    }

    /// - Returns: the refund it belongs to, if that is known.
    mutating func apply(_ statement: RefundTransactionStatement, receivedAt: Instant) -> String? {
        note(statement, receivedAt)
        guard let refund = refundTransactions[statement.externalID]?.refund else { return nil }
        settleRefund(refund)
        return refund
    }

    func transactions(ofRefund id: String) -> [RefundTransaction] {
        refundTransactions.values.filter { $0.refund == id }.sorted { $0.word.externalID < $1.word.externalID }
    }

    private mutating func note(_ statement: RefundTransactionStatement, _ receivedAt: Instant) {
        var statement = statement
        statement.stamp = statement.stamp.received(at: receivedAt)
        if let index = refundTransactions.index(forKey: statement.externalID) {
            statement.externalID = refundTransactions[index].key
        }
        var transaction = refundTransactions[statement.externalID] ?? RefundTransaction(word: statement)
        if transaction.word.precedes(statement) { transaction.word = statement }
        let happenedAt = statement.processedAt ?? statement.startedAt ?? statement.stamp.at ?? receivedAt
        switch statement.status {
        case .succeeded: transaction.succeededAt = min(transaction.succeededAt ?? happenedAt, happenedAt)
        case .failed: transaction.failedAt = min(transaction.failedAt ?? happenedAt, happenedAt)
        case .pending, .unknown: break
        }
        refundTransactions[statement.externalID] = transaction
    }

    /// The refund began with the shortest list of transactions that any body ever gave: lists only grow.
    private mutating func markOriginals(of refund: String, _ listed: Set<String>) {
        let own = refundTransactions.filter { $0.value.refund == refund }
        let known = own.filter(\.value.isOriginal).keys
        let isShorter =
            (listed.count, listed.sorted().joined(separator: " "))
            < (known.count, known.sorted().joined(separator: " "))
        guard !listed.isEmpty, known.isEmpty || isShorter else { return }
        for id in own.keys { refundTransactions[id]?.isOriginal = listed.contains(id) }
    }

    private mutating func settleRefund(_ id: String) {
        let transactions = transactions(ofRefund: id)
        let isRemoved = isRemoved(id)
        refunds[id]?.settle(by: transactions, isRemoved: isRemoved)
    }

    /// Whether all that was ever said of it is older than a list without it.
    private func isRemoved(_ refund: String) -> Bool {
        guard let refundList, let newest = refunds[refund]?.newest else { return false }
        return newest < refundList.stamp && !refundList.refunds.contains(refund)
    }

    // MARK: Facts

    /// What has become true of a refund, and when. More evidence adds to this and never takes from it: that is why the
    /// same facts are raised whatever came first.
    func refundFacts(_ id: String) -> [(kind: Fact.Kind, at: Instant)] {
        guard let refund = refunds[id] else { return [] }
        let transactions = transactions(ofRefund: id)
        var facts = [(kind: Fact.Kind.refundRecorded, at: refund.recordedAt)]
        if let failedAt = transactions.compactMap(\.failedAt).min() { facts.append((.refundFailed, failedAt)) }
        let originals = transactions.filter(\.isOriginal)
        let movedAt = originals.compactMap { original in
            transactions.filter { $0 == original || $0.isRetry(of: original) }.compactMap(\.succeededAt).min()
        }
        // All of the money, each part by its first try or by a later one.
        if let last = movedAt.max(), movedAt.count == originals.count { facts.append((.refundSucceeded, last)) }
        return facts
    }
}

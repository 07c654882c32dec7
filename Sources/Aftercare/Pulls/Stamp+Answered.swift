import FoundationEssentials
import Time

extension Stamp {
    /// The same, of what a shop answered to a question that was asked then. It is newer than all the shop told by itself
    /// with the same time, and of two answers the later is: a shop may change an order and leave its time as it was.
    func answered(to askedAt: Instant) -> Stamp {
        // No webhook's hash begins like this: it has a digest there, or a small number or two and then one.
        Stamp(at: at, hash: Array(repeating: 255, count: 16) + askedAt.sortableBytes + hash, receivedAt: receivedAt)
    }
}

extension Instant {
    /// In the order of time, for instants since 1970.
    fileprivate var sortableBytes: [UInt8] {
        withUnsafeBytes(of: UInt64(clamping: microseconds).bigEndian) { Array($0) }
    }
}

extension OrderChange {
    /// The same, as an answer to a question that was asked then. A carrier's report, or an assessment of
    /// risk, is what it is, whoever passes it on.
    func answered(to askedAt: Instant) -> OrderChange {
        switch content {
        case .order(var statement):
            statement.stamp = statement.stamp.answered(to: askedAt)
            return OrderChange(order: order, content: .order(statement))
        case .shipment(var statement):
            statement.stamp = statement.stamp.answered(to: askedAt)
            return OrderChange(order: order, content: .shipment(statement))
        case .refund(var statement):
            statement.stamp = statement.stamp.answered(to: askedAt)
            for index in statement.transactions.indices {
                statement.transactions[index].stamp = statement.transactions[index].stamp.answered(to: askedAt)
            }
            return OrderChange(order: order, content: .refund(statement))
        case .refundTransaction(var statement):
            statement.stamp = statement.stamp.answered(to: askedAt)
            return OrderChange(order: order, content: .refundTransaction(statement))
        case .refundList(let list):
            let answered = RefundList(stamp: list.stamp.answered(to: askedAt), refunds: list.refunds)
            return OrderChange(order: order, content: .refundList(answered))
        case .tracking, .tracker, .risk:
            return self
        }
    }
}

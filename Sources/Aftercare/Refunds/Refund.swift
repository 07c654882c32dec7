import FoundationEssentials
import JSON
import Time

/// How far the money of a refund is, as its payment transactions tell.
enum RefundState: String, CaseIterable, Sendable {
    /// The shop says that there is a refund, and of no transaction.
    case recorded
    /// The shop says that there is a refund and how much it is, and never tells whether any of it has moved.
    case recordedUnverified = "recorded_unverified"
    case pending, succeeded, failed
    /// The shop has taken it back: it is in none of its lists any more.
    case removed
    /// A transaction has a status this program does not know.
    case unknown
}

/// How far one payment transaction is.
enum RefundTransactionStatus: String, CaseIterable, Sendable {
    case pending, succeeded, failed, unknown

    /// Whether the payment provider has answered. What it answered counts more than what was said before, whatever the
    /// times: the shop gives a transaction no new time when its status changes.
    fileprivate var isAnswer: Bool { self == .succeeded || self == .failed }

    /// Of two answers of one instant the worse holds: nobody is told of money that may not have moved.
    fileprivate var rank: Int {
        switch self {
        case .unknown: 0
        case .pending: 1
        case .succeeded: 2
        case .failed: 3
        }
    }
}

/// What was said of a refund: that it is recorded, and which payment transactions it has.
struct RefundStatement: Hashable, Sendable {
    let externalID: String
    var stamp: Stamp
    /// When the shop recorded it, if it says so.
    var recordedAt: Instant?
    var transactions: [RefundTransactionStatement]
    var terms: RefundTerms?
}

/// What a shop says of a refund itself, where it knows of no payment transactions.
struct RefundTerms: Hashable, Sendable {
    /// Nil where it cannot be read in whole minor units.
    var amount: Money?
    var reason: String?
}

/// All refunds that an order has, from a source that tells of one taken back by no longer listing it.
struct RefundList: Hashable, Sendable {
    let stamp: Stamp
    /// By the source's id.
    let refunds: Set<String>
}

/// What was said of one payment transaction that pays money back.
struct RefundTransactionStatement: Hashable, Sendable {
    var externalID: String
    var stamp: Stamp
    var status: RefundTransactionStatus
    var statusRaw: String?
    var gateway: String?
    /// The payment that is paid back.
    var parent: String?
    /// What the customer gets back, in the currency they paid in.
    var amount: Money?
    /// The same in what the shop accounts in, where it says so.
    var shopAmount: Money?
    var startedAt: Instant?
    var processedAt: Instant?

    /// Whether the other is the better word on this transaction. The same whichever came first.
    func precedes(_ other: RefundTransactionStatement) -> Bool {
        if status.isAnswer != other.status.isAnswer { return other.status.isAnswer }
        if stamp.at != other.stamp.at { return stamp < other.stamp }
        if status != other.status { return status.rank < other.status.rank }
        return stamp < other.stamp
    }
}

/// A payment transaction that pays money back: the best word on it, and the earliest evidence of how it ended. Kept also
/// while it is not known which refund it belongs to.
struct RefundTransaction: Hashable, Sendable {
    /// The refund's id at the source.
    var refund: String?
    /// The refund began with it. Others were added later: retries.
    var isOriginal = false
    var word: RefundTransactionStatement
    var succeededAt: Instant?
    var failedAt: Instant?

    var status: RefundTransactionStatus { word.status }

    /// Whether it tries again what the other tried: the same payment and amount, later.
    func isRetry(of other: RefundTransaction) -> Bool {
        guard let parent = word.parent, let amount = word.amount, let startedAt = word.startedAt,
            let earlier = other.word.startedAt
        else { return false }
        return parent == other.word.parent && amount == other.word.amount && startedAt > earlier
    }
}

/// A refund: that it is recorded, and what its transactions come to.
struct Refund: Hashable, Sendable {
    /// The earliest told.
    var recordedAt: Instant
    /// The newest statement about it.
    var newest: Stamp
    /// What the shop says of it itself, by the newest statement that did.
    var terms: RefundTerms?
    private(set) var state = RefundState.recorded
    /// All that is to be paid back; nil where it cannot be said in one sum.
    private(set) var amount: Money?
    /// How much of it has moved, and when the last of that did.
    private(set) var moved: Money?
    private(set) var movedAt: Instant?

    init(recordedAt: Instant, newest: Stamp) {
        (self.recordedAt, self.newest) = (recordedAt, newest)
    }

    /// As it is stored.
    init(
        recordedAt: Instant,
        newest: Stamp,
        terms: RefundTerms? = nil,
        state: RefundState,
        amount: Money?,
        moved: Money?,
        movedAt: Instant?
    ) {
        self.init(recordedAt: recordedAt, newest: newest)
        self.terms = terms
        (self.state, self.amount, self.moved, self.movedAt) = (state, amount, moved, movedAt)
    }

    /// Works out everything that follows from the transactions: the same from the same, whatever came first.
    ///
    /// - Parameter isRemoved: the shop no longer lists it.
    mutating func settle(by transactions: [RefundTransaction], isRemoved: Bool) {
        // A try that failed and was tried again counts no more, neither as a failure nor in the sum.
        let counted = transactions.filter { transaction in
            transaction.status != .failed || !transactions.contains { $0.isRetry(of: transaction) }
        }
        let succeeded = counted.filter { $0.status == .succeeded }
        state = isRemoved ? .removed : state(by: counted.map(\.status))
        amount = counted.isEmpty ? terms?.amount : Money.sum(counted.map(\.word.amount))
        moved = amount == nil ? nil : Money.sum(succeeded.map(\.word.amount))
        movedAt = succeeded.compactMap(\.succeededAt).max()
    }

    private func state(by statuses: [RefundTransactionStatus]) -> RefundState {
        if statuses.isEmpty { return terms == nil ? .recorded : .recordedUnverified }
        // Whatever the rest of it does: a part that was refused needs a person.
        if statuses.contains(.failed) { return .failed }
        if statuses.contains(.unknown) { return .unknown }
        return statuses.contains(.pending) ? .pending : .succeeded
    }
}

/// A refund as the API shows it.
struct OrderRefund: Sendable {
    let id: RefundID
    let externalID: String
    let refund: Refund
    /// In the order they are shown.
    var transactions: [RefundTransaction] = []

    /// The source's own time of the newest thing it told.
    var asOf: Instant? { ([refund.newest] + transactions.map(\.word.stamp)).compactMap(\.at).max() }
}

extension OrderRefund: JSONWritable {
    func write(to writer: inout JSONWriter) {
        writer.object { object in
            object.member("id", id)
            object.member("external_id", externalID)
            object.member("state", refund.state.rawValue)
            object.member("amount", refund.amount)
            object.member("moved", refund.moved)
            object.member("reason", refund.terms?.reason)
            object.member("recorded_at", refund.recordedAt)
            object.member("moved_at", refund.movedAt)
            object.member("as_of", asOf)
            object.array("transactions", transactions) { writer, transaction in
                writer.object { object in
                    object.member("external_id", transaction.word.externalID)
                    object.member("status", transaction.status.rawValue)
                    object.member("status_raw", transaction.word.statusRaw)
                    object.member("gateway", transaction.word.gateway)
                    object.member("parent_external_id", transaction.word.parent)
                    object.member("amount", transaction.word.amount)
                    object.member("shop_amount", transaction.word.shopAmount)
                    object.member("started_at", transaction.word.startedAt)
                    object.member("processed_at", transaction.word.processedAt)
                }
            }
        }
    }
}

enum RefundKind: IDKind { static let prefix = "rfd" }
typealias RefundID = ID<RefundKind>

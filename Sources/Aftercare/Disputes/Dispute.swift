import Time

/// How a customer disputes a payment.
enum DisputeType: String, CaseIterable, Sendable {
    /// The bank asks; no money has moved.
    case inquiry
    /// The bank has taken the money back.
    case chargeback
    case unknown
}

/// How far a dispute is.
enum DisputeStatus: String, CaseIterable, Sendable {
    case needsResponse = "needs_response"
    case underReview = "under_review"
    /// The shop has given in.
    case accepted
    case won, lost
    /// Settled before it became one.
    case prevented
    /// The shop has paid the money back by itself.
    case chargeRefunded = "charge_refunded"
    case unknown

    /// Whether it is still to be decided. Of what is not understood nobody can say that it is over.
    var isOpen: Bool {
        switch self {
        case .needsResponse, .underReview, .unknown: true
        case .accepted, .won, .lost, .prevented, .chargeRefunded: false
        }
    }
}

/// What a source said of a dispute at one time: all of it.
struct DisputeStatement: Hashable, Sendable {
    var stamp: Stamp
    var type = DisputeType.unknown
    var typeRaw: String?
    var status = DisputeStatus.unknown
    var statusRaw: String?
    var amount: Money?
    /// The payment provider's code, such as `fraudulent`.
    var reason: String?
    /// The card network's.
    var networkReasonCode: String?
    var initiatedAt: Instant?
    var evidenceDueBy: Instant?
    var evidenceSentAt: Instant?
    var finalizedAt: Instant?

    /// Whether the other is the better word on it. The same whichever came first: of two of one time the one that ends
    /// it, because what is over is said to be open only by who has not noticed yet.
    func precedes(_ other: DisputeStatement) -> Bool {
        if stamp.at != other.stamp.at { return stamp < other.stamp }
        if status.isOpen != other.status.isOpen { return status.isOpen }
        return stamp < other.stamp
    }
}

/// What was said of one dispute, whoever said it.
struct DisputeChange: Hashable, Sendable {
    let externalID: String
    /// The order's id at its source. A payment provider does not always know it.
    let order: String?
    let statement: DisputeStatement
}

/// A dispute: the best word on it, and the earliest evidence of its beginning and its end.
struct Dispute: Hashable, Sendable {
    var word: DisputeStatement
    var openedAt: Instant?
    var closedAt: Instant?

    var isOpen: Bool { word.status.isOpen }
}

enum DisputeKind: IDKind { static let prefix = "dsp" }
typealias DisputeID = ID<DisputeKind>

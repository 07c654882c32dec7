import Time

/// How far a return is.
enum ReturnState: String, CaseIterable, Sendable {
    case requested
    case underReview = "under_review"
    case approved, declined
    case labelIssued = "label_issued"
    case inTransit = "in_transit"
    case partiallyReceived = "partially_received"
    case received, inspected
    /// It is settled, whatever the customer got for it.
    case resolved
    case cancelled, expired
    /// Its source has a word for it that this program does not know, or has not said yet.
    case unknown

    /// How far along a return that goes on is. Nil for one that is over, and for one of which nobody knows.
    var progress: Int? {
        switch self {
        case .requested: 0
        case .underReview: 1
        case .approved: 2
        case .labelIssued: 3
        case .inTransit: 4
        case .partiallyReceived: 5
        case .received: 6
        case .inspected: 7
        case .declined, .resolved, .cancelled, .expired, .unknown: nil
        }
    }
}

/// What the customer gets for what they send back.
enum ReturnOutcome: String, CaseIterable, Sendable {
    case refund, exchange
    case storeCredit = "store_credit"
    case giftCard = "gift_card"
    case replace
    case keepItem = "keep_item"
}

/// What a source tells of a return; each part comes from its newest statement.
enum ReturnField: String, CaseIterable, Sendable {
    case name
    case reported = "state"
    case outcome
    case declineReason = "decline_reason"
    /// Carrier, number and address together: a new label has new ones.
    case tracking
    case label = "label_url"
    /// All that is announced.
    case announced = "lines"
}

struct ReturnValues: Hashable, Sendable {
    var name: String?
    var reported: ReturnState?
    var reportedRaw: String?
    var outcome: ReturnOutcome?
    var declineReason: String?
    var carrier: String?
    var trackingNumber: String?
    var trackingURL: String?
    var labelURL: String?
    var announced: [AnnouncedLine] = []

    mutating func copy(_ field: ReturnField, from other: ReturnValues) {
        switch field {
        case .name: name = other.name
        case .reported: (reported, reportedRaw) = (other.reported, other.reportedRaw)
        case .outcome: outcome = other.outcome
        case .declineReason: declineReason = other.declineReason
        case .tracking:
            (carrier, trackingNumber, trackingURL) = (other.carrier, other.trackingNumber, other.trackingURL)
        case .label: labelURL = other.labelURL
        case .announced: announced = other.announced
        }
    }
}

/// One line of what is to come back.
struct AnnouncedLine: Hashable, Sendable {
    /// The source's id of the line within the return.
    let externalID: String
    /// The line of the order that comes back.
    var orderLine: String?
    var quantity: Int
    /// A code such as `size_too_small`.
    var reason: String?
    var note: String?
}

/// How much of a line came back so far.
struct Receipt: Hashable, Sendable {
    var quantity: Int
    var stamp: Stamp
}

/// What a source said of a return at one time.
struct ReturnStatement: Hashable, Sendable {
    let stamp: Stamp
    /// What it speaks of; of the rest it says nothing.
    var told: Set<ReturnField> = []
    var values = ReturnValues()
    /// By the line's id, of the lines it counts: of the others it says nothing.
    var receipts: [String: Int] = [:]
    /// When the customer asked for it, if it says so.
    var requestedAt: Instant?
    /// When what it reports came about, if it says so.
    var happenedAt: Instant?
}

/// What was said of one return, whoever said it.
struct ReturnChange: Hashable, Sendable {
    let externalID: String
    /// The order's id at its source. Not every body of a return names it.
    var order: String?
    let statement: ReturnStatement
    /// When it was made, if that is told.
    var openedAt: Instant?
}

/// A return. All of it is the same whatever order the statements came in: parts by their source's time, receipts by
/// line, and what happened by the earliest evidence there ever was.
struct Return: Hashable, Sendable {
    var values = ReturnValues()
    var provenance = Provenance<ReturnField>()
    /// By the line's id. Also of lines that nobody announced.
    var receipts: [String: Receipt] = [:]
    /// When each first happened.
    var moments: [Moment: Instant] = [:]
    /// What follows from all this.
    var state = ReturnState.unknown

    enum Moment: String, CaseIterable, Sendable { case requested, approved, declined, cancelled, received, closed }
}

/// What its order knows of a return.
struct OrderReturn: Hashable, Sendable {
    let state: ReturnState
    /// In pieces.
    let announcedQuantity: Int64
    let receivedQuantity: Int64
    /// When the first of it came back.
    let cameBackAt: Instant?
    /// The newest that was said of it.
    let newest: Stamp?
}

enum ReturnKind: IDKind { static let prefix = "ret" }
typealias ReturnID = ID<ReturnKind>

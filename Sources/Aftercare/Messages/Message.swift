import FoundationEssentials
import JSON
import Time

/// What a message is for: whether the customer has a right to it, or could do without.
enum MessageClass: String, CaseIterable, Sendable {
    case transactional
    case followUp = "follow_up"
    /// To the store's own people. No quiet hours hold it back, and no customer's consent is asked.
    case `internal`
}

/// The texts this program can send.
enum MessageTemplate: String, CaseIterable, Sendable {
    case followUp = "follow_up"
    case refundRecorded = "refund_recorded"
    case refundSucceeded = "refund_succeeded"
    case refundFailed = "refund_failed"
    case refundDelayed = "refund_delayed"
}

/// One message to one customer, in the ledger that proves what was sent.
struct Message: Sendable {
    enum State: String, CaseIterable, Sendable {
        case queued, sending, accepted, delivered, bounced, failed
        /// Sent to its end without an answer: the mail server may have it. Never sent again by itself.
        case unknown
        case suppressed, expired
    }

    /// What is sent, frozen before the first byte leaves.
    struct Request: Hashable, Sendable {
        let sender: String
        let recipient: String
        let subject: String
        let body: String
    }

    /// A person's word on a message of which nobody knew whether it had left.
    typealias Resolution = PersonsWord<Verdict>

    enum Verdict: String, CaseIterable, Sendable {
        case accepted, failed
        /// Send it again, though it may have arrived.
        case queued

        var state: State {
            switch self {
            case .accepted: .accepted
            case .failed: .failed
            case .queued: .queued
            }
        }
    }

    /// One try to send.
    struct Attempt: Sendable {
        enum Outcome: String, CaseIterable, Sendable { case accepted, refused, unknown }

        let number: Int
        let startedAt: Instant
        /// Both absent while it runs, and where the program was interrupted.
        let endedAt: Instant?
        let outcome: Outcome?
        let detail: String?
        /// Beside the outcome, which may become known later.
        let resolution: Resolution?
    }

    let id: MessageID
    let store: StoreID
    /// Both are there for what goes to a customer. A mail to the store's people may be about neither.
    let order: OrderID?
    let run: RunID?
    let effectKey: String
    let messageClass: MessageClass
    /// After this it never leaves. Absent: it is never too late.
    var notAfter: Instant?
    var state: State
    /// Why it ended as it did.
    var reason: String?
    var attempts: Int
    let createdAt: Instant
    var updatedAt: Instant
}

extension Message.Resolution {
    /// What the message's `reason` says of it.
    var reason: String { "resolved by \(by)" }
}

import FoundationEssentials
import JSON
import Time

/// The answer to a question: what to do, or the named reason for doing nothing.
enum Plan: Hashable, Sendable {
    case act([Effect], ActReason)
    /// With an escalation where it is not for a program to decide.
    case decline(DeclineReason, escalating: Ticket.Kind? = nil)
    /// It is quiet at the recipient's: ask again when it ends. Nothing is decided yet.
    case wait(until: Instant)
}

enum Effect: Hashable, Sendable {
    case schedule(DueTime)
    case sendMessage(MessageTemplate, MessageClass)
    /// Opens a ticket about a part of the order, such as a refund, or adds to the one there is.
    case escalate(Ticket.Kind, about: String)
}

/// When something falls due, and how that follows from the local time that was meant.
struct DueTime: Hashable, Sendable {
    let instant: Instant
    /// What a clock in the store was to show; nil where it is not a local time that counts.
    let intent: LocalDateTime?
    /// Whether the clock is changed around then: the time does not happen, or happens twice.
    let kind: Resolution.Kind
    let isMovedByQuietHours: Bool
    /// After this it is too late.
    let notAfter: Instant
}

/// Why a workflow acted. Part of the published API.
enum ActReason: String, CaseIterable, Sendable {
    /// The fact alone was enough.
    case triggered
    case scheduled, due
}

/// Why a workflow did nothing. Part of the published API, and closed: every way out of `decide` has its name here.
enum DeclineReason: String, CaseIterable, Sendable {
    case workflowOff = "workflow_off"
    /// The workflow is about other facts.
    case notTriggered = "not_triggered"
    /// The order was imported as history.
    case historical
    case orderDeleted = "order_deleted"
    case orderCancelled = "order_cancelled"
    case orderRefunded = "order_refunded"
    /// The shop has told of a part of the order only.
    case orderIncomplete = "order_incomplete"
    /// Whether it was paid or refunded is said in a word this program does not know.
    case paymentStatusUnknown = "payment_status_unknown"
    case noEmail = "no_email"
    /// A person is at work on the order: one voice at a time.
    case ticketOpen = "ticket_open"
    /// A payment of the order is disputed: whatever the workflow demands, no follow-up goes out.
    case disputeOpen = "dispute_open"
    /// The order is assessed as a high risk: whatever the workflow demands, no follow-up goes out.
    case fraudConcern = "fraud_concern"
    /// The parcel is no longer, or not yet, with the customer.
    case notDelivered = "not_delivered"
    /// A newer state of the refund is known, and has a notice of its own.
    case superseded
    /// The shop told of no payment for the refund, or not of one sum: it cannot be said how much comes back.
    case noRefundAmount = "no_refund_amount"
    /// The shop never tells whether the refund's money has moved: neither that it is on its way nor that it is late can
    /// be said.
    case refundUnverified = "refund_unverified"
    case alreadyScheduled = "already_scheduled"
    case alreadySent = "already_sent"
    case expired
}

extension Plan {
    /// What an escalation of a declined plan is about: all of the order.
    static let order = "order"

    /// What is to be done, by a workflow that is live.
    var effects: [Effect] {
        switch self {
        case .act(let effects, _): effects
        case .decline(_, let escalation): escalation.map { [.escalate($0, about: Self.order)] } ?? []
        case .wait: []
        }
    }

    var json: JSON {
        switch self {
        case .act(let effects, let reason):
            ["decision": "act", "reason": .string(reason.rawValue), "effects": .array(effects.map(\.json))]
        case .decline(let reason, _):
            [
                "decision": "decline", "reason": .string(reason.rawValue),
                "effects": .array(effects.map(\.json)),
            ]
        case .wait(let until):
            ["decision": "wait", "until": .instant(until)]
        }
    }
}

extension Effect {
    fileprivate var json: JSON {
        switch self {
        case .schedule(let due):
            [
                "kind": "schedule",
                "due_at": .instant(due.instant),
                "due_local": due.intent.map { "\($0)" } ?? nil,
                "resolution": .string(due.kind.rawValue),
                "moved_by_quiet_hours": .bool(due.isMovedByQuietHours),
                "not_after": .instant(due.notAfter),
            ]
        case .sendMessage(let template, let messageClass):
            [
                "kind": "send_message", "template": .string(template.rawValue),
                "class": .string(messageClass.rawValue),
            ]
        case .escalate(let kind, let about):
            ["kind": "escalate", "ticket_kind": .string(kind.rawValue), "about": .string(about)]
        }
    }
}

import FoundationEssentials
import Time

/// An exception that only a person resolves: what it is about, and what is known.
///
/// It is carried out in the transaction of what found it (`EscalationStore`): a ticket is opened, or, where there is
/// one about the same thing, added to; then a job tells the store's people (`AnnounceTicket`).
struct Escalation: Hashable, Sendable {
    /// What found it. Store, order and run are read from its row.
    enum Origin: Hashable, Sendable {
        case run(RunID)
        /// Only where it ended as failed or unknown, and went to a customer: a mail about a ticket opens none.
        case message(MessageID)
        case dispute(DisputeID)
        case `return`(ReturnID)
        case connection(ConnectionID)
        /// By the public id of what found it: the event that told it, or the order itself.
        case order(OrderID, by: String)
    }

    let kind: Ticket.Kind
    let origin: Origin
    /// Names the thing it is about: one ticket for each.
    let effectKey: String
    /// Names what was found: one comment for each.
    let evidenceKey: String
    let subject: String
    /// What is known and as of when, and why a person is needed.
    let summary: String

    /// Who opens the ticket: the origin's public id.
    var openedBy: String {
        switch origin {
        case .run(let run): "\(run)"
        case .message(let message): "\(message)"
        case .dispute(let dispute): "\(dispute)"
        case .return(let `return`): "\(`return`)"
        case .connection(let connection): "\(connection)"
        case .order(_, let finder): finder
        }
    }
}

// MARK: From a decision

extension Escalation {
    /// What a decision found about an order. `about` is the part of the order it is about, such as a refund.
    init(_ kind: Ticket.Kind, about: String, _ question: Question, reason: String, run: RunID) {
        self.kind = kind
        origin = .run(run)
        effectKey = question.escalationKey(kind, about: about)
        evidenceKey = "\(run)"
        subject = "\(kind.title): \(question.facts.name)"
        summary = question.summary(reason: reason, run: run)
    }
}

extension Question {
    /// One ticket for each part of an order and each kind of exception, whichever workflow finds it.
    func escalationKey(_ kind: Ticket.Kind, about: String) -> String {
        "\(kind.rawValue):\(facts.order):\(about)"
    }

    fileprivate func summary(reason: String, run: RunID) -> String {
        let parcels = facts.parcels.map { parcel in
            let delivered = parcel.deliveredAt.map { ", delivered \($0.written(in: zone))" } ?? ""
            return "Parcel \(parcel.externalID.singleLine(limit: 100)): \(parcel.status)\(delivered)."
        }
        let lines =
            [
                "The workflow \(workflow.id) (version \(workflow.version)) needs a person: \(reason).",
                "",
                "Known of \(facts.name) as of \(facts.asOf.written(in: zone)):",
                "Payment: \(facts.financialStatus). Fulfilment: \(facts.fulfillmentStatus). "
                    + "Order: \(facts.lifecycleStatus). Return: \(facts.returnStatus).",
                facts.isComplete ? "" : "The shop has told of a part of the order only.",
            ] + parcels.prefix(20) + [
                "",
                "Everything the decision was made from: \(run).",
            ]
        return lines.joined(separator: "\n").replacing("\n\n\n", with: "\n\n")
    }
}

extension OrderFacts {
    /// What people call the order.
    fileprivate var name: String { "order \(number?.singleLine(limit: 40) ?? "\(order)")" }
}

extension Instant {
    /// `2026-03-08 10:00 (Europe/Berlin)`: for the store's own people.
    func written(in zone: Zone) -> String {
        let local = zone.local(at: self)
        let time = LocalTimeOfDay(hour: local.time.hour, minute: local.time.minute) ?? local.time
        return "\(local.date) \(time) (\(zone.identifier))"
    }
}

// MARK: From a message

extension Escalation {
    /// A message to a customer that ended without having been sent, or perhaps sent. Nil for every other end.
    init?(_ message: MessageID, endedAs state: Message.State, attempt: Int, detail: String) {
        switch state {
        case .failed: kind = .messageFailed
        case .unknown: kind = .messageUnknown
        case .queued, .sending, .accepted, .delivered, .bounced, .suppressed, .expired: return nil
        }
        origin = .message(message)
        effectKey = "message:\(message)"
        evidenceKey = "\(message):\(attempt):\(state.rawValue)"
        subject = kind.title
        let said = detail.singleLine(limit: 500)
        let meaning =
            state == .unknown
            ? "It may have arrived and it may not, so it is not sent again by itself. Find out, and write to the "
                + "customer if it did not."
            : "It was not sent, and is not tried again. Write to the customer, or correct what stood in the way."
        let tried = attempt > 0 ? "Attempt \(attempt) to send \(message) ended" : "\(message) ended before it was sent"
        summary = "\(tried) as \(state.rawValue): \(said)\n\n\(meaning)"
    }
}

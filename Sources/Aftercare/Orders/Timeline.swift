import FoundationEssentials
import Time

/// One thing that happened about an order, whatever it was.
struct TimelineEntry: Hashable, Sendable {
    enum Source: String, CaseIterable, Sendable {
        case fact
        case inboundEvent = "inbound_event"
        case trackingEvent = "tracking_event"
        case run, message, ticket, command
    }

    let source: Source
    /// Of the thing itself; of a tracking event, that of its shipment.
    let id: UUID
    /// Tells entries of one instant apart, and gives them an order.
    let place: UUID
    /// When it happened, by the time of whoever did it.
    let at: Instant
    /// When we took note of it.
    let recordedAt: Instant
    /// Which fact, topic, tracking status, trigger or class of message.
    let kind: String
    /// What became of it, where something can: the state of an event or a message, the outcome of a run.
    let state: String?
    let reason: String?
    /// What of the order it concerns: a shipment's id in the shop or its tracking number, a workflow's name.
    let about: String?
}

extension TimelineEntry {
    /// The id as the API shows it.
    var publicID: String {
        switch source {
        case .fact: "\(FactID(id))"
        case .inboundEvent: "\(InboundEventID(id))"
        case .trackingEvent: "\(ShipmentID(id))"
        case .run: "\(RunID(id))"
        case .message: "\(MessageID(id))"
        case .ticket: "\(TicketID(id))"
        case .command: "\(CommandID(id))"
        }
    }

    /// In plain words, for a person.
    var summary: String {
        switch source {
        case .fact: fact
        // Those who tell of parcels name no topic.
        case .inboundEvent where kind.isEmpty: "A tracking provider sent word; \(eventState)."
        case .inboundEvent where PullTopic(rawValue: kind) == .missingOrder:
            "The shop was asked, and has no such order; \(eventState)."
        case .inboundEvent where PullTopic(rawValue: kind) != nil: "The shop was asked about the order; \(eventState)."
        case .inboundEvent: "The shop sent \(kind); \(eventState)."
        case .trackingEvent: "The carrier reports for \(about ?? "a parcel"): \(words(kind))\(trailing(reason))."
        case .run: "The workflow \(about ?? "") \(outcome): \(words(reason ?? ""))."
        case .message: "The message (\(words(kind))) \(messageState)\(trailing(reason))."
        case .command: "The command to \(Command.Kind(rawValue: kind)?.words ?? words(kind)) \(commandState)."
        case .ticket: "Ticket \(about ?? "") (\(words(kind))) was opened and is \(state ?? "")\(trailing(reason))."
        }
    }

    private var fact: String {
        switch Fact.Kind(rawValue: kind) {
        case .orderPlaced: "The order was placed."
        case .orderPaid: "The order was paid."
        case .orderCancelled: "The order was cancelled."
        case .shipped: "Shipment \(about ?? "") was handed over to the carrier."
        case .delivered: "Shipment \(about ?? "") was delivered."
        case .refundRecorded: "Refund \(about ?? "") was recorded."
        case .refundSucceeded: "The money of refund \(about ?? "") has moved."
        case .refundFailed: "The payment provider refused refund \(about ?? ""), or a part of it."
        case .returnRequested: "Return \(about ?? "") was requested."
        case .returnApproved: "Return \(about ?? "") was approved."
        case .returnDeclined: "Return \(about ?? "") was declined."
        case .returnCancelled: "Return \(about ?? "") was cancelled."
        case .returnReceived: "Goods of return \(about ?? "") came back."
        case .returnClosed: "Return \(about ?? "") was closed."
        case .disputeOpened: "Dispute \(about ?? "") was opened."
        case .disputeClosed: "Dispute \(about ?? "") is over."
        case nil: "\(words(kind))."
        }
    }

    private var eventState: String {
        switch state.flatMap({ InboundEvent.State(rawValue: $0) }) {
        case .received: "it waits to be read"
        case .applied: "it was applied"
        case .ignored: "it changed nothing: \(words(reason ?? ""))"
        case .quarantined: "it could not be understood: \(reason ?? "")"
        case nil: state ?? ""
        }
    }

    private var outcome: String {
        switch state.flatMap({ Run.Outcome(rawValue: $0) }) {
        case .acted: "acted"
        case .declined: "did nothing"
        case .shadowed: "would have acted, were it live"
        case nil: state ?? ""
        }
    }

    private var messageState: String {
        switch state.flatMap({ Message.State(rawValue: $0) }) {
        case .queued: "waits to be sent"
        case .sending: "is being sent"
        case .accepted: "was taken by the mail server"
        case .delivered: "was delivered"
        case .bounced: "came back"
        case .failed: "could not be sent"
        case .unknown: "may have been sent, or not"
        case .suppressed: "was held back"
        case .expired: "was not sent in time"
        case nil: state ?? ""
        }
    }

    private var commandState: String {
        let why = trailing(reason.map(words))
        return switch state.flatMap({ Command.State(rawValue: $0) }) {
        case .requested: "waits to be sent"
        case .sending: "is being sent"
        case .accepted: "was taken by the shop, which has not said yet what became of it"
        case .acknowledged: "was carried out, the shop says"
        case .verified: "was carried out"
        case .refused: "was refused\(why)"
        case .failed: "did not reach the shop\(why)"
        case .unknown: "may have been carried out, or not\(why)"
        case nil: state ?? ""
        }
    }

    private func words(_ name: String) -> String {
        String(name.map { $0 == "_" ? " " : $0 }).replacing(":", with: " ")
    }

    private func trailing(_ text: String?) -> String {
        guard let text, !text.isEmpty else { return "" }
        return ": " + (text.hasSuffix(".") ? String(text.dropLast()) : text)
    }
}

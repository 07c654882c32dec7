import FoundationEssentials
import JSON
import Time

/// What a store does by itself: when it is asked, under which conditions, and what it then does.
///
/// Data, in versions; how far it is rolled out is not part of a version.
struct Workflow: Hashable, Sendable {
    /// What can become true of an order, in the words of the `facts` table.
    enum FactKind: String, CaseIterable, Sendable {
        case orderPlaced = "order_placed"
        case orderCancelled = "order_cancelled"
        case orderPaid = "order_paid"
        case shipped, delivered
        case refundRecorded = "refund_recorded"
        case refundSucceeded = "refund_succeeded"
        case refundFailed = "refund_failed"
        case returnRequested = "return_requested"
        case returnApproved = "return_approved"
        case returnDeclined = "return_declined"
        case returnCancelled = "return_cancelled"
        case returnReceived = "return_received"
        case returnClosed = "return_closed"
        case disputeOpened = "dispute_opened"
        case disputeClosed = "dispute_closed"

        /// Whether a notice about this would tell of a state the refund has left behind.
        func isSuperseded(by state: RefundState) -> Bool {
            switch self {
            case .refundRecorded: state == .succeeded || state == .failed || state == .removed
            case .refundSucceeded: state != .succeeded
            case .refundFailed: state != .failed
            case .orderPlaced, .orderCancelled, .orderPaid, .shipped, .delivered, .returnRequested, .returnApproved,
                .returnDeclined, .returnCancelled, .returnReceived, .returnClosed, .disputeOpened, .disputeClosed:
                false
            }
        }

        var isAboutRefund: Bool {
            switch self {
            case .refundRecorded, .refundSucceeded, .refundFailed: true
            case .orderPlaced, .orderCancelled, .orderPaid, .shipped, .delivered, .returnRequested, .returnApproved,
                .returnDeclined, .returnCancelled, .returnReceived, .returnClosed, .disputeOpened, .disputeClosed:
                false
            }
        }
    }

    /// When it acts, counted from the fact in the store's local days.
    enum Schedule: Hashable, Sendable {
        /// What of the store's policy tells the days and the time.
        enum Setting: String, CaseIterable, Sendable {
            case followUp = "follow_up"
            case refundDelay = "refund_delay"
        }

        /// As soon as the fact is known.
        case atOnce
        /// As the store's policy says, so that there is one place to change it.
        case byPolicy(Setting)
        case own(days: Int, localTime: LocalTimeOfDay)
    }

    /// All have to hold, at the moment of acting.
    enum Condition: String, CaseIterable, Sendable {
        case notCancelled = "not_cancelled"
        case notRefunded = "not_refunded"
        case hasEmail = "has_email"
        /// For follow-ups only: a ticket never silences what a customer has a right to.
        case noOpenTicket = "no_open_ticket"
    }

    struct Action: Hashable, Sendable {
        let template: MessageTemplate
        /// The ticket it opens besides, for a person to look at what the message says.
        let escalation: Ticket.Kind?

        static func sendMessage(template: MessageTemplate, escalating kind: Ticket.Kind? = nil) -> Action {
            Action(template: template, escalation: kind)
        }
    }

    /// Why it exists and who answers for it. Whoever cannot say this should not automate it.
    struct Charter: Hashable, Sendable {
        let goal: String
        let failureAvoided: String
        let owner: String
        let sourceOfTruth: String
        let reviewOn: LocalDate
    }

    enum Rollout: String, CaseIterable, Sendable {
        case off
        /// Decides and records, and does nothing.
        case shadow
        case live
    }

    let trigger: FactKind
    let schedule: Schedule
    let conditions: [Condition]
    let action: Action
    let messageClass: MessageClass
    let charter: Charter
}

/// One version of one store's workflow, as a decision is made by.
struct WorkflowVersion: Hashable, Sendable {
    let id: WorkflowID
    let version: Int
    let rollout: Workflow.Rollout
    let definition: Workflow
}

// MARK: The document

extension Workflow {
    init(_ document: inout FieldReader) throws(FieldErrors) {
        let conditions: [Condition]? = document.required(
            "conditions",
            .array(count: 0...Condition.allCases.count, of: .choice())
        )
        let messageClass: MessageClass? = document.required("class", .choice())
        if messageClass == .internal {
            document.report("class", .unknownValue, "must be transactional or follow_up")
        }
        if messageClass == .transactional, conditions?.contains(.noOpenTicket) == true {
            document.report("conditions", .unknownValue, "no_open_ticket is for follow-ups only")
        }
        (trigger, schedule, self.conditions, action, self.messageClass, charter) = try document.finish(
            document.required("trigger", .trigger),
            document.required("schedule", .schedule),
            conditions,
            document.required("action", .action),
            messageClass,
            document.required("charter", .object(Charter.init))
        )
    }

    var json: JSON {
        [
            "trigger": ["fact": .string(trigger.rawValue)],
            "schedule": schedule.json,
            "conditions": .array(conditions.map { .string($0.rawValue) }),
            "action": action.json,
            "class": .string(messageClass.rawValue),
            "charter": charter.json,
        ]
    }
}

extension Workflow.Schedule {
    private enum Origin: String, CaseIterable { case fact, policy, workflow }

    fileprivate init(_ document: inout FieldReader) throws(FieldErrors) {
        let origin: Origin? = document.required("from", .choice())
        switch origin {
        case .workflow:
            let (days, localTime) = try document.finish(
                document.required("days", .int(Policy.FollowUp.days)),
                document.required("local_time", .localTime)
            )
            self = .own(days: days, localTime: localTime)
        case .policy:
            // The follow-up's is meant where none is named: when there was only this one, none was.
            let setting: Setting? = document.optional("setting", .choice()).map { $0 ?? .followUp }
            self = .byPolicy(try document.finish(setting))
        case .fact, nil:
            _ = try document.finish(origin)
            self = .atOnce
        }
    }

    fileprivate var json: JSON {
        switch self {
        case .atOnce:
            ["from": "fact"]
        case .byPolicy(let setting):
            ["from": "policy", "setting": .string(setting.rawValue)]
        case .own(let days, let localTime):
            ["from": "workflow", "days": .number(JSONNumber(days)), "local_time": "\(localTime)"]
        }
    }
}

extension Workflow.Action {
    fileprivate var json: JSON {
        [
            "send_message": ["template": .string(template.rawValue)],
            "escalate": escalation.map { ["ticket_kind": .string($0.rawValue)] } ?? nil,
        ]
    }
}

extension Workflow.Charter {
    fileprivate init(_ document: inout FieldReader) throws(FieldErrors) {
        (goal, failureAvoided, owner, sourceOfTruth, reviewOn) = try document.finish(
            document.required("goal", .string(1...500)),
            document.required("failure_avoided", .string(1...500)),
            document.required("owner", .string(1...200)),
            document.required("source_of_truth", .string(1...500)),
            document.required("review_on", .parsed("a date such as 2026-03-08", length: 10...10) { LocalDate($0) })
        )
    }

    fileprivate var json: JSON {
        [
            "goal": .string(goal),
            "failure_avoided": .string(failureAvoided),
            "owner": .string(owner),
            "source_of_truth": .string(sourceOfTruth),
            "review_on": "\(reviewOn)",
        ]
    }
}

extension FieldRule<Workflow.FactKind> {
    fileprivate static var trigger: Self { .object(Workflow.FactKind.init(trigger:)) }
}

extension Workflow.FactKind {
    fileprivate init(trigger: inout FieldReader) throws(FieldErrors) {
        let kind: Workflow.FactKind? = trigger.required("fact", .choice())
        self = try trigger.finish(kind)
    }
}

extension FieldRule<Workflow.Schedule> {
    fileprivate static var schedule: Self { .object(Workflow.Schedule.init) }
}

extension FieldRule<Workflow.Action> {
    fileprivate static var action: Self { .object(Workflow.Action.init) }
}

extension FieldRule<MessageTemplate> {
    fileprivate static var template: Self { .object(MessageTemplate.init(message:)) }
}

extension MessageTemplate {
    fileprivate init(message: inout FieldReader) throws(FieldErrors) {
        let template: MessageTemplate? = message.required("template", .choice())
        self = try message.finish(template)
    }
}

extension Workflow.Action {
    fileprivate init(_ action: inout FieldReader) throws(FieldErrors) {
        (template, escalation) = try action.finish(
            action.required("send_message", .template),
            action.optional("escalate", .object(Ticket.Kind.init(escalation:)))
        )
    }
}

extension Ticket.Kind {
    fileprivate init(escalation: inout FieldReader) throws(FieldErrors) {
        let kind: Ticket.Kind? = escalation.required("ticket_kind", .choice())
        self = try escalation.finish(kind)
    }
}

import FoundationEssentials
import JSON
import Time

/// What asks for a decision.
enum Trigger: Hashable, Sendable {
    /// Something became true of the order. The episode is what it became true of, such as the parcel.
    case fact(id: UUID, kind: Workflow.FactKind, episode: String, happenedAt: Instant)
    /// What was scheduled earlier has fallen due.
    case due(schedule: UUID, episode: String, notAfter: Instant?)

    var episode: String {
        switch self {
        case .fact(_, _, let episode, _), .due(_, let episode, _): episode
        }
    }

    var notAfter: Instant? {
        switch self {
        case .fact: nil
        case .due(_, _, let notAfter): notAfter
        }
    }
}

/// Everything a decision depends on: the same question always gets the same answer.
struct Question: Sendable {
    let trigger: Trigger
    let facts: OrderFacts
    /// Whether this workflow has scheduled this episode before.
    let isScheduled: Bool
    let workflow: WorkflowVersion
    let policy: PolicyVersion
    /// The store's zone and the store's time.
    let zone: Zone
    let now: Instant
}

/// Decides what a workflow does about an order, and why. Dry run, replay and the real thing call this one function;
/// only `Execute` causes effects.
///
/// What is to wait is asked twice: when the fact becomes known, to fix the time, and when that time has come, about the
/// facts as they are by then. What may still mend itself by then (an address that has not come yet) is no reason to
/// decline at the first moment.
func decide(_ question: Question) -> Plan {
    if let reason = question.lastingObstacle { return .decline(reason) }
    switch question.trigger {
    case .fact(_, let kind, _, let happenedAt):
        guard kind == question.workflow.definition.trigger else { return .decline(.notTriggered) }
        return question.begin(happenedAt)
    case .due(_, _, let notAfter):
        return question.act(.due, notAfter)
    }
}

extension Question {
    /// Names one effect for one episode of one order, whoever asks for it and however often.
    var effectKey: String {
        "\(workflow.definition.action.template.rawValue):\(workflow.id):\(facts.order):\(trigger.episode)"
    }

    /// What stands in `runs.trigger`.
    var triggerName: String {
        switch trigger {
        case .fact(_, let kind, _, _): "fact:\(kind.rawValue)"
        case .due: "schedule:\(workflow.definition.action.template.rawValue)"
        }
    }

    /// What later facts will not take away.
    fileprivate var lastingObstacle: DeclineReason? {
        if workflow.rollout == .off { return .workflowOff }
        if facts.isHistorical { return .historical }
        if facts.isDeleted { return .orderDeleted }
        if demands(.notCancelled), facts.isCancelled { return .orderCancelled }
        if demands(.notRefunded), facts.isRefunded { return .orderRefunded }
        if facts.sent.contains(effectKey) { return .alreadySent }
        if isSuperseded { return .superseded }
        return nil
    }

    /// Notices about a refund collapse to the latest: one that is not about its state as it is now has had its time.
    private var isSuperseded: Bool {
        facts.refund(trigger.episode).map { workflow.definition.trigger.isSuperseded(by: $0.state) } ?? false
    }

    /// What stands in the way of acting now.
    private var presentObstacle: DeclineReason? {
        if !facts.isComplete { return .orderIncomplete }
        // It cannot be said that it is not refunded.
        if demands(.notRefunded), facts.isPaymentUnknown { return .paymentStatusUnknown }
        // Whatever its conditions say, a message needs somebody to go to.
        if !facts.hasEmail { return .noEmail }
        // No condition of the workflow: it cannot be left out.
        if workflow.definition.messageClass == .followUp, !facts.openDisputes.isEmpty { return .disputeOpen }
        if workflow.definition.messageClass == .followUp, facts.isFraudConcern { return .fraudConcern }
        if demands(.noOpenTicket), workflow.definition.messageClass == .followUp, !facts.openTickets.isEmpty {
            return .ticketOpen
        }
        if workflow.definition.trigger == .delivered, facts.parcel(trigger.episode)?.isDelivered != true {
            return .notDelivered
        }
        if workflow.definition.trigger.isAboutRefund, facts.refund(trigger.episode)?.state == .recordedUnverified {
            return .refundUnverified
        }
        if workflow.definition.trigger.isAboutRefund, facts.refund(trigger.episode)?.amount == nil {
            return .noRefundAmount
        }
        return nil
    }

    /// Whether a person has to look because of it: the facts themselves leave open what is true, or nobody can be told
    /// of what a person was to look at.
    private func escalation(for reason: DeclineReason) -> Ticket.Kind? {
        switch reason {
        case .orderIncomplete, .paymentStatusUnknown: .unknownOrderData
        case .notDelivered where facts.parcel(trigger.episode)?.isUnknown == true: .unknownOrderData
        case .noEmail: workflow.definition.action.escalation
        case .noRefundAmount where facts.refund(trigger.episode)?.state == .failed:
            workflow.definition.action.escalation
        default: nil
        }
    }

    private func demands(_ condition: Workflow.Condition) -> Bool { workflow.definition.conditions.contains(condition) }

    // MARK: The fact has become known

    fileprivate func begin(_ happenedAt: Instant) -> Plan {
        if isScheduled { return .decline(.alreadyScheduled) }
        let due = dueTime(after: happenedAt)
        // Told of it so late that nobody would understand the message any more.
        guard now <= due.notAfter else { return .decline(.expired) }
        guard due.intent == nil else { return .act([.schedule(due)], .scheduled) }
        // A shop that was connected just now tells of a refund first and of its order a moment later.
        guard facts.isComplete else { return .act([.schedule(dueTime(at: now + Self.grace, of: due))], .scheduled) }
        return act(.triggered, due.notAfter)
    }

    private static let grace = Duration.seconds(900)

    private func dueTime(at instant: Instant, of due: DueTime) -> DueTime {
        DueTime(instant: instant, intent: nil, kind: .unique, isMovedByQuietHours: false, notAfter: due.notAfter)
    }

    /// How long after its time a message is still understood.
    private var patience: Duration {
        workflow.definition.trigger.isAboutRefund
            ? .seconds(policy.policy.refunds.noticesExpireAfterDays * 86_400)
            : .seconds(policy.policy.expiresAfterHours * 3600)
    }

    /// The days after the fact and the local time; nil for at once.
    private var delay: (days: Int, time: LocalTimeOfDay)? {
        switch workflow.definition.schedule {
        case .atOnce: nil
        case .byPolicy(.followUp): (policy.policy.followUp.daysAfterDelivery, policy.policy.followUp.localTime)
        case .byPolicy(.refundDelay): (policy.policy.refunds.delayedAfterDays, policy.policy.refunds.localTime)
        case .own(let days, let localTime): (days, localTime)
        }
    }

    /// The fact's own instant, or the local time some days after it, and never before the fact itself.
    func dueTime(after happenedAt: Instant) -> DueTime {
        guard let (days, time) = delay else {
            return DueTime(
                instant: happenedAt,
                intent: nil,
                kind: .unique,
                isMovedByQuietHours: false,
                notAfter: happenedAt + patience
            )
        }
        var date = zone.local(at: happenedAt).date.adding(days: days)
        var resolution = zone.instant(of: time, on: date)
        if resolution.instant < happenedAt {
            date = date.adding(days: 1)
            resolution = zone.instant(of: time, on: date)
        }
        let quietEnd = endOfQuiet(at: resolution.instant)
        let instant = quietEnd ?? resolution.instant
        return DueTime(
            instant: instant,
            intent: LocalDateTime(date, time),
            kind: resolution.kind,
            isMovedByQuietHours: quietEnd != nil,
            notAfter: instant + patience
        )
    }

    /// Nil where it is not quiet. Quiet hours hold back what may wait, not a notice about the customer's money.
    private func endOfQuiet(at instant: Instant) -> Instant? {
        guard workflow.definition.messageClass == .followUp else { return nil }
        return policy.policy.quietHours?.end(ifQuietAt: instant, in: zone)
    }

    // MARK: Its time has come

    fileprivate func act(_ reason: ActReason, _ notAfter: Instant?) -> Plan {
        if let reason = presentObstacle { return .decline(reason, escalating: escalation(for: reason)) }
        if let notAfter, now > notAfter { return .decline(.expired) }
        if let end = endOfQuiet(at: now) {
            if let notAfter, end > notAfter { return .decline(.expired) }
            return .wait(until: end)
        }
        return .act(effects, reason)
    }

    /// What acting comes to.
    private var effects: [Effect] {
        let action = workflow.definition.action
        return [.sendMessage(action.template, workflow.definition.messageClass)]
            + (action.escalation.map { [.escalate($0, about: trigger.episode)] } ?? [])
    }
}

// MARK: The question, kept with its run

extension Question {
    /// What was known: the facts themselves, and what asked. Versions and times stand in columns of their own.
    var json: JSON {
        [
            "trigger": trigger.json(triggerName),
            "order": facts.json,
            "is_scheduled": .bool(isScheduled),
            "workflow_rollout": .string(workflow.rollout.rawValue),
            "time_zone": .string(zone.identifier),
            "zone_data": .string(Zone.dataVersion),
        ]
    }
}

extension Trigger {
    var id: UUID {
        switch self {
        case .fact(let id, _, _, _), .due(let id, _, _): id
        }
    }

    fileprivate func json(_ name: String) -> JSON {
        switch self {
        case .fact(_, _, let episode, let happenedAt):
            ["kind": .string(name), "episode": .string(episode), "happened_at": .instant(happenedAt)]
        case .due(_, let episode, let notAfter):
            [
                "kind": .string(name), "episode": .string(episode),
                "not_after": notAfter.map(JSON.instant) ?? nil,
            ]
        }
    }
}

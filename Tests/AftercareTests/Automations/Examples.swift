import FoundationEssentials
import Testing
import Time

@testable import Aftercare

extension Instant {
    static func at(_ text: String) throws -> Instant { try #require(Instant(rfc3339: text)) }
}

/// A question that is answered by acting, to be spoiled one way or another.
struct QuestionExample {
    static let delivered = "2026-05-04T12:00:00Z"

    var isFact = true
    var kind = Workflow.FactKind.delivered
    var happenedAt = Self.delivered
    var now = Self.delivered
    var notAfter: String? = "2026-05-09T08:00:00Z"
    var zone = "Europe/Berlin"

    var isComplete = true
    var isHistorical = false
    var hasEmail = true
    var financialStatus = "paid"
    var lifecycleStatus = "open"
    var parcelStatus: String? = "delivered"
    var isSent = false
    var isScheduled = false
    var openTickets: [String] = []
    var openDisputes: [String] = []
    var riskLevel: String?

    var rollout = Workflow.Rollout.live
    var schedule = Workflow.Schedule.byPolicy(.followUp)
    var conditions = Workflow.Condition.allCases
    var messageClass = MessageClass.followUp
    var quietHours = Policy.initial.quietHours

    var order = Self.order
    var workflow = Self.workflow

    static let order = OrderID(UUID(bits: 7))
    static let workflow = WorkflowID(UUID(bits: 9))
    static let episode = "4001"
    static let key = "follow_up:\(workflow):\(order):\(episode)"

    /// The moment the follow-up is due: the third day after the delivery, 10:00 in Berlin.
    static func due(_ edit: (inout QuestionExample) -> Void = { _ in }) throws -> Question {
        var example = QuestionExample(isFact: false, now: "2026-05-07T08:00:00Z")
        edit(&example)
        return try example.question()
    }

    static func fact(_ edit: (inout QuestionExample) -> Void = { _ in }) throws -> Question {
        var example = QuestionExample()
        edit(&example)
        return try example.question()
    }

    func question() throws -> Question {
        let definition = WorkflowCatalogue.postPurchaseFollowUp.definition(LocalDate(daysSince1970: 20_000))
        let happenedAt = try Instant.at(happenedAt)
        let id = UUID(bits: 11)
        return Question(
            trigger: isFact
                ? .fact(id: id, kind: kind, episode: Self.episode, happenedAt: happenedAt)
                : .due(schedule: id, episode: Self.episode, notAfter: try notAfter.map(Instant.at)),
            facts: OrderFacts(
                order: order,
                number: "#1001",
                isComplete: isComplete,
                isHistorical: isHistorical,
                hasEmail: hasEmail,
                financialStatus: financialStatus,
                fulfillmentStatus: "fulfilled",
                lifecycleStatus: lifecycleStatus,
                returnStatus: "none",
                asOf: happenedAt,
                parcels: parcelStatus.map {
                    [OrderFacts.Parcel(externalID: Self.episode, status: $0, deliveredAt: happenedAt)]
                } ?? [],
                refunds: [],
                sent: isSent ? [Self.key] : [],
                openTickets: openTickets,
                openDisputes: openDisputes,
                riskLevel: riskLevel
            ),
            isScheduled: isScheduled,
            workflow: WorkflowVersion(
                id: workflow,
                version: 1,
                rollout: rollout,
                definition: Workflow(
                    trigger: definition.trigger,
                    schedule: schedule,
                    conditions: conditions,
                    action: definition.action,
                    messageClass: messageClass,
                    charter: definition.charter
                )
            ),
            policy: PolicyVersion(
                version: 1,
                policy: Policy(
                    quietHours: quietHours,
                    followUp: Policy.initial.followUp,
                    refunds: .initial,
                    expiresAfterHours: Policy.initial.expiresAfterHours
                )
            ),
            zone: try #require(Zone(zone)),
            now: try Instant.at(now)
        )
    }
}

import FoundationEssentials
import JSON
import Time

@testable import Aftercare

/// A question about a refund notice that is answered by acting, to be spoiled one way or another.
struct RefundQuestion {
    var notice: WorkflowCatalogue.ReadyMade
    var isDue = false
    var now: String
    var notAfter: String? = "2026-05-25T08:00:00Z"

    var isComplete = true
    var isHistorical = false
    var hasEmail = true
    var financialStatus = "paid"
    var lifecycleStatus = "open"
    /// Nil: the order has no such refund.
    var state: RefundState?
    var amount: Money? = Money(amount: 1990, currency: "EUR")
    var isSent = false
    var isScheduled = false
    var rollout = Workflow.Rollout.live

    static let recordedAt = "2026-05-04T12:00:00Z"
    static let episode = "3001"

    static let recorded = RefundQuestion(notice: WorkflowCatalogue.refundRecorded, now: recordedAt, state: .pending)
    static let succeeded = RefundQuestion(
        notice: WorkflowCatalogue.refundSucceeded,
        now: recordedAt,
        state: .succeeded
    )
    static let failed = RefundQuestion(notice: WorkflowCatalogue.refundFailed, now: recordedAt, state: .failed)
    /// At the moment the refund becomes known, and on the seventh day after it, 10:00 in Berlin.
    static let delayed = RefundQuestion(notice: WorkflowCatalogue.refundDelayed, now: recordedAt, state: .pending)
    static let late = RefundQuestion(
        notice: WorkflowCatalogue.refundDelayed,
        isDue: true,
        now: "2026-05-11T08:00:00Z",
        state: .pending
    )

    func but(_ edit: (inout RefundQuestion) -> Void) -> RefundQuestion {
        var copy = self
        edit(&copy)
        return copy
    }

    func question() throws -> Question {
        let definition = notice.definition(LocalDate(daysSince1970: 20_000))
        let recordedAt = try Instant.at(Self.recordedAt)
        let isMoved = state == .succeeded
        let refund = state.map {
            OrderFacts.Refund(
                externalID: Self.episode,
                state: $0,
                amount: amount,
                moved: isMoved ? amount : nil,
                recordedAt: recordedAt,
                movedAt: isMoved ? recordedAt : nil
            )
        }
        var question = Question(
            trigger: isDue
                ? .due(schedule: UUID(bits: 11), episode: Self.episode, notAfter: try notAfter.map(Instant.at))
                : .fact(
                    id: UUID(bits: 11),
                    kind: definition.trigger,
                    episode: Self.episode,
                    happenedAt: recordedAt
                ),
            facts: facts(refund, asOf: recordedAt, sent: []),
            isScheduled: isScheduled,
            workflow: WorkflowVersion(
                id: WorkflowID(UUID(bits: 9)),
                version: 1,
                rollout: rollout,
                definition: definition
            ),
            policy: PolicyVersion(version: 1, policy: .initial),
            zone: try berlin(),
            now: try Instant.at(now)
        )
        if isSent {
            question = Question(
                trigger: question.trigger,
                facts: facts(refund, asOf: recordedAt, sent: [question.effectKey]),
                isScheduled: isScheduled,
                workflow: question.workflow,
                policy: question.policy,
                zone: question.zone,
                now: question.now
            )
        }
        return question
    }

    private func facts(_ refund: OrderFacts.Refund?, asOf: Instant, sent: Set<String>) -> OrderFacts {
        OrderFacts(
            order: OrderID(UUID(bits: 7)),
            number: "#1001",
            isComplete: isComplete,
            isHistorical: isHistorical,
            hasEmail: hasEmail,
            financialStatus: financialStatus,
            fulfillmentStatus: "fulfilled",
            lifecycleStatus: lifecycleStatus,
            returnStatus: "none",
            asOf: asOf,
            parcels: [],
            refunds: refund.map { [$0] } ?? [],
            sent: sent,
            openTickets: [],
            openDisputes: []
        )
    }

    private func berlin() throws -> Zone {
        guard let zone = Zone("Europe/Berlin") else { throw NoZone() }
        return zone
    }

    private struct NoZone: Error {}
}

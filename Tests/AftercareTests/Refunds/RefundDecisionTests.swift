import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct RefundDecisionTests {
    struct Spoiled: Sendable, CustomTestStringConvertible {
        let reason: DeclineReason
        let escalation: Ticket.Kind?
        let question: RefundQuestion
        let testDescription: String

        init(
            _ reason: DeclineReason,
            _ question: RefundQuestion,
            escalating kind: Ticket.Kind? = nil,
            _ edit: (inout RefundQuestion) -> Void
        ) {
            (self.reason, self.question, escalation) = (reason, question.but(edit), kind)
            testDescription = "\(question.notice.template) \(question.isDue ? "due" : "fact"): \(reason.rawValue)"
        }
    }

    private static let all = [
        RefundQuestion.recorded, .succeeded, .failed, .delayed, .late,
    ]

    /// Whatever the notice and the moment.
    private static let always = all.flatMap { question in
        [
            Spoiled(.workflowOff, question) { $0.rollout = .off },
            Spoiled(.historical, question) { $0.isHistorical = true },
            Spoiled(.orderDeleted, question) { $0.lifecycleStatus = "deleted" },
            Spoiled(.alreadySent, question) { $0.isSent = true },
        ]
    }

    /// Only what is sent needs somebody to go to, and something to say.
    private static let whenActing =
        [RefundQuestion.recorded, .succeeded].flatMap { question in
            [
                Spoiled(.noEmail, question) { $0.hasEmail = false },
                Spoiled(.noRefundAmount, question) { $0.amount = nil },
            ]
        } + [
            // Whether the customer can be told or not, a person is.
            Spoiled(.noEmail, .failed, escalating: .refundFailed) { $0.hasEmail = false },
            Spoiled(.noRefundAmount, .failed, escalating: .refundFailed) { $0.amount = nil },
            Spoiled(.noEmail, .late, escalating: .refundDelayed) { $0.hasEmail = false },
            // No payment was ever told: a restock, of which nobody waits for money.
            Spoiled(.noRefundAmount, .late) { ($0.state, $0.amount) = (.recorded, nil) },
            // Nobody ever said whether its money has moved: neither that it has not nor that it is late is known.
            Spoiled(.refundUnverified, .recorded) { $0.state = .recordedUnverified },
            Spoiled(.refundUnverified, .late) { $0.state = .recordedUnverified },
        ]

    private static let bySituation = [
        Spoiled(.superseded, .recorded) { $0.state = .succeeded },
        Spoiled(.superseded, .recorded) { $0.state = .failed },
        Spoiled(.superseded, .recorded) { $0.state = .removed },
        Spoiled(.superseded, .late) { $0.state = .removed },
        Spoiled(.superseded, .delayed) { $0.state = .succeeded },
        Spoiled(.superseded, .late) { $0.state = .succeeded },
        Spoiled(.superseded, .late) { $0.state = .failed },
        Spoiled(.superseded, .succeeded) { $0.state = .failed },
        Spoiled(.superseded, .failed) { $0.state = .succeeded },
        Spoiled(.alreadyScheduled, .delayed) { $0.isScheduled = true },
        // Fourteen days after the fact, or after the time it was to be sent.
        Spoiled(.expired, .recorded) { $0.now = "2026-05-18T12:00:00.000001Z" },
        Spoiled(.expired, .succeeded) { $0.now = "2026-05-18T12:00:00.000001Z" },
        Spoiled(.expired, .delayed) { $0.now = "2026-05-25T08:00:00.000001Z" },
        Spoiled(.expired, .late) { $0.now = "2026-05-25T08:00:00.000001Z" },
        Spoiled(.orderIncomplete, .late, escalating: .unknownOrderData) { $0.isComplete = false },
    ]

    static let reasons = (always + whenActing + bySituation).map(\.reason)

    @Test(arguments: always + whenActing + bySituation)
    func `a notice is declined by name`(_ spoiled: Spoiled) throws {
        #expect(decide(try spoiled.question.question()) == .decline(spoiled.reason, escalating: spoiled.escalation))
    }

    @Test(arguments: [
        (RefundQuestion.recorded, [Effect.sendMessage(.refundRecorded, .transactional)]),
        (.succeeded, [.sendMessage(.refundSucceeded, .transactional)]),
        (
            .failed,
            [
                .sendMessage(.refundFailed, .transactional),
                .escalate(.refundFailed, about: RefundQuestion.episode),
            ]
        ),
    ])
    func `a fact about a refund is told at once, and a refusal to a person too`(
        _ question: RefundQuestion,
        _ effects: [Effect]
    ) throws {
        #expect(decide(try question.question()) == .act(effects, .triggered))
    }

    private static let lateEffects = [
        Effect.sendMessage(.refundDelayed, .transactional),
        .escalate(.refundDelayed, about: RefundQuestion.episode),
    ]

    @Test func `a refund that is recorded is looked at again some days later`() throws {
        let due = DueTime(
            instant: try .at("2026-05-11T08:00:00Z"),
            intent: LocalDateTime("2026-05-11T10:00:00"),
            kind: .unique,
            isMovedByQuietHours: false,
            notAfter: try .at("2026-05-25T08:00:00Z")
        )
        #expect(decide(try RefundQuestion.delayed.question()) == .act([.schedule(due)], .scheduled))
        let late = try RefundQuestion.late.question()
        #expect(decide(late) == .act(Self.lateEffects, .due))
        #expect(late.triggerName == "schedule:refund_delayed")
    }

    @Test(arguments: [RefundState.recorded, .pending, .unknown])
    func `a refund that has not moved is late, whatever is known of its payments`(_ state: RefundState) throws {
        let question = try RefundQuestion.late.but { $0.state = state }.question()
        #expect(decide(question) == .act(Self.lateEffects, .due))
    }

    @Test func `quiet hours do not hold a notice, and neither does a cancelled or refunded order`() throws {
        for question in [RefundQuestion.recorded, .succeeded, .failed] {
            let night = try question.but { $0.now = "2026-05-04T22:00:00Z" }.question()
            #expect(decide(night) == decide(try question.question()))
            let cancelled = try question.but {
                ($0.lifecycleStatus, $0.financialStatus) = ("cancelled", "refunded")
            }.question()
            #expect(decide(cancelled) == decide(try question.question()))
        }
    }

    // domain.md 5, Ingest 1.
    @Test func `a refund that is told before its order is looked at again when the order had time to come`() throws {
        let early = try RefundQuestion.recorded.but { ($0.isComplete, $0.hasEmail) = (false, false) }.question()
        let again = DueTime(
            instant: try .at("2026-05-04T12:15:00Z"),
            intent: nil,
            kind: .unique,
            isMovedByQuietHours: false,
            notAfter: try .at("2026-05-18T12:00:00Z")
        )
        #expect(decide(early) == .act([.schedule(again)], .scheduled))
        let then = RefundQuestion.recorded.but { ($0.isDue, $0.now) = (true, "2026-05-04T12:15:00Z") }
        #expect(decide(try then.question()) == .act([.sendMessage(.refundRecorded, .transactional)], .due))
        #expect(
            decide(try then.but { $0.isComplete = false }.question())
                == .decline(.orderIncomplete, escalating: .unknownOrderData)
        )
    }

    @Test func `each notice has an effect of its own, and each refund`() throws {
        let keys = try Self.all.map { try $0.question().effectKey }
        #expect(Set(keys).count == 4)
        #expect(keys.allSatisfy { $0.hasSuffix(":\(RefundQuestion.episode)") })
    }

    @Test func `of what is known at one moment at most one notice is sent, and it tells the latest`() throws {
        for state in RefundState.allCases {
            let sent = try [RefundQuestion.recorded, .succeeded, .failed].compactMap { notice -> MessageTemplate? in
                let plan = decide(try notice.but { $0.state = state }.question())
                guard case .act(let effects, _) = plan, case .sendMessage(let template, _) = effects[0] else {
                    return nil
                }
                return template
            }
            let expected: [MessageTemplate] =
                switch state {
                case .recorded, .pending, .unknown: [.refundRecorded]
                case .succeeded: [.refundSucceeded]
                case .failed: [.refundFailed]
                case .recordedUnverified, .removed: []
                }
            #expect(sent == expected)
        }
    }
}

import FoundationEssentials
import JSON
import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Decisions` {
    struct Spoiled: Sendable, CustomTestStringConvertible {
        let reason: DeclineReason
        /// What a person is asked about, when it is due.
        let escalation: Ticket.Kind?
        let edit: @Sendable (inout QuestionExample) -> Void

        init(
            _ reason: DeclineReason,
            _ escalation: Ticket.Kind? = nil,
            _ edit: @escaping @Sendable (inout QuestionExample) -> Void
        ) {
            self.reason = reason
            self.escalation = escalation
            self.edit = edit
        }

        var testDescription: String { reason.rawValue }
    }

    /// What no later fact mends: declined at both moments.
    private static let lasting = [
        Spoiled(.workflowOff) { $0.rollout = .off },
        Spoiled(.historical) { $0.isHistorical = true },
        Spoiled(.orderDeleted) { $0.lifecycleStatus = "deleted" },
        Spoiled(.orderCancelled) { $0.lifecycleStatus = "cancelled" },
        Spoiled(.orderRefunded) { $0.financialStatus = "refunded" },
        Spoiled(.orderRefunded) { $0.financialStatus = "voided" },
        Spoiled(.alreadySent) { $0.isSent = true },
    ]

    /// What may be otherwise when the time has come: declined only then.
    private static let passing = [
        Spoiled(.orderIncomplete, .unknownOrderData) { $0.isComplete = false },
        Spoiled(.paymentStatusUnknown, .unknownOrderData) { $0.financialStatus = "unknown" },
        Spoiled(.noEmail) { $0.hasEmail = false },
        Spoiled(.ticketOpen) { $0.openTickets = ["question"] },
        Spoiled(.disputeOpen) { $0.openDisputes = ["9"] },
        Spoiled(.fraudConcern) { $0.riskLevel = "high" },
        Spoiled(.notDelivered) { $0.parcelStatus = nil },
        Spoiled(.notDelivered, .unknownOrderData) { $0.parcelStatus = "unknown" },
        Spoiled(.notDelivered) { $0.parcelStatus = "returning" },
        Spoiled(.notDelivered) { $0.parcelStatus = "in_transit" },
    ]

    private static let onlyAtTheFact = [
        Spoiled(.notTriggered) { $0.kind = .shipped },
        Spoiled(.alreadyScheduled) { $0.isScheduled = true },
        Spoiled(.expired) { $0.now = "2026-05-09T08:00:00.000001Z" },
    ]

    private static let onlyWhenDue = [
        Spoiled(.expired) { $0.now = "2026-05-09T08:00:00.000001Z" },
        // Quiet until after the last moment.
        Spoiled(.expired) { ($0.now, $0.notAfter) = ("2026-05-07T22:00:00Z", "2026-05-08T05:59:59Z") },
    ]

    @Test func `a delivery schedules the follow-up for the store's local hour some days later`() throws {
        let due = DueTime(
            instant: try .at("2026-05-07T08:00:00Z"),
            intent: LocalDateTime("2026-05-07T10:00:00"),
            kind: .unique,
            isMovedByQuietHours: false,
            notAfter: try .at("2026-05-09T08:00:00Z")
        )
        #expect(decide(try QuestionExample.fact()) == .act([.schedule(due)], .scheduled))
    }

    @Test func `what is due is sent, if nothing has come between`() throws {
        #expect(decide(try QuestionExample.due()) == .act([.sendMessage(.followUp, .followUp)], .due))
    }

    @Test(arguments: lasting + onlyAtTheFact)
    func `a fact is declined by name`(_ spoiled: Spoiled) throws {
        #expect(decide(try QuestionExample.fact(spoiled.edit)) == .decline(spoiled.reason))
    }

    @Test(arguments: lasting + passing + onlyWhenDue)
    func `what is due is declined by name`(_ spoiled: Spoiled) throws {
        let plan = decide(try QuestionExample.due(spoiled.edit))
        #expect(plan == .decline(spoiled.reason, escalating: spoiled.escalation))
    }

    @Test(arguments: passing)
    func `what may mend itself by then does not keep a follow-up from being scheduled`(_ spoiled: Spoiled) throws {
        #expect(decide(try QuestionExample.fact(spoiled.edit)) == decide(try QuestionExample.fact()))
    }

    @Test func `every reason to decline is reached`() {
        let reached = (Self.lasting + Self.passing + Self.onlyAtTheFact + Self.onlyWhenDue).map(\.reason)
        // The refunds' own are reached in RefundDecisionTests.
        #expect(Set(reached + RefundDecisionTests.reasons) == Set(DeclineReason.allCases))
    }

    @Test func `the last moment still counts`() throws {
        let question = try QuestionExample.due { $0.now = "2026-05-09T08:00:00Z" }
        #expect(decide(question) == .act([.sendMessage(.followUp, .followUp)], .due))
    }

    @Test func `a condition the workflow does not make does not hold it back`() throws {
        let question = try QuestionExample.due {
            $0.conditions = []
            $0.lifecycleStatus = "cancelled"
            $0.financialStatus = "refunded"
        }
        #expect(decide(question) == .act([.sendMessage(.followUp, .followUp)], .due))
        let nobody = try QuestionExample.due { ($0.conditions, $0.hasEmail) = ([], false) }
        #expect(decide(nobody) == .decline(.noEmail))
    }

    @Test func `a late job waits for the end of the quiet hours, a notice does not`() throws {
        let late = try QuestionExample.due { $0.now = "2026-05-07T19:00:00Z" }
        #expect(decide(late) == .wait(until: try .at("2026-05-08T06:00:00Z")))
        let notice = try QuestionExample.due {
            $0.now = "2026-05-07T19:00:00Z"
            $0.messageClass = .transactional
        }
        #expect(decide(notice) == .act([.sendMessage(.followUp, .transactional)], .due))
    }

    @Test func `a ticket holds back a follow-up and never a notice`() throws {
        let notice = try QuestionExample.due {
            $0.openTickets = ["damaged_goods"]
            $0.messageClass = .transactional
        }
        #expect(decide(notice) == .act([.sendMessage(.followUp, .transactional)], .due))
        let careless = try QuestionExample.due { ($0.openTickets, $0.conditions) = (["damaged_goods"], []) }
        #expect(decide(careless) == .act([.sendMessage(.followUp, .followUp)], .due))
    }

    // domain.md 5, case 14.
    @Test func `a dispute holds back a follow-up whatever its workflow demands, and never a notice`() throws {
        let bare = try QuestionExample.due { ($0.openDisputes, $0.conditions) = (["9"], []) }
        #expect(decide(bare) == .decline(.disputeOpen))
        let notice = try QuestionExample.due {
            $0.openDisputes = ["9"]
            $0.messageClass = .transactional
        }
        #expect(decide(notice) == .act([.sendMessage(.followUp, .transactional)], .due))
        #expect(Workflow.Condition(rawValue: "no_open_dispute") == nil)
    }

    @Test func `what a person is asked is part of the plan`() throws {
        let plan = decide(try QuestionExample.due { $0.financialStatus = "unknown" })
        #expect(plan.effects == [.escalate(.unknownOrderData, about: "order")])
        #expect(
            plan.json == [
                "decision": "decline", "reason": "payment_status_unknown",
                "effects": [["kind": "escalate", "ticket_kind": "unknown_order_data", "about": "order"]],
            ]
        )
        #expect(decide(try QuestionExample.due { $0.hasEmail = false }).json["effects"] == [])
    }

    @Test func `another parcel of the order is another episode`() throws {
        let question = try QuestionExample.due()
        #expect(question.effectKey == QuestionExample.key)
        #expect(QuestionExample.key.hasSuffix(":4001"))
    }

    /// Any mixture of facts, times and settings.
    private static func anything(_ random: inout SeededGenerator) -> QuestionExample {
        func some<Value>(_ values: [Value], _ usual: Value) -> Value {
            Int.random(in: 0..<3, using: &random) > 0 ? usual : values.randomElement(using: &random) ?? usual
        }
        let hours = Int.random(in: -24...200, using: &random)
        let now = Instant(seconds: 1_777_896_000 + Int64(hours) * 3600)
        return QuestionExample(
            isFact: Bool.random(using: &random),
            kind: some(Workflow.FactKind.allCases, .delivered),
            now: now.rfc3339,
            notAfter: some([nil], "2026-05-09T08:00:00Z"),
            zone: some(["UTC", "America/New_York", "Pacific/Apia"], "Europe/Berlin"),
            isComplete: some([false], true),
            isHistorical: some([true], false),
            hasEmail: some([false], true),
            financialStatus: some(["refunded", "voided", "unknown", "partially_refunded", "pending"], "paid"),
            lifecycleStatus: some(["cancelled", "deleted", "closed"], "open"),
            parcelStatus: some([nil, "lost", "in_transit"], "delivered"),
            isSent: some([true], false),
            isScheduled: some([true], false),
            openTickets: some([["question"], ["question", "refund_failed"]], []),
            openDisputes: some([["9"]], []),
            rollout: some(Workflow.Rollout.allCases, .live),
            schedule: some(
                [.own(days: 0, localTime: .midnight), .own(days: 60, localTime: .hour(23))],
                .byPolicy(.followUp)
            ),
            quietHours: some([nil], Policy.initial.quietHours)
        )
    }

    @Test func `the same question gets the same answer, and no cancelled, refunded or old order is acted upon`() throws
    {
        var random = SeededGenerator(seed: 4)
        var acted = 0
        for _ in 0..<5000 {
            let example = Self.anything(&random)
            let question = try example.question()
            let plan = decide(question)
            #expect(plan == decide(try example.question()))
            #expect(question.json.canonicalBytes == (try example.question()).json.canonicalBytes)
            guard case .act(let effects, _) = plan else { continue }
            acted += 1
            #expect(["open", "closed"].contains(example.lifecycleStatus))
            #expect(!["refunded", "voided"].contains(example.financialStatus))
            #expect(!example.isHistorical && !example.isSent && example.rollout != .off)
            #expect(effects.count == 1)
            switch effects[0] {
            case .schedule(let due):
                #expect(example.isFact)
                #expect(try due.instant >= .at(example.happenedAt))
                #expect(example.quietHours?.end(ifQuietAt: due.instant, in: question.zone) == nil)
                #expect(question.now <= due.notAfter)
            case .escalate:
                Issue.record("nothing that can be acted upon is escalated")
            case .sendMessage:
                #expect(example.openTickets.isEmpty && example.openDisputes.isEmpty)
                #expect(!example.isFact && example.hasEmail && example.isComplete)
                #expect(example.quietHours?.end(ifQuietAt: question.now, in: question.zone) == nil)
            }
        }
        #expect(acted > 200)
    }

    @Test func `what is kept with a run names no person`() throws {
        let facts = try QuestionExample.due().json.serialized
        #expect(facts.contains("\"has_email\":true"))
        #expect(!facts.contains("@"))
    }
}

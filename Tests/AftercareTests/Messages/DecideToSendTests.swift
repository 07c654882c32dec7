import FoundationEssentials
import Support
import Testing
import Time

@testable import Aftercare

/// May a message that was decided on earlier leave now? Edge cases 22, 24, 30 and 33.
@Suite struct `The decision to send` {
    private func workflow(
        _ rollout: Workflow.Rollout = .live,
        _ trigger: Workflow.FactKind = .delivered,
        _ conditions: [Workflow.Condition] = [.notCancelled, .notRefunded, .hasEmail]
    ) throws -> WorkflowVersion {
        let ready = WorkflowCatalogue.postPurchaseFollowUp.definition(try #require(LocalDate("2026-03-01")))
        let definition = Workflow(
            trigger: trigger,
            schedule: ready.schedule,
            conditions: conditions,
            action: ready.action,
            messageClass: ready.messageClass,
            charter: ready.charter
        )
        return WorkflowVersion(id: .new(), version: 1, rollout: rollout, definition: definition)
    }

    /// At noon in Berlin, unless said otherwise.
    private func question(
        _ messageClass: MessageClass = .followUp,
        workflow: WorkflowVersion? = nil,
        notAfter: String? = nil,
        financial: String = "paid",
        lifecycle: String = "open",
        parcel: String? = "delivered",
        refund: RefundState? = nil,
        hasOpenTicket: Bool = false,
        hasOpenDispute: Bool = false,
        quiet: QuietHours? = Policy.initial.quietHours,
        at now: String = "2026-03-10T11:00:00Z"
    ) throws -> SendQuestion {
        SendQuestion(
            messageClass: messageClass,
            notAfter: try notAfter.map { try .at($0) },
            workflow: try workflow ?? self.workflow(),
            financialStatus: financial,
            lifecycleStatus: lifecycle,
            parcelStatus: parcel,
            refundState: refund,
            hasOpenTicket: hasOpenTicket,
            hasOpenDispute: hasOpenDispute,
            quietHours: quiet,
            zone: try #require(Zone("Europe/Berlin")),
            now: try .at(now),
            isOnTestClock: false
        )
    }

    // domain.md 5, case 14.
    @Test func `a dispute stops a follow-up whatever asked for it, and nothing else`() throws {
        #expect(try decideToSend(question(hasOpenDispute: true)) == .drop(.disputeOpen))
        #expect(try decideToSend(question(.transactional, hasOpenDispute: true)) == .send)
        #expect(try decideToSend(question(.internal, hasOpenDispute: true)) == .send)
    }

    @Test func `nothing in the way, it is sent`() throws {
        for kind in MessageClass.allCases { #expect(try decideToSend(question(kind)) == .send) }
    }

    @Test func `a mail to the store's own people leaves whatever has become of the order, at any hour`() throws {
        for (financial, lifecycle) in [("unknown", "open"), ("refunded", "cancelled"), ("paid", "deleted")] {
            let night = "2026-03-08T23:00:00Z"
            let told = try question(.internal, financial: financial, lifecycle: lifecycle, parcel: "lost", at: night)
            #expect(decideToSend(told) == .send)
        }
    }

    @Test func `a follow-up leaves up to its last moment, and not a microsecond later`() throws {
        let end = "2026-03-10T11:00:00Z"
        #expect(try decideToSend(question(notAfter: end)) == .send)
        let late = try question(notAfter: end, at: "2026-03-10T11:00:00.000001Z")
        #expect(decideToSend(late) == .drop(.expired))
        #expect(try decideToSend(question(.transactional, at: "2036-01-01T11:00:00Z")) == .send)
    }

    @Test func `what the shop has told meanwhile stops what its workflow is not for`() throws {
        #expect(try decideToSend(question(lifecycle: "cancelled")) == .drop(.orderCancelled))
        #expect(try decideToSend(question(lifecycle: "deleted")) == .drop(.orderDeleted))
        #expect(try decideToSend(question(lifecycle: "closed")) == .send)
        for status in ["refunded", "voided"] {
            #expect(try decideToSend(question(financial: status)) == .drop(.orderRefunded))
        }
        #expect(try decideToSend(question(financial: "partially_refunded")) == .send)
        #expect(try decideToSend(question(financial: "unknown")) == .drop(.paymentStatusUnknown))
        #expect(try decideToSend(question(parcel: "returning")) == .drop(.notDelivered))
        #expect(try decideToSend(question(parcel: nil)) == .send)
        #expect(try decideToSend(question(workflow: workflow(.off))) == .drop(.workflowOff))
        #expect(try decideToSend(question(workflow: workflow(.shadow))) == .drop(.workflowOff))
    }

    @Test func `a refund notice goes out though the order is refunded and cancelled`() throws {
        let notice = try workflow(.live, .refundSucceeded, [.hasEmail])
        let refunded = try question(
            .transactional,
            workflow: notice,
            financial: "refunded",
            lifecycle: "cancelled",
            parcel: "returning",
            refund: .succeeded,
            hasOpenTicket: true
        )
        #expect(decideToSend(refunded) == .send)
    }

    @Test func `a refund notice that its refund has overtaken does not`() throws {
        let outdated: [(Workflow.FactKind, RefundState)] = [
            (.refundRecorded, .succeeded), (.refundRecorded, .failed), (.refundSucceeded, .failed),
            (.refundFailed, .succeeded), (.refundRecorded, .removed), (.refundSucceeded, .removed),
        ]
        for (kind, state) in outdated {
            let notice = try workflow(.live, kind, [.hasEmail])
            #expect(
                try decideToSend(question(.transactional, workflow: notice, refund: state)) == .drop(.superseded)
            )
        }
        let fresh = try workflow(.live, .refundRecorded, [.hasEmail])
        #expect(try decideToSend(question(.transactional, workflow: fresh, refund: .pending)) == .send)
    }

    @Test func `a ticket holds back follow-ups, and no notice`() throws {
        let held = try workflow(.live, .delivered, [.noOpenTicket])
        #expect(try decideToSend(question(workflow: held, hasOpenTicket: true)) == .drop(.ticketOpen))
        #expect(try decideToSend(question(workflow: held)) == .send)
        #expect(try decideToSend(question(.transactional, workflow: held, hasOpenTicket: true)) == .send)
    }

    @Test func `quiet hours hold a follow-up to their end, and no transactional message`() throws {
        // 21:00 to 08:00 in Berlin, an hour ahead of UTC.
        let end = try Instant.at("2026-03-11T07:00:00Z")
        for now in ["2026-03-10T20:00:00Z", "2026-03-11T06:59:59.999999Z"] {
            #expect(try decideToSend(question(at: now)) == .wait(until: end))
            #expect(try decideToSend(question(.transactional, at: now)) == .send)
        }
        for now in ["2026-03-10T19:59:59.999999Z", "2026-03-11T07:00:00Z"] {
            #expect(try decideToSend(question(at: now)) == .send)
        }
        #expect(try decideToSend(question(quiet: nil, at: "2026-03-10T20:00:00Z")) == .send)
        // It would be too late then: it is said now.
        let late = try question(notAfter: "2026-03-11T06:00:00Z", at: "2026-03-10T20:00:00Z")
        #expect(decideToSend(late) == .drop(.expired))
    }

    @Test func `whatever the question, no follow-up leaves late or in quiet hours, and a wait ends in neither`() throws
    {
        var random = SeededGenerator(seed: 8)
        let start = try Instant.at("2026-03-01T00:00:00Z")
        let zones = try ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"].map { try #require(Zone($0)) }
        for _ in 0..<2000 {
            let hours = (Int.random(in: 0...23, using: &random), Int.random(in: 0...23, using: &random))
            let question = SendQuestion(
                messageClass: .followUp,
                notAfter: Bool.random(using: &random)
                    ? start + .seconds(Int.random(in: 0...5_000_000, using: &random)) : nil,
                workflow: nil,
                financialStatus: "paid",
                lifecycleStatus: "open",
                parcelStatus: nil,
                refundState: nil,
                hasOpenTicket: false,
                hasOpenDispute: false,
                quietHours: try? QuietHours(from: .hour(hours.0), to: .hour(hours.1)),
                zone: try #require(zones.randomElement(using: &random)),
                now: start + .seconds(Int.random(in: 0...5_000_000, using: &random)),
                isOnTestClock: false
            )
            func isFine(at instant: Instant) -> Bool {
                question.quietHours?.end(ifQuietAt: instant, in: question.zone) == nil
                    && (question.notAfter.map { instant <= $0 } ?? true)
            }
            switch decideToSend(question) {
            case .send: #expect(isFine(at: question.now))
            case .wait(let end): #expect(end > question.now && isFine(at: end))
            case .drop(let reason): #expect(reason == .expired && !isFine(at: question.now))
            }
        }
    }
}

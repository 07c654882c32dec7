import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Disputes in the mirror` {
    private static let receivedAt = Instant(seconds: 2_000_000_000)

    private static func statement(_ status: DisputeStatus, at minute: Int, hash: UInt8 = 0) -> DisputeStatement {
        let at = Instant(seconds: 1_780_000_000 + Int64(minute) * 60)
        return DisputeStatement(stamp: Stamp(at: at, hash: [hash]), status: status)
    }

    private static func applied(_ statements: [DisputeStatement]) -> Dispute? {
        statements.reduce(nil as Dispute?) { Dispute.applying($1, to: $0, receivedAt: receivedAt) }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `whatever the order and however often, a dispute and its facts end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var statements: [DisputeStatement] = []
        for number in 0..<6 {
            let status = try #require(DisputeStatus.allCases.randomElement(using: &random))
            statements.append(
                Self.statement(status, at: Int.random(in: 0...3, using: &random), hash: UInt8(number))
            )
        }
        let expected = try #require(Self.applied(statements))
        for _ in 0..<10 {
            let copies = statements + statements.filter { _ in Bool.random(using: &random) }
            let dispute = try #require(Self.applied(copies.shuffled(using: &random)))
            #expect(dispute == expected)
            #expect(dispute.facts.map(\.kind) == expected.facts.map(\.kind))
        }
    }

    @Test func `a retry that comes late does not open it again, and of one time the end holds`() throws {
        let won = Self.statement(.won, at: 9)
        let late = try #require(Self.applied([won, Self.statement(.underReview, at: 3)]))
        #expect(late.word.status == .won && !late.isOpen)
        #expect(late.facts.map(\.kind) == [.disputeOpened, .disputeClosed])
        for pair in [[won, Self.statement(.underReview, at: 9, hash: 9)], [Self.statement(.underReview, at: 9), won]] {
            #expect(Self.applied(pair)?.word.status == .won)
        }
    }

    @Test(arguments: DisputeStatus.allCases)
    func `it is open until it is known to be over`(_ status: DisputeStatus) throws {
        let isOpen = [DisputeStatus.needsResponse, .underReview, .unknown].contains(status)
        let dispute = try #require(Self.applied([Self.statement(status, at: 1)]))
        #expect(dispute.isOpen == isOpen && (dispute.closedAt == nil) == isOpen)
    }

    // MARK: Shopify

    private static func change(_ body: [UInt8]) throws -> DisputeChange {
        let saidAt = Instant(seconds: 1_780_000_000)
        let understanding = try Shopify.understand(
            topic: "disputes/update",
            body: body,
            receivedAt: receivedAt,
            saidAt: saidAt
        )
        guard case .dispute(let change) = understanding else { throw NeverHappened(description: "no dispute") }
        return change
    }

    @Test func `all of Shopify's body is taken, and counts from when it was sent`() throws {
        let change = try Self.change(DisputeBody.webhook("needs_response", sent: "2026-06-01T00:00:00+02:00"))
        let word = change.statement
        #expect(change.externalID == DisputeBody.id && change.order == ReturnBody.order)
        #expect(word.type == .chargeback && word.status == .needsResponse && word.statusRaw == "needs_response")
        #expect(word.amount == Money(amount: 1150, currency: "EUR"))
        #expect(word.reason == "fraudulent" && word.networkReasonCode == "4837")
        #expect(word.evidenceDueBy?.rfc3339 == "2026-06-30T00:00:00.000Z")
        #expect(word.evidenceSentAt?.rfc3339 == "2026-05-31T22:00:00.000Z" && word.finalizedAt == nil)
        #expect(word.stamp.at == Instant(seconds: 1_780_000_000))
    }

    // domain.md 5, Ingest 8.
    @Test func `a word nobody knows is unknown and keeps its word, and no order is no order`() throws {
        let change = try Self.change(DisputeBody.webhook("teleported", type: "duel", order: nil))
        #expect(change.statement.status == .unknown && change.statement.statusRaw == "teleported")
        #expect(change.statement.type == .unknown && change.statement.typeRaw == "duel" && change.order == nil)
    }

    @Test(arguments: [
        ("{}", "missing_id:id"), (#"{"id":1,"order_id":{}}"#, "unreadable_id:order_id"),
        (#"{"id":1,"evidence_due_by":"soon"}"#, "unreadable_time:evidence_due_by"),
        (#"{"id":1,"amount":"1,00","currency":"EUR"}"#, "unreadable_amount:amount"),
    ])
    func `poison has a name`(_ body: String, _ reason: String) {
        #expect { try Self.change(Array(body.utf8)) } throws: { "\($0)" == reason }
    }
}

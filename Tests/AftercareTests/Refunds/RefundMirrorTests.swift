import Support
import Testing
import Time

@testable import Aftercare

@Suite struct `Refunds in the mirror` {
    private static let receivedAt = Instant(seconds: 2_000_000_000)

    private static func applied(
        _ events: [RefundHistory.Event]
    ) throws -> (state: OrderState, facts: [Fact.Key]) {
        var state = OrderState()
        var facts: [Fact.Key] = []
        for event in events {
            let body = Array(event.body.utf8)
            guard
                case .changes(let changes) = try Shopify.understand(
                    topic: event.topic,
                    body: body,
                    receivedAt: receivedAt
                )
            else { continue }
            for change in changes {
                let outcome = OrderMirror.apply(change, to: state, receivedAt: receivedAt)
                state = outcome.state
                facts += outcome.facts.map(\.key)
            }
        }
        return (state, facts)
    }

    // MARK: Any order, any number of times

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever the order and however often, the refunds and their facts end up the same`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let history = RefundHistory(&random)
        let expected = try Self.applied(history.events)
        for _ in 0..<12 {
            let copies = history.events + history.events.filter { _ in Bool.random(using: &random) }
            let (state, facts) = try Self.applied(copies.shuffled(using: &random))
            #expect(state == expected.state)
            #expect(Set(facts) == Set(expected.facts))
            #expect(Set(facts).count == facts.count, "a fact was raised twice")
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `what the mirror ends with is what happened`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let history = RefundHistory(&random)
        let (state, facts) = try Self.applied(history.events.shuffled(using: &random))
        #expect(Set(state.refunds.keys) == Set(history.truth.keys))
        for (id, truth) in history.truth {
            let refund = try #require(state.refunds[id])
            #expect(refund.state.rawValue == truth.state)
            #expect((refund.moved != nil) == truth.isMoved && (refund.movedAt != nil) == truth.isMoved)
            #expect(facts.contains(Fact.Key(kind: .refundRecorded, episode: id)))
            // What is over is told: no refund ends without a fact that says so.
            if truth.state == "succeeded" { #expect(facts.contains(Fact.Key(kind: .refundSucceeded, episode: id))) }
            if truth.state == "failed" { #expect(facts.contains(Fact.Key(kind: .refundFailed, episode: id))) }
        }
    }

    // MARK: Cases by name

    private static func payment(
        _ status: String,
        id: Int = 7,
        amount: String = "10.00",
        currency: String = "EUR",
        parent: Int? = 5,
        minute: Int = 0,
        processed: Int? = nil
    ) -> String {
        """
        {"id":\(id),"order_id":1,"kind":"refund","status":"\(status)","amount":"\(amount)","currency":"\(currency)",\
        "parent_id":\(parent.map(String.init) ?? "null"),"created_at":\(time(minute)),\
        "processed_at":\(processed.map(time) ?? "null")}
        """
    }

    private static func time(_ minute: Int) -> String { "\"2026-05-04T10:\(minute < 10 ? "0" : "")\(minute):00Z\"" }

    private static func refund(_ payments: String..., id: Int = 3) -> RefundHistory.Event {
        RefundHistory.Event(
            topic: "refunds/create",
            body: """
                {"id":\(id),"order_id":1,"created_at":\(time(0)),"transactions":[\(payments.joined(separator: ","))]}
                """
        )
    }

    private static func transaction(_ payment: String) -> RefundHistory.Event {
        RefundHistory.Event(topic: "order_transactions/create", body: payment)
    }

    private static func order(_ minute: Int, _ refunds: RefundHistory.Event...) -> RefundHistory.Event {
        RefundHistory.Event(
            topic: "orders/updated",
            body: """
                {"id":1,"updated_at":\(time(minute)),"refunds":[\(refunds.map(\.body).joined(separator: ","))]}
                """
        )
    }

    private static func kinds(_ facts: [Fact.Key]) -> [Fact.Kind] { facts.map(\.kind) }

    @Test func `a refund without a transaction is recorded, and moves nothing`() throws {
        let (state, facts) = try Self.applied([Self.refund()])
        #expect(state.refunds["3"]?.state == .recorded && state.refunds["3"]?.amount == nil)
        #expect(facts == [Fact.Key(kind: .refundRecorded, episode: "3")])
    }

    @Test func `a transaction that comes before its refund waits for it, and raises nothing until then`() throws {
        let early = Self.transaction(Self.payment("success", processed: 4))
        let (waiting, none) = try Self.applied([early])
        #expect(waiting.refundTransactions["7"]?.refund == nil && waiting.refunds.isEmpty && none.isEmpty)
        let (state, facts) = try Self.applied([early, Self.refund(Self.payment("pending"))])
        let refund = try #require(state.refunds["3"])
        #expect(refund.state == .succeeded && refund.moved == Money(amount: 1000, currency: "EUR"))
        #expect(refund.movedAt?.rfc3339 == "2026-05-04T10:04:00.000Z")
        #expect(Self.kinds(facts) == [.refundRecorded, .refundSucceeded])
    }

    // domain.md 5, Ingest 4.
    @Test func `a late body that still says pending takes no success back, whatever its time`() throws {
        let answered = [Self.refund(Self.payment("pending")), Self.transaction(Self.payment("success", processed: 4))]
        // The shop made this body after the success and had not noticed it yet.
        let stale = Self.order(9, Self.refund(Self.payment("pending")))
        let (state, facts) = try Self.applied(answered + [stale])
        #expect(state.refunds["3"]?.state == .succeeded)
        #expect(Self.kinds(facts) == [.refundRecorded, .refundSucceeded])
    }

    // domain.md 5, case 12.
    @Test func `a refund that is reversed after its success has failed, and both are told`() throws {
        let events = [
            Self.refund(Self.payment("pending")), Self.transaction(Self.payment("success", processed: 4)),
            Self.transaction(Self.payment("failure", processed: 8)),
        ]
        let (state, facts) = try Self.applied(events)
        #expect(state.refunds["3"]?.state == .failed && state.refunds["3"]?.moved == nil)
        #expect(Self.kinds(facts) == [.refundRecorded, .refundSucceeded, .refundFailed])
        #expect(try Self.applied(events.reversed()).state == state)
    }

    // domain.md 5, case 12.
    @Test func `three partial refunds are three, each with its own amount and facts`() throws {
        let events = (1...3).map { Self.refund(Self.payment("success", id: $0, amount: "\($0).50"), id: $0) }
        let (state, facts) = try Self.applied(events)
        #expect((1...3).map { state.refunds["\($0)"]?.amount?.amount } == [150, 250, 350])
        #expect(facts.count == 6 && Set(facts).count == 6)
    }

    @Test func `money has moved when all of it has, and is refused when a part of it is`() throws {
        let (gift, card) = (Self.payment("success", parent: 5), Self.payment("pending", id: 8, parent: 6))
        let (half, facts) = try Self.applied([Self.refund(gift, card)])
        let refund = try #require(half.refunds["3"])
        #expect(refund.state == .pending && refund.amount?.amount == 2000 && refund.moved?.amount == 1000)
        #expect(Self.kinds(facts) == [.refundRecorded])
        let whole = try Self.applied([
            Self.refund(gift, card), Self.transaction(Self.payment("success", id: 8, parent: 6, processed: 9)),
        ])
        #expect(whole.state.refunds["3"]?.state == .succeeded)
        #expect(Self.kinds(whole.facts) == [.refundRecorded, .refundSucceeded])
        let refused = try Self.applied([
            Self.refund(gift, card), Self.transaction(Self.payment("error", id: 8, parent: 6, processed: 9)),
        ])
        #expect(refused.state.refunds["3"]?.state == .failed && refused.state.refunds["3"]?.moved?.amount == 1000)
    }

    @Test func `a try that failed and was tried again is no failure any more, and counts once`() throws {
        let failed = Self.payment("failure", processed: 1)
        let retried = Self.payment("success", id: 8, minute: 5, processed: 6)
        let first = Self.refund(failed)
        let second = Self.order(7, Self.refund(failed, retried))
        for events in [[first, second], [second, first]] {
            let (state, facts) = try Self.applied(events)
            #expect(state.refunds["3"]?.state == .succeeded && state.refunds["3"]?.amount?.amount == 1000)
            #expect(Set(Self.kinds(facts)) == [.refundRecorded, .refundFailed, .refundSucceeded])
        }
    }

    // domain.md 5, Ingest 8.
    @Test func `a status nobody knows is unknown, keeps its word, and is neither success nor failure`() throws {
        let (state, facts) = try Self.applied([Self.refund(Self.payment("teleported"))])
        #expect(state.refunds["3"]?.state == .unknown)
        #expect(state.refundTransactions["7"]?.word.statusRaw == "teleported")
        #expect(Self.kinds(facts) == [.refundRecorded])
    }

    // domain.md 5, case 13.
    @Test func `different currencies are not added up`() throws {
        let (state, _) = try Self.applied([
            Self.refund(Self.payment("success"), Self.payment("success", id: 8, currency: "USD", parent: 6))
        ])
        #expect(state.refunds["3"]?.state == .succeeded)
        #expect(state.refunds["3"]?.amount == nil && state.refunds["3"]?.moved == nil)
    }

    @Test func `of a success and a failure of one instant the failure holds, in both orders`() throws {
        let success = Self.transaction(Self.payment("success", processed: 4))
        let failure = Self.transaction(Self.payment("failure", processed: 4))
        for answers in [[success, failure], [failure, success]] {
            let (state, _) = try Self.applied([Self.refund(Self.payment("pending"))] + answers)
            #expect(state.refunds["3"]?.state == .failed)
        }
    }
}

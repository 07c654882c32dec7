import FoundationEssentials
import JSON
import Testing
import Time

@testable import Aftercare

/// What is made of an answer, without database.
@Suite struct `An answer about an order` {
    private static let at = Instant(seconds: 1_800_000_000)
    private let order = OrderID.new()
    private let event = InboundEventID.new()

    private func answer(_ body: JSON) -> PulledOrders.Answer {
        PulledOrders.answer(PulledOrder(externalID: "727", body: body.serializedBytes)) {
            (topic, body) throws(Poison) in
            try WooCommerce.understand(pulled: topic, body: body, askedAt: Self.at)
        }
    }

    private func known(_ answer: PulledOrders.Answer, _ state: InboundEvent.State = .applied) -> PulledOrders.Known {
        .init(fingerprint: answer.fingerprint, event: event, state: state, order: order)
    }

    @Test func `one that is news is stored, one that is not only counts as compared`() {
        let told = answer(WooOrder.body())
        #expect(told.saidAt == WooOrder.tenOClock && told.isThere && told.isLive)
        #expect(PulledOrders.verdict(on: told, known: .init()) == .store(.order))
        #expect(PulledOrders.verdict(on: told, known: .init(order: order)) == .store(.order))
        #expect(PulledOrders.verdict(on: told, known: known(told)) == .verify(order))
        let changed = answer(WooOrder.body(727, minute: 0, ("total", "1.00")))
        #expect(PulledOrders.verdict(on: changed, known: known(told)) == .store(.order))
        // The order of members says nothing.
        var turned = JSONObject()
        for member in (WooOrder.body().objectValue ?? [:]).reversed() { turned[member.name] = member.value }
        #expect(PulledOrders.verdict(on: answer(.object(turned)), known: known(told)) == .verify(order))
    }

    @Test func `after another word on the order the same answer is stored once more`() {
        let told = answer(WooOrder.body())
        var known = known(told)
        known.isOvertaken = true
        #expect(PulledOrders.verdict(on: told, known: known) == .store(.order))
    }

    @Test func `one that waits, or cannot be understood, is not stored again and again`() {
        let told = answer(["id": 727, "date_created_gmt": "yesterday"])
        #expect(told.saidAt == nil && told.isLive)
        for state in [InboundEvent.State.received, .quarantined, .ignored] {
            #expect(PulledOrders.verdict(on: told, known: known(told, state)) == .leave(event))
        }
        var disabled = known(told, .ignored)
        disabled.wasPassedOver = true
        #expect(PulledOrders.verdict(on: told, known: disabled) == .store(.order))
    }

    @Test func `an order that is gone is deleted once, and one that is back is restored`() {
        let (told, missing) = (answer(WooOrder.body()), PulledOrders.missing("727"))
        #expect(PulledOrders.verdict(on: missing, known: known(told)) == .store(.missingOrder))
        var deleted = known(missing)
        deleted.isDeleted = true
        #expect(PulledOrders.verdict(on: missing, known: deleted) == .verify(order))
        #expect(PulledOrders.verdict(on: told, known: deleted) == .store(.restoredOrder))
        // In the shop's bin it is deleted too.
        let binned = answer(WooOrder.body(727, minute: 1, ("status", "trash")))
        var known = known(binned)
        known.isDeleted = true
        #expect(!binned.isLive && PulledOrders.verdict(on: binned, known: known) == .verify(order))
    }

    // domain.md 5, cases 10 and 25.
    @Test func `what is older than the connection is history, until something happens`() throws {
        func outcome(_ body: JSON, _ known: OrderState? = nil) throws -> OrderMirror.Outcome {
            let understood = try WooCommerce.understand(pulled: .order, body: body.serializedBytes, askedAt: Self.at)
            guard case .changes(let changes) = understood else { throw Poison(.notAnObject) }
            return OrderMirror.apply(changes, to: known, receivedAt: Self.at)
        }
        let placed = WooOrder.tenOClock - .seconds(2 * 3600)
        var first = try outcome(WooOrder.body())
        #expect(PulledOrders.isHistory(first, of: nil, connectedAt: placed + .seconds(1)))
        #expect(!PulledOrders.isHistory(first, of: nil, connectedAt: placed))
        first.state.isHistorical = true
        let parcel = WooOrder.tracking(WooOrder.parcel("a", shippedOn: "1777939200"))
        let shipped = try outcome(WooOrder.body(727, minute: 3, ("meta_data", parcel)), first.state)
        let changed = try outcome(WooOrder.body(727, minute: 3, ("total", "1.00")), first.state)
        // The parcel left a day after the order was placed.
        #expect(PulledOrders.isHistory(shipped, of: first.state, connectedAt: Self.at))
        #expect(!PulledOrders.isHistory(shipped, of: first.state, connectedAt: placed + .seconds(3600)))
        #expect(PulledOrders.isHistory(changed, of: first.state, connectedAt: placed + .seconds(3600)))
        // Unless it was not known at all.
        #expect(PulledOrders.isHistory(shipped, of: nil, connectedAt: placed + .seconds(3600)))
        // What a webhook has told of lives.
        first.state.isHistorical = false
        #expect(!PulledOrders.isHistory(changed, of: first.state, connectedAt: Self.at))
    }
}

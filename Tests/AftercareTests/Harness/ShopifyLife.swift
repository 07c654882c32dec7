import JSON
import Support

@testable import Aftercare

/// A random life of one order in a Shopify shop: what happened to it, and all that was told of that, by webhooks and to
/// whoever asked. Some of it happens in one minute, which the shop's times do not tell apart.
struct ShopifyLife {
    struct Event: Hashable {
        /// Of a webhook; nil for what was asked.
        let topic: String?
        let body: JSON
    }

    private(set) var events: [Event] = []
    /// How it ended.
    private(set) var order = ShopifyStoreOrder()
    private var minute = 0
    private var nextID = 100

    init(_ random: inout SeededGenerator) {
        tell("orders/create", order.rest())
        for _ in 0..<Int.random(in: 2...12, using: &random) {
            minute += [0, 0, 1, 3, 20][Int.random(in: 0...4, using: &random)]
            change(&random)
            if Bool.random(using: &random) { tell("orders/updated", order.rest()) }
            if Bool.random(using: &random) { ask() }
        }
        tell("orders/updated", order.rest())
        ask()
    }

    private mutating func tell(_ topic: String, _ body: JSON) { events.append(Event(topic: topic, body: body)) }
    private mutating func ask() { events.append(Event(topic: nil, body: order.answer)) }

    private mutating func id() -> Int {
        nextID += 1
        return 9_107_199_254_741_000_000 + nextID
    }

    private mutating func change(_ random: inout SeededGenerator) {
        order.updatedAt = minute
        switch Int.random(in: 0...11, using: &random) {
        case 0...1: order.financial = ["paid", "partially_refunded", "refunded"][Int.random(in: 0...2, using: &random)]
        case 2: order.email = ["ada@example.com", "a@example.com", nil][Int.random(in: 0...2, using: &random)]
        case 3:
            let words = ["UNFULFILLED", "ON_HOLD", "SCHEDULED", "IN_PROGRESS", "FULFILLED", "PARTIALLY_FULFILLED"]
            order.fulfillment = words[Int.random(in: 0...5, using: &random)]
        case 4: order.cancelledAt = minute
        case 5:
            let words = ["NO_RETURN", "RETURN_REQUESTED", "IN_PROGRESS", "RETURNED"]
            order.returns = words[Int.random(in: 0...3, using: &random)]
        case 6...7:
            let parcel = ShopifyStoreOrder.Parcel(id: id(), createdAt: minute, updatedAt: minute)
            order.parcels.append(parcel)
            tell("fulfillments/create", order.rest(parcel))
        case 8...9: report(&random)
        case 10:
            let payment = ShopifyStoreOrder.Payment(id: id(), createdAt: minute)
            let payments = Bool.random(using: &random) ? [payment] : []
            let refund = ShopifyStoreOrder.Refund(id: id(), createdAt: minute, payments: payments)
            order.refunds.append(refund)
            tell("refunds/create", order.rest(refund))
        default: settle(&random)
        }
    }

    private mutating func report(_ random: inout SeededGenerator) {
        guard !order.parcels.isEmpty else { return }
        let at = Int.random(in: order.parcels.indices, using: &random)
        let statuses = ["in_transit", "out_for_delivery", "attempted_delivery", "delivered", "confirmed"]
        let status = statuses[Int.random(in: 0...4, using: &random)]
        let report = ShopifyStoreOrder.Report(id: id(), status: status, at: max(0, minute - 2))
        order.parcels[at].reports.append(report)
        order.parcels[at].updatedAt = minute
        tell("fulfillment_events/create", order.rest(report, of: order.parcels[at]))
        if Bool.random(using: &random) { tell("fulfillments/update", order.rest(order.parcels[at])) }
    }

    /// The payment provider answers.
    private mutating func settle(_ random: inout SeededGenerator) {
        for at in order.refunds.indices where !order.refunds[at].payments.isEmpty {
            order.refunds[at].payments[0].status = Bool.random(using: &random) ? "success" : "failure"
            order.refunds[at].payments[0].processedAt = minute
            tell("order_transactions/create", order.rest(order.refunds[at].payments[0]))
        }
    }
}

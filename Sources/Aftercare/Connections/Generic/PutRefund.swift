import FoundationEssentials
import JSON
import Time

/// A refund as a shop without a connector, or its payment provider, puts it. Pure.
struct PutRefund: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow.
    let isHistorical: Bool
    let refund: PutOrder.Refund

    init(_ body: inout FieldReader, _ id: String) throws(FieldErrors) {
        let (time, history) = (body.required("as_of", .time), body.optional("historical", .bool).map { $0 ?? false })
        let told = try PutOrder.Refund(&body, id)
        (asOf, isHistorical, refund) = try body.finish(time, history, told)
    }

    func apply(to known: OrderState?, of order: String, receivedAt: Instant) -> (PutOrder.Outcome, OrderMirror.Outcome?)
    {
        let (stamp, id) = (Stamp(at: asOf, json: ["refund": refund.json]), refund.externalID)
        let next = OrderMirror.apply(
            [OrderChange(order: order, content: .refund(refund.statement(stamp)))],
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        let outcome = PutOrder.Outcome.part(
            isNew: known?.refunds[id] == nil,
            isChanged: known != next.state,
            isKnown: next.state.refunds[id]?.newest == stamp
        )
        return (outcome, next)
    }
}

import FoundationEssentials
import JSON
import Time

/// How risky an order is, as a shop without a connector, or a fraud service, puts it. Pure. Each source's newest word
/// counts, and of all sources the worst.
struct PutRisk: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow, and nobody is told.
    let isHistorical: Bool
    let risk: PutOrder.Risk

    init(_ body: inout FieldReader) throws(FieldErrors) {
        let (time, history) = (body.required("as_of", .time), body.optional("historical", .bool).map { $0 ?? false })
        let told = try PutOrder.Risk(&body)
        (asOf, isHistorical, risk) = try body.finish(time, history, told)
    }

    func apply(to known: OrderState?, of order: String, receivedAt: Instant) -> (PutOrder.Outcome, OrderMirror.Outcome?)
    {
        let stamp = Stamp(at: asOf, json: ["risk": risk.json])
        let next = OrderMirror.apply(
            [OrderChange(order: order, content: .risk(risk.statement(stamp)))],
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        let kept = next.state.risks[risk.source]
        let outcome = PutOrder.Outcome.part(
            // Of an order whose data was erased nothing is kept.
            isNew: known?.risks[risk.source] == nil && kept != nil,
            isChanged: known != next.state,
            isKnown: kept?.stamp == stamp
        )
        return (outcome, next)
    }
}

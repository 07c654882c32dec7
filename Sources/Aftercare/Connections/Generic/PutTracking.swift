import FoundationEssentials
import JSON
import Time

/// What a carrier reported of a parcel, as a shop or a warehouse passes it on. Pure. All of it is taken or nothing.
struct PutTracking: Hashable, Sendable {
    /// Told as history: it starts no workflow.
    let isHistorical: Bool
    let events: [PutOrder.Event]

    init(_ body: inout FieldReader) throws(FieldErrors) {
        (isHistorical, events) = try body.finish(
            body.optional("historical", .bool).map { $0 ?? false },
            body.required("events", .events(1...500))
        )
    }

    var times: [ToldTime] { events.times(at: []) }

    /// Each report has a time of its own, and of one id the one that says more of it; so there is nothing older here.
    func apply(
        to known: OrderState?,
        of order: String,
        shipment: String,
        receivedAt: Instant
    ) -> (PutOrder.Outcome, OrderMirror.Outcome?) {
        let next = OrderMirror.apply(
            events.map { OrderChange(order: order, content: .tracking($0.report(receivedAt), shipment: shipment)) },
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        let reports = next.state.shipments[shipment]?.events ?? [:]
        let outcome = PutOrder.Outcome.part(
            isNew: known?.shipments[shipment] == nil,
            isChanged: known != next.state,
            isKnown: events.allSatisfy { event in
                let report = event.report(receivedAt)
                return reports[event.externalID].map { !report.precedes($0) } ?? false
            }
        )
        return (outcome, next)
    }
}

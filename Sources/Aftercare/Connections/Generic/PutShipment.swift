import FoundationEssentials
import JSON
import Time

/// A parcel as a warehouse, or a shop without a connector, puts it. Pure.
///
/// Other than within a whole order, what a body leaves out it says nothing of: a shop and its warehouse tell of one
/// parcel, and neither knows all of it.
struct PutShipment: Hashable, Sendable {
    /// When it was like this. What decides between two bodies.
    let asOf: Instant
    /// Told as history: it starts no workflow.
    let isHistorical: Bool
    let shipment: PutOrder.Shipment

    init(_ body: inout FieldReader, _ id: String) throws(FieldErrors) {
        let (time, history) = (body.required("as_of", .time), body.optional("historical", .bool).map { $0 ?? false })
        let told = try PutOrder.Shipment(&body, id, isPart: true)
        (asOf, isHistorical, shipment) = try body.finish(time, history, told)
    }

    var times: [ToldTime] { [.asOf(asOf)] + shipment.times(at: []) }

    private var told: Set<ShipmentField> {
        let values = shipment.values
        var told: Set<ShipmentField> = []
        if values.carrier != nil { told.insert(.carrier) }
        if values.trackingNumber != nil { told.insert(.trackingNumber) }
        if values.trackingURL != nil { told.insert(.trackingURL) }
        if values.reported != nil { told.insert(.reported) }
        return told
    }

    func apply(to known: OrderState?, of order: String, receivedAt: Instant) -> (PutOrder.Outcome, OrderMirror.Outcome?)
    {
        let (stamp, id) = (Stamp(at: asOf, json: ["shipment": shipment.json]), shipment.externalID)
        let contents =
            [OrderChange.Content.shipment(shipment.statement(stamp, told: told))]
            + shipment.events.map { .tracking($0.report(receivedAt), shipment: id) }
        let next = OrderMirror.apply(
            contents.map { OrderChange(order: order, content: $0) },
            to: known,
            receivedAt: receivedAt,
            isHistorical: isHistorical
        )
        let provenance = next.state.shipments[id]?.provenance
        let outcome = PutOrder.Outcome.part(
            isNew: known?.shipments[id] == nil,
            isChanged: known != next.state,
            isKnown: told.allSatisfy { provenance?.stamp(of: $0) == stamp }
        )
        return (outcome, next)
    }
}

extension PutOrder.Outcome {
    /// Of what is told of a part of an order.
    ///
    /// - Parameter isKnown: what is known is what it tells, and nothing newer.
    static func part(isNew: Bool, isChanged: Bool, isKnown: Bool) -> Self {
        if isNew { return .created }
        if isChanged { return .updated }
        return isKnown ? .unchanged : .stale
    }
}

import FoundationEssentials
import Time

/// Where of an order's parcels is what a person has to look at. Pure: it follows from the mirror, whoever told it. What
/// contradicts itself is found by `OrderConflict`.
struct TrackingFinding: Hashable, Sendable {
    let kind: Ticket.Kind
    /// The shipment's id at its source.
    let shipment: String
    /// Tells one finding of a kind from another: the status and its time.
    let evidence: String
    let reason: String

    /// What has come up between two states of an order. Nothing of what was only told as history.
    static func new(from known: OrderState?, to state: OrderState) -> [TrackingFinding] {
        guard !state.isHistorical else { return [] }
        var news: [TrackingFinding] = []
        for (id, shipment) in state.shipments.sorted(by: { $0.key < $1.key }) {
            // Not whether its time is another: what is still so may be told with a new time every day.
            guard known?.shipments[id]?.status != shipment.status, let found = exception(shipment, id) else { continue }
            news.append(found)
        }
        return news
    }

    private static func exception(_ shipment: Shipment, _ id: String) -> TrackingFinding? {
        let (kind, reason): (Ticket.Kind, String)
        switch shipment.status {
        case .lost: (kind, reason) = (.missingShipment, "The carrier has lost the parcel, or thrown it away.")
        case .noDataExpired: (kind, reason) = (.missingShipment, "The carrier has told nothing of the parcel for long.")
        case .damaged: (kind, reason) = (.damagedGoods, "The carrier says that the parcel is damaged.")
        case .returning: (kind, reason) = (.deliveryException, "The parcel is on its way back to the sender.")
        case .returned: (kind, reason) = (.deliveryException, "The parcel was returned to the sender.")
        case .heldActionRequired:
            (kind, reason) = (
                .deliveryException, "The carrier holds the parcel until somebody does something about it."
            )
        case .failed: (kind, reason) = (.deliveryException, "The carrier or the shop says that it failed.")
        case .unknown, .labelCreated, .pickedUp, .inTransit, .outForDelivery, .attempted, .pickupReady, .delivered,
            .cancelled:
            return nil
        }
        let at = shipment.statusAt.map { "\($0.microseconds)" } ?? ""
        return TrackingFinding(
            kind: kind,
            shipment: id,
            evidence: "\(id):\(shipment.status.rawValue):\(at)",
            reason: reason
        )
    }
}

// MARK: For a person

extension Escalation {
    /// One ticket for each kind of finding about a shipment; each finding is a comment.
    init(_ finding: TrackingFinding, of order: OrderID, in state: OrderState, by origin: String) {
        let shipment = state.shipments[finding.shipment] ?? Shipment()
        self.init(
            kind: finding.kind,
            origin: .order(order, by: origin),
            effectKey: Self.key(finding.kind, order, finding.shipment),
            evidenceKey: finding.evidence,
            subject: Self.subject(finding.kind, number: state.values.number, order),
            summary: ([finding.reason, ""] + shipment.lines(id: finding.shipment)).joined(separator: "\n")
        )
    }

    /// Nothing was heard of a parcel for so long.
    init(silent shipment: SilentShipment, days: Int) {
        self.init(
            kind: .missingShipment,
            origin: .order(shipment.order, by: "\(shipment.order)"),
            effectKey: Self.key(.missingShipment, shipment.order, shipment.externalID),
            evidenceKey: "\(shipment.externalID):silent:\(shipment.lastEventAt.microseconds)",
            subject: Self.subject(.missingShipment, number: shipment.orderNumber, shipment.order),
            summary: """
                Nothing was heard of the parcel for \(days) days or more. Last it was \(shipment.status.rawValue), at \
                \(shipment.lastEventAt.rfc3339).

                \(Shipment.name(shipment.externalID, shipment.carrier, shipment.trackingNumber))
                """
        )
    }

    /// A word that no version of this program knew when this one was made: one ticket for each, whatever the parcels.
    init(unheardOf word: String, of update: TrackingUpdate, store: StoreID, order: OrderID, by origin: String) {
        let word = word.singleLine(limit: 100)
        self.init(
            kind: .unknownOrderData,
            origin: .order(order, by: origin),
            effectKey: "\(Ticket.Kind.unknownOrderData.rawValue):\(store):\(update.source):\(word)",
            evidenceKey: "first",
            subject: "\(update.source) says \(word), which is not known",
            summary: """
                The status \(word) of \(update.source) counts as unknown for every parcel. It was met first \
                for \(update.number.key). Look what it means, and tell whoever runs this program.
                """
        )
    }

    private static func key(_ kind: Ticket.Kind, _ order: OrderID, _ shipment: String) -> String {
        "\(kind.rawValue):\(order):\(shipment)"
    }

    static func subject(_ kind: Ticket.Kind, number: String?, _ order: OrderID) -> String {
        "\(kind.title): order \(number?.singleLine(limit: 40) ?? "\(order)")"
    }
}

extension Shipment {
    fileprivate static func name(_ id: String, _ carrier: String?, _ number: String?) -> String {
        let number = number.map { ", \($0.singleLine(limit: 100))" } ?? ""
        return
            "Shipment \(id.singleLine(limit: 100)): \(carrier?.singleLine(limit: 100) ?? "carrier unknown")\(number)."
    }

    /// The parcel and its latest reports, in UTC.
    func lines(id: String) -> [String] {
        let reports = countedEvents.sorted { $0.precedes($1) }.suffix(10).map { event in
            let time = event.localTime.map { "\($0) local time" } ?? event.happenedAt.rfc3339
            let words = [event.raw, event.message, event.place].compactMap { $0?.singleLine(limit: 200) }
            return "\(time) \(event.kind.rawValue): \(words.joined(separator: ", "))"
        }
        return [Self.name(id, values.carrier, values.trackingNumber)] + (reports.isEmpty ? [] : ["Reports:"]) + reports
    }
}

import FoundationEssentials
import Time

extension OrderConflict {
    /// Names its ticket: of what is wrong with a parcel's tracking one for each parcel, of the rest one for each kind.
    /// Nil where it has none.
    func effectKey(_ order: OrderID) -> String? {
        guard let ticket else { return nil }
        if ticket == .conflictingTracking, let shipment { return "\(ticket.rawValue):\(order):\(shipment)" }
        return "\(ticket.rawValue):\(order):\(kind.rawValue)"
    }
}

extension Escalation {
    /// Nil for a conflict that is no ticket. Each time it comes up is a comment.
    init?(_ conflict: OrderConflict, of order: OrderID, in state: OrderState, by origin: String) {
        guard let ticket = conflict.ticket, let effectKey = conflict.effectKey(order) else { return nil }
        let latest = conflict.evidence.compactMap(\.at).max().map { "\($0.microseconds)" } ?? ""
        let shipment = conflict.shipment.flatMap { id in state.shipments[id].map { $0.lines(id: id) } }
        self.init(
            kind: ticket,
            origin: .order(order, by: origin),
            effectKey: effectKey,
            evidenceKey: "\(conflict.kind.rawValue):\(conflict.episodes.max() ?? ""):\(latest)",
            subject: Self.subject(ticket, number: state.values.number, order),
            summary: ([conflict.kind.sentence, ""] + conflict.evidence.prefix(20).map(\.line)
                + (shipment.map { [""] + $0 } ?? [])).joined(separator: "\n")
        )
    }
}

extension OrderConflict.Evidence {
    /// Of what is known, for a person; in UTC.
    fileprivate var line: String {
        let who = source == .carrier ? "The carrier" : "The shop"
        let name = subject.externalID.map { " (\(subject.name.words) \($0.singleLine(limit: 100)))" } ?? ""
        let money = amount.map { " \($0.written)" } ?? ""
        let time = at.map { " at \($0.rfc3339)" } ?? " at no time it tells"
        let received = receivedAt.map { ", received at \($0.rfc3339)" } ?? ""
        return "\(who)\(name)\(time)\(received): \(says.singleLine(limit: 300)).\(money)"
    }
}

extension OrderConflict.Evidence.SubjectName {
    fileprivate var words: String { self == .trackingEvent ? "report" : rawValue }
}

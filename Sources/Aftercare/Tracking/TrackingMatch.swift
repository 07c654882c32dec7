import Time

/// Which reports of a tracker are about which shipment. Pure, and whoever came first: the shop or the carrier.
///
/// A number names a parcel for a season. Carriers give it out again, and a tracker may tell of both parcels. So a report
/// belongs to a shipment within its window only:
///
///     30 days before            its order was placed, or it was handed over where that is not known
///     120 days                  after the delivery, after the report before, or after it was handed over
///     365 days                  after it was handed over in any case
///
/// A shipment of which neither is known has no window yet, and gets its reports once its order is told.
enum TrackingMatch {
    static let before = Duration.seconds(30 * 86_400)
    static let pause = Duration.seconds(120 * 86_400)
    static let longest = Duration.seconds(365 * 86_400)

    /// What the trackers tell of an order's shipments. One that was cancelled leaves its number to another of the order
    /// that has the same.
    static func changes(_ trackers: [Tracker], to state: OrderState, of order: String) -> [OrderChange] {
        var changes: [OrderChange] = []
        for (id, shipment) in state.shipments.sorted(by: { $0.key < $1.key }) {
            guard let number = shipment.number, !isReplaced(shipment, number, in: state),
                let start = state.values.placedAt ?? shipment.shippedAt
            else { continue }
            for tracker in trackers where tracker.key.number == number {
                guard Carrier.areCompatible(shipment.values.carrier, tracker.key.carrier) else { continue }
                let (events, end) = events(of: tracker, about: shipment, from: start)
                guard !events.isEmpty else { continue }
                changes += events.map { OrderChange(order: order, content: .tracking($0, shipment: id)) }
                // Reports that are passed on say nothing of the parcel as a whole.
                if tracker.key.provider != nil, (start - before...end).contains(tracker.word.saidAt) {
                    changes.append(OrderChange(order: order, content: .tracker(tracker.word, shipment: id)))
                }
            }
        }
        return changes
    }

    private static func isReplaced(_ shipment: Shipment, _ number: TrackingNumber, in state: OrderState) -> Bool {
        guard shipment.isCancelled else { return false }
        return state.shipments.values.contains { !$0.isCancelled && $0.number == number }
    }

    /// In the order of time, and the end of the window.
    private static func events(
        of tracker: Tracker,
        about shipment: Shipment,
        from start: Instant
    ) -> (events: [TrackingEvent], end: Instant) {
        let left = max(start, shipment.shippedAt ?? start)
        var end = left + longest
        if let deliveredAt = shipment.deliveredAt { end = min(end, max(left, deliveredAt + pause)) }
        var (events, last) = ([TrackingEvent](), left)
        for event in tracker.events.values.sorted(by: { $0.precedes($1) }) where event.happenedAt >= start - before {
            guard event.happenedAt <= min(end, last + pause) else { break }
            events.append(event)
            last = max(last, event.happenedAt)
            if event.kind.status == .delivered { end = min(end, event.happenedAt + pause) }
        }
        return (events, end)
    }

    /// Whether what is known of an order has changed in a way that other reports may be about it now.
    static func isDue(from known: OrderState?, to state: OrderState) -> Bool {
        state.shipments.contains { id, shipment in
            guard let number = shipment.number else { return false }
            guard let before = known?.shipments[id] else { return true }
            return before.number != number || before.values.carrier != shipment.values.carrier
                || before.isCancelled != shipment.isCancelled || before.shippedAt != shipment.shippedAt
                || known?.values.placedAt != state.values.placedAt
        }
    }
}

extension Shipment {
    var isCancelled: Bool { values.reported == .cancelled }
}

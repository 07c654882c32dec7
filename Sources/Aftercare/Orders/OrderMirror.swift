import Time

/// Applies what a provider says to the mirror of an order. Pure.
///
/// Any statement may be the first to name an order; they may come in any order, several times, hours late. The mirror
/// ends up the same, and has raised the same facts. For that
/// - each field goes by its source's own time (`Provenance`);
/// - what can only become true (placed, paid, cancelled, shipped, delivered, a refund's steps) is raised by any statement
///   that says so, also by one that is older than others we know, and happened at the earliest time that any of them says;
/// - a parcel's status is worked out anew from all its reports, and a refund's from all its transactions (`RefundMirror`).
enum OrderMirror {
    struct Outcome: Hashable, Sendable {
        var state: OrderState
        var facts: [Fact]
        /// Shipments that were delivered and of which the carrier said something else later. They stay delivered.
        var regressions: [String]
    }

    /// Applies changes of one order, one after the other.
    static func apply(
        _ changes: [OrderChange],
        to known: OrderState?,
        receivedAt: Instant,
        isHistorical: Bool = false
    ) -> Outcome {
        var outcome = Outcome(state: known ?? OrderState(), facts: [], regressions: [])
        for change in changes {
            let next = apply(change, to: outcome.state, receivedAt: receivedAt)
            outcome.state = next.state
            outcome.facts += next.facts
            outcome.regressions += next.regressions
        }
        // One word that is not history makes the order a living one, whichever of them came first.
        outcome.state.isHistorical = isHistorical && (known?.isHistorical ?? true)
        return outcome
    }

    /// - Parameter receivedAt: the time of facts whose source states none.
    static func apply(_ change: OrderChange, to known: OrderState?, receivedAt: Instant) -> Outcome {
        var outcome = Outcome(state: known ?? OrderState(), facts: [], regressions: [])
        switch change.content {
        case .order(let statement):
            apply(statement, to: &outcome, receivedAt)
        case .shipment(let statement):
            var shipment = outcome.state.shipments[statement.externalID] ?? Shipment()
            shipment.apply(statement, receivedAt)
            put(shipment, statement.externalID, into: &outcome)
        case .tracking(let event, let id):
            var shipment = outcome.state.shipments[id] ?? Shipment()
            shipment.apply(event)
            if shipment.contradictions.contains(where: { $0.externalID == event.externalID }) {
                outcome.regressions.append(id)
            }
            put(shipment, id, into: &outcome)
        case .tracker(let word, let id):
            guard var shipment = outcome.state.shipments[id] else { break }
            if shipment.tracker?.precedes(word) ?? true { shipment.tracker = word }
            outcome.state.shipments[id] = shipment
        case .refund(let statement):
            outcome.state.apply(statement, receivedAt: receivedAt)
            raiseFacts(ofRefund: statement.externalID, in: &outcome)
        case .refundList(let list):
            outcome.state.apply(list, receivedAt: receivedAt)
        case .refundTransaction(let statement):
            guard let refund = outcome.state.apply(statement, receivedAt: receivedAt) else { break }
            raiseFacts(ofRefund: refund, in: &outcome)
        case .risk(let statement):
            outcome.state.apply(statement)
        }
        outcome.state.settleReturns()
        outcome.state.settleRedaction()
        return outcome
    }

    private static func apply(_ statement: OrderStatement, to outcome: inout Outcome, _ receivedAt: Instant) {
        let stamp = statement.stamp.received(at: receivedAt)
        for field in outcome.state.provenance.admit(statement.told, by: stamp) {
            outcome.state.values.copy(field, from: statement.values)
        }
        outcome.state.isComplete = outcome.state.isComplete || statement.isComplete
        let saidAt = statement.stamp.at ?? receivedAt
        if statement.isComplete {
            raise(.orderPlaced, notAfter: statement.values.placedAt ?? saidAt, in: &outcome)
        }
        if statement.told.contains(.financial), statement.values.financial == .paid {
            raise(.orderPaid, notAfter: saidAt, in: &outcome)
        }
        if statement.told.contains(.lifecycle), statement.values.lifecycle == .cancelled {
            raise(.orderCancelled, notAfter: statement.cancelledAt ?? saidAt, in: &outcome)
        }
    }

    private static func put(_ shipment: Shipment, _ id: String, into outcome: inout Outcome) {
        outcome.state.shipments[id] = shipment
        for (kind, instant) in [(Fact.Kind.shipped, shipment.shippedAt), (.delivered, shipment.deliveredAt)] {
            if let instant, let new = outcome.state.raise(kind, id, at: instant) { outcome.facts.append(new) }
        }
    }

    private static func raiseFacts(ofRefund id: String, in outcome: inout Outcome) {
        for fact in outcome.state.refundFacts(id) {
            if let new = outcome.state.raise(fact.kind, id, at: fact.at) { outcome.facts.append(new) }
        }
    }

    /// Of the order itself, by a statement that says it was at this instant or before.
    private static func raise(_ kind: Fact.Kind, notAfter instant: Instant, in outcome: inout Outcome) {
        let known = outcome.state.facts[Fact.Key(kind: kind, episode: Fact.Key.wholeOrder)]
        if let new = outcome.state.raise(kind, at: min(known ?? instant, instant)) { outcome.facts.append(new) }
    }
}

extension Shipment {
    fileprivate mutating func apply(_ statement: ShipmentStatement, _ receivedAt: Instant) {
        let formerNumber = number
        note(reportOf: statement)
        for field in provenance.admit(statement.told, by: statement.stamp.received(at: receivedAt)) {
            values.copy(field, from: statement.values)
        }
        // What was said of another parcel.
        if number != formerNumber { tracker = nil }
        note(shippedAt: statement.shippedAt ?? statement.deliveredAt)
        note(deliveredAt: statement.deliveredAt, raw: statement.values.reportedRaw)
        settle()
    }

    fileprivate mutating func apply(_ event: TrackingEvent) {
        events.note(event)
        if let status = event.kind.status {
            note(shippedAt: status.impliesShipped ? event.happenedAt : nil)
            note(deliveredAt: status == .delivered ? event.happenedAt : nil, raw: event.raw)
        }
        settle()
    }

    private mutating func note(reportOf statement: ShipmentStatement) {
        guard statement.told.contains(.reported), let status = statement.values.reported, let at = statement.stamp.at
        else { return }
        let number = statement.values.trackingNumber.flatMap { TrackingNumber($0)?.key }
        let report = Report(status: status, number: number)
        let known = reports[report] ?? at...at
        reports[report] = min(known.lowerBound, at)...max(known.upperBound, at)
    }

    private mutating func note(shippedAt instant: Instant?) {
        guard let instant else { return }
        shippedAt = min(shippedAt ?? instant, instant)
    }

    /// The earliest evidence, and of that instant the least word, so that one and the same stays.
    private mutating func note(deliveredAt instant: Instant?, raw: String?) {
        guard let instant else { return }
        guard let known = deliveredAt, (known, statusRaw ?? "") <= (instant, raw ?? "") else {
            (deliveredAt, statusRaw) = (instant, raw)
            return
        }
    }

    /// Works out the status from all that was reported.
    private mutating func settle() {
        let events = countedEvents
        let latest = events.max { $0.precedes($1) }
        // Delivered stays: a later scan of a delivered parcel is a mistake, or a matter for a person.
        if let deliveredAt {
            // `statusRaw` is the word that came with it.
            (status, statusAt, isDelayed) = (.delivered, deliveredAt, false)
            reports = [:]
            return
        }
        isDelayed = latest?.kind == .delay
        let reportedAt = reportedAt
        if values.reported == .cancelled {
            (status, statusRaw, statusAt) = (.cancelled, values.reportedRaw, reportedAt)
            return
        }
        let progress = events.filter { ($0.kind.status ?? .unknown) != .unknown }.max { $0.precedes($1) }
        if let progress, let status = progress.kind.status, !isAhead(of: status, progress.happenedAt, reportedAt) {
            (self.status, statusRaw, statusAt) = (status, progress.raw, progress.happenedAt)
        } else if let reported = values.reported {
            (status, statusRaw, statusAt) = (reported, values.reportedRaw, reportedAt)
        } else {
            (status, statusRaw, statusAt) = (.unknown, latest?.raw, latest?.happenedAt)
        }
    }

    /// Whether the shop sums up more than the carrier's events tell, so that an event of it must have been lost. The
    /// shop's time is when it learned, not when it happened, so a mere later time says nothing.
    private func isAhead(of status: ShipmentStatus, _ happenedAt: Instant, _ reportedAt: Instant?) -> Bool {
        guard let reported = values.reported, let reportedAt else { return false }
        return reportedAt > happenedAt && reported.rank > status.rank
    }
}

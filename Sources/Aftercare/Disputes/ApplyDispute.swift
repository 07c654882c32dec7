import FoundationEssentials
import Postgres
import Time

/// Applies a change to a dispute and to the order it is of, within a transaction, and opens the ticket that an open one
/// needs. Whoever spoke: a shop's webhook, or a body that is put.
struct ApplyDispute {
    let tenant: TenantID
    let store: Store
    /// The webhook that told of it.
    var event: InboundEventID?
    let receivedAt: Instant
    /// Told as history: it starts no workflow. An open dispute needs a person all the same.
    var isHistorical = false
    let now: Instant

    struct Outcome {
        let dispute: Dispute
        /// Nil while nobody has said which order it is of.
        let order: OrderID?
        /// Facts and jobs: the transaction's last statements.
        let last: [SQL]
    }

    /// The dispute's row is held first and the order's after it, by everybody.
    func apply(_ change: DisputeChange, in transaction: Transaction) async throws -> Outcome {
        let held = try await DisputeStore.hold(
            change.externalID,
            tenant: tenant,
            store: store.id,
            now: now,
            in: transaction
        )
        return try await apply(change, to: held, in: transaction)
    }

    func apply(
        _ change: DisputeChange,
        to held: DisputeStore.Held,
        in transaction: Transaction
    ) async throws -> Outcome {
        let dispute = Dispute.applying(change.statement, to: held.dispute, receivedAt: receivedAt)
        var last: [SQL] = []
        var follow = FollowTracking()
        var orderID: OrderID?
        // A dispute stays with the order that was named first.
        if let name = held.order ?? change.order {
            let order = try await OrderMirrorStore.hold(
                name,
                tenant: tenant,
                store: store.id,
                now: now,
                in: transaction
            )
            orderID = order.id
            var state = order.state ?? OrderState()
            let facts = state.note(dispute, change.externalID)
            state.isHistorical = isHistorical && (order.state?.isHistorical ?? true)
            for statement in OrderMirrorStore.save(state, over: order, now: now) { transaction.add(statement) }
            let raise = OrderMirrorStore.raise(facts, of: order, isHistorical: isHistorical, event: event, now: now)
            if let raise { last.append(raise) }
            if !isHistorical { follow.add(state, over: order, by: event.map { "\($0)" }, now: now) }
        }
        if let save = DisputeStore.save(dispute, of: orderID, over: held, now: now) { transaction.add(save) }
        for statement in follow.statements { transaction.add(statement) }
        last += follow.last
        // One ticket for a dispute, however often it is told; a comment for each thing that is new about it.
        if dispute.isOpen, dispute != held.dispute {
            let escalation = Escalation(dispute, held.id, change.externalID, in: store.zone, now: store.now(now))
            for statement in EscalationStore.open(escalation, tenant: tenant, now: now) { transaction.add(statement) }
            last.append(EscalationStore.announce(escalation, tenant: tenant, now: now))
        }
        return Outcome(dispute: dispute, order: orderID, last: last)
    }
}

extension Escalation {
    /// An open dispute.
    init(_ dispute: Dispute, _ id: DisputeID, _ externalID: String, in zone: Zone, now: Instant) {
        let word = dispute.word
        kind = .chargeDispute
        origin = .dispute(id)
        effectKey = "\(Ticket.Kind.chargeDispute.rawValue):\(id)"
        let due = word.evidenceDueBy.map { "\($0.microseconds)" } ?? "none"
        let sent = word.evidenceSentAt == nil ? "unsent" : "sent"
        evidenceKey = "\(id):\(word.type.rawValue):\(word.status.rawValue):\(due):\(sent)"
        subject = "\(Ticket.Kind.chargeDispute.title): \(externalID.singleLine(limit: 100))"
        summary = dispute.summary(externalID, in: zone, now: now)
    }
}

extension Dispute {
    fileprivate func summary(_ externalID: String, in zone: Zone, now: Instant) -> String {
        let what =
            switch word.type {
            case .inquiry: "The bank asks about a payment (inquiry)"
            case .chargeback: "The bank has taken a payment back (chargeback)"
            case .unknown: "A payment is disputed (\(word.typeRaw?.singleLine(limit: 100) ?? "no type is told"))"
            }
        let amount = word.amount.map { " of \($0.written)" } ?? ""
        let reason = word.reason.map { " Reason: \($0.singleLine(limit: 100))." } ?? ""
        let code = word.networkReasonCode.map { " Code of the network: \($0.singleLine(limit: 40))." } ?? ""
        let said =
            word.status == .unknown
            ? "unknown (the shop says \(word.statusRaw?.singleLine(limit: 100) ?? "nothing"))" : word.status.rawValue
        let asOf = word.stamp.at.map { " as of \($0.written(in: zone))" } ?? ""
        return """
            \(what)\(amount): dispute \(externalID.singleLine(limit: 100)).\(reason)\(code)
            Status: \(said)\(asOf).
            \(evidence(in: zone, now: now))

            While it is open no follow-up goes out about its order. Refund it only through the dispute, or the money may \
            go back twice.
            """
    }

    private func evidence(in zone: Zone, now: Instant) -> String {
        if let sentAt = word.evidenceSentAt { return "Evidence was sent on \(sentAt.written(in: zone))." }
        guard let dueBy = word.evidenceDueBy else { return "No time is told by which evidence is due." }
        return dueBy < now
            ? "The time to send evidence ended on \(dueBy.written(in: zone)), and none is known to have been sent."
            : "Evidence is due by \(dueBy.written(in: zone))."
    }
}

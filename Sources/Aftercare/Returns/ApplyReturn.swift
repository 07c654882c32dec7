import FoundationEssentials
import Postgres
import Time

/// Applies a change to a return and to the order it is of, within a transaction. Whoever spoke: a shop's webhook, or a
/// body that is put.
struct ApplyReturn {
    let tenant: TenantID
    let store: Store
    /// The webhook that told of it.
    var event: InboundEventID?
    let receivedAt: Instant
    /// Told as history: it starts no workflow.
    var isHistorical = false
    let now: Instant

    struct Outcome {
        let held: ReturnStore.Held
        let state: Return
        /// Nil while nobody has said which order it is of.
        let order: OrderID?
        /// Whether whoever ordered had their data erased, so that what told of it must not be kept either.
        let isRedacted: Bool
        /// Facts and jobs: the transaction's last statements.
        let last: [SQL]
    }

    /// The return's row is held first and the order's after it, by everybody.
    func apply(_ change: ReturnChange, in transaction: Transaction) async throws -> Outcome {
        let held = try await ReturnStore.hold(
            change.externalID,
            tenant: tenant,
            store: store.id,
            now: now,
            in: transaction
        )
        return try await apply(change, to: held, in: transaction)
    }

    func apply(
        _ change: ReturnChange,
        to held: ReturnStore.Held,
        in transaction: Transaction
    ) async throws -> Outcome {
        var state = held.state ?? Return()
        state.apply(change.statement, receivedAt: receivedAt)
        var last: [SQL] = []
        var follow = FollowTracking()
        var orderID: OrderID?
        var isRedacted = false
        // A return stays with the order that was named first.
        if let name = held.order ?? change.order {
            let order = try await OrderMirrorStore.hold(
                name,
                tenant: tenant,
                store: store.id,
                now: now,
                in: transaction
            )
            orderID = order.id
            isRedacted = order.state?.isRedacted == true
            if isRedacted { state.redact() }
            var orderState = order.state ?? OrderState()
            let facts = orderState.note(state, change.externalID)
            orderState.isHistorical = isHistorical && (order.state?.isHistorical ?? true)
            for statement in OrderMirrorStore.save(orderState, over: order, now: now) { transaction.add(statement) }
            let raise = OrderMirrorStore.raise(facts, of: order, isHistorical: isHistorical, event: event, now: now)
            if let raise { last.append(raise) }
            if !isHistorical { follow.add(orderState, over: order, by: event.map { "\($0)" }, now: now) }
        }
        for statement in ReturnStore.save(state, of: orderID, over: held, now: now) + follow.statements {
            transaction.add(statement)
        }
        last += follow.last
        // A word that is not understood, once for each word.
        if state.values.reported == .unknown, state != held.state {
            let escalation = Escalation(state, held.id, change.externalID, in: store.zone)
            for statement in EscalationStore.open(escalation, tenant: tenant, now: now) { transaction.add(statement) }
            last.append(EscalationStore.announce(escalation, tenant: tenant, now: now))
        }
        return Outcome(held: held, state: state, order: orderID, isRedacted: isRedacted, last: last)
    }
}

extension Escalation {
    /// A return in a state that its source has a word for and this program has not.
    fileprivate init(_ known: Return, _ id: ReturnID, _ externalID: String, in zone: Zone) {
        let word = known.values.reportedRaw?.singleLine(limit: 100) ?? "nothing"
        let asOf = known.provenance.stamp(of: .reported)?.at.map { " as of \($0.written(in: zone))" } ?? ""
        kind = .unknownOrderData
        origin = .return(id)
        effectKey = "\(Ticket.Kind.unknownOrderData.rawValue):\(id)"
        evidenceKey = "\(id):\(word)"
        subject = "\(Ticket.Kind.unknownOrderData.title): return \(externalID.singleLine(limit: 100))"
        summary = """
            The shop says that return \(externalID.singleLine(limit: 100)) is "\(word)"\(asOf), and that is a word this \
            program does not know. Look at the return in the shop.
            """
    }
}

import FoundationEssentials
import Postgres
import Time

/// Applies a change to a return and to the order it is of, within a transaction. Whoever spoke: a shop's webhook, or a
/// body that is put.
struct ApplyReturn {
    let tenant: TenantID
    let store: StoreID
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
        /// Its facts and their jobs: the transaction's last statement.
        let raise: SQL?
    }

    /// The return's row is held first and the order's after it, by everybody.
    func apply(_ change: ReturnChange, in transaction: Transaction) async throws -> Outcome {
        let held = try await ReturnStore.hold(
            change.externalID,
            tenant: tenant,
            store: store,
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
        // A return stays with the order that was named first.
        guard let name = held.order ?? change.order else {
            for statement in ReturnStore.save(state, of: nil, over: held, now: now) { transaction.add(statement) }
            return Outcome(held: held, state: state, order: nil, raise: nil)
        }
        let order = try await OrderMirrorStore.hold(name, tenant: tenant, store: store, now: now, in: transaction)
        var orderState = order.state ?? OrderState()
        let facts = orderState.note(state, change.externalID)
        orderState.isHistorical = isHistorical && (order.state?.isHistorical ?? true)
        for statement in ReturnStore.save(state, of: order.id, over: held, now: now) { transaction.add(statement) }
        for statement in OrderMirrorStore.save(orderState, over: order, now: now) { transaction.add(statement) }
        let raise = OrderMirrorStore.raise(facts, of: order, isHistorical: isHistorical, event: event, now: now)
        return Outcome(held: held, state: state, order: order.id, raise: raise)
    }
}

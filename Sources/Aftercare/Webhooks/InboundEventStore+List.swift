import FoundationEssentials
import Postgres
import Time

/// The log of webhooks, in the database.
extension InboundEventStore {
    /// Which of them to show; all that are there have to hold.
    struct Filter: Sendable {
        var state: InboundEvent.State?
        var connection: ConnectionID?
        var store: StoreID?
        var topic: String?
        var reason: String?
        var order: OrderID?
        var receivedFrom: Instant?
        var receivedBefore: Instant?
    }

    /// The filter whose index gives the rows, in the log's order. The others are looked at in each row.
    fileprivate enum Lead { case order, reason, state, topic, connection, store, none }

    /// Newest first. Each filter has an index that ends with the log's own order; the one that keeps the fewest leads:
    /// `inbound_events_by_order`, `…_by_reason`, `…_by_state`, `…_by_topic`, `…_by_connection`, `…_by_store`, or, without a
    /// filter, `…_by_arrival`.
    static func events(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        let lead = filter.lead
        let order = test("order_id", isThere: filter.order != nil, leads: lead == .order)
        let reason = test("reason", isThere: filter.reason != nil, leads: lead == .reason)
        let state = test("state", isThere: filter.state != nil, leads: lead == .state)
        let topic = test("topic", isThere: filter.topic != nil, leads: lead == .topic)
        let connection = test("connection_id", isThere: filter.connection != nil, leads: lead == .connection)
        let store = test("store_id", isThere: filter.store != nil, leads: lead == .store)
        return """
            SELECT \(unsafe: columns)
              FROM inbound_events
             WHERE tenant_id = \(tenant.uuid)
               AND \(unsafe: order.before) \(filter.order?.uuid) \(unsafe: order.after)
               AND \(unsafe: reason.before) \(filter.reason) \(unsafe: reason.after)
               AND \(unsafe: state.before) \(filter.state?.rawValue) \(unsafe: state.after)
               AND \(unsafe: topic.before) \(filter.topic) \(unsafe: topic.after)
               AND \(unsafe: connection.before) \(filter.connection?.uuid) \(unsafe: connection.after)
               AND \(unsafe: store.before) \(filter.store?.uuid) \(unsafe: store.after)
               AND (received_at, id) < (\(page.createdAt), \(page.id))
               AND received_at >= \(filter.receivedFrom ?? Instant(microseconds: 0))
               AND received_at < \(filter.receivedBefore ?? Instant(microseconds: Int64.max / 2))
             ORDER BY received_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
    }

    /// The text around a filter's value. Only the one that leads is a condition that an index can be searched by, so that
    /// the planner does not take another's; one that is not there says nothing of any row, or rows would seem to be few.
    private static func test(_ column: String, isThere: Bool, leads: Bool) -> (before: String, after: String) {
        if leads { return ("\(column) =", "") }
        return isThere ? ("\(column) IS NOT DISTINCT FROM", "") : ("", "IS NULL")
    }
}

extension InboundEventStore.Filter {
    fileprivate var lead: InboundEventStore.Lead {
        if order != nil { return .order }
        if reason != nil { return .reason }
        // Few, and looked for.
        if state == .quarantined || state == .received { return .state }
        if topic != nil { return .topic }
        if connection != nil { return .connection }
        if store != nil { return .store }
        return state == nil ? .none : .state
    }
}

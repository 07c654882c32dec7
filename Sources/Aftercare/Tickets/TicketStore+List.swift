import FoundationEssentials
import Postgres
import Time

extension TicketStore {
    struct Filter: Sendable {
        var store: StoreID?
        var order: OrderID?
        var assignee: UserID?
        var state: Ticket.State?
    }

    /// Newest first. By the filter that leaves the least; store and state have an index for each of their
    /// combinations, so that a store's open tickets are found among any number of closed ones.
    static func tickets(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        let (store, state) = (filter.store?.uuid, filter.state?.rawValue)
        if let order = filter.order {
            return """
                SELECT \(unsafe: columns)
                  FROM tickets
                 WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
                   AND (\(filter.assignee?.uuid) IS NULL OR assignee_id = \(filter.assignee?.uuid))
                   AND (\(store) IS NULL OR store_id = \(store)) AND (\(state) IS NULL OR state = \(state))
                   AND (created_at, id) < (\(page.createdAt), \(page.id))
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(page.rowLimit)
                """
        }
        if let assignee = filter.assignee {
            return """
                SELECT \(unsafe: columns)
                  FROM tickets
                 WHERE tenant_id = \(tenant.uuid) AND assignee_id = \(assignee.uuid)
                   AND (\(store) IS NULL OR store_id = \(store)) AND (\(state) IS NULL OR state = \(state))
                   AND (created_at, id) < (\(page.createdAt), \(page.id))
                 ORDER BY created_at DESC, id DESC
                 LIMIT \(page.rowLimit)
                """
        }
        return tickets(page, store, state, tenant: tenant)
    }

    private static func tickets(_ page: Page, _ store: UUID?, _ state: String?, tenant: TenantID) -> SQL {
        switch (store, state) {
        case (let store?, let state?):
            """
            SELECT \(unsafe: columns)
              FROM tickets
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store) AND state = \(state)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        case (let store?, nil):
            """
            SELECT \(unsafe: columns)
              FROM tickets
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        case (nil, let state?):
            """
            SELECT \(unsafe: columns)
              FROM tickets
             WHERE tenant_id = \(tenant.uuid) AND state = \(state)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        case (nil, nil):
            """
            SELECT \(unsafe: columns)
              FROM tickets
             WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }
}

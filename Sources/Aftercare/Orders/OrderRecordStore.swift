import Postgres

/// A page of what is kept about orders besides the orders themselves: of commands, disputes and returns.
enum OrderRecordStore {
    /// Newest first. An order has a handful; of the rest, those in a state and those of a store have an index of their
    /// own that gives the order too.
    ///
    /// - Parameters:
    ///   - columns: what is selected of `table`.
    ///   - state: the column that states are in, and the state asked for.
    static func page(
        _ page: Page,
        of table: String,
        _ columns: String,
        order: OrderID?,
        state: (column: String, value: String?),
        store: StoreID?,
        tenant: TenantID
    ) -> SQL {
        if let order {
            """
            SELECT \(unsafe: columns)
              FROM \(unsafe: table)
             WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
               AND (\(store?.uuid) IS NULL OR store_id = \(store?.uuid))
               AND (\(state.value) IS NULL OR \(unsafe: state.column) = \(state.value))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let value = state.value {
            """
            SELECT \(unsafe: columns)
              FROM \(unsafe: table)
             WHERE tenant_id = \(tenant.uuid) AND \(unsafe: state.column) = \(value)
               AND (\(store?.uuid) IS NULL OR store_id = \(store?.uuid))
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else if let store {
            """
            SELECT \(unsafe: columns)
              FROM \(unsafe: table)
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM \(unsafe: table)
             WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }
}

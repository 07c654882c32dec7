import FoundationEssentials
import Postgres

/// One order by its id in the shop, in one round trip: the id of ours is looked up by `orders_external_id_is_unique`
/// in each of the statements.
extension OrderStore {
    /// As `whole(_:tenant:)`.
    static func whole(externalID: String, store: StoreID, tenant: TenantID) -> [SQL] {
        [
            """
            SELECT \(unsafe: columns)
              FROM orders
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id = \(externalID)
            """,
            lines(externalID: externalID, store: store, tenant: tenant),
            shipments(externalID: externalID, store: store, tenant: tenant),
            RefundStore.refunds(externalID: externalID, store: store, tenant: tenant),
        ]
    }

    static func lines(externalID: String, store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT external_id, title, sku, quantity, unit_price
          FROM order_lines
         WHERE tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
         ORDER BY position
        """
    }

    static func shipments(externalID: String, store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: shipmentColumns)
          FROM shipments
          LEFT JOIN tracking_events
            ON tracking_events.tenant_id = \(tenant.uuid) AND tracking_events.shipment_id = shipments.id
         WHERE shipments.tenant_id = \(tenant.uuid)
           AND order_id = (SELECT id FROM orders
                            WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                              AND external_id = \(externalID))
         ORDER BY shipments.id, happened_at, tracking_events.external_id
        """
    }
}

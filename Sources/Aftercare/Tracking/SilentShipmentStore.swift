import FoundationEssentials
import Postgres
import Time

/// Parcels on their way of which nothing is heard, in the database.
enum SilentShipmentStore {
    /// One page, by `shipments_in_motion`: it holds what is on its way and was not told of, by the time of the last
    /// event, so that a night costs what it finds and not what the store has. Materialized, or the planner may begin with
    /// the orders.
    static func silent(
        _ store: StoreID,
        tenant: TenantID,
        after: (at: Instant, id: UUID),
        before end: Instant,
        limit: Int
    ) -> SQL {
        """
        WITH silent AS MATERIALIZED (
            SELECT id, order_id, external_id, carrier, tracking_number, status, last_event_at
              FROM shipments
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND status IN ('picked_up', 'in_transit', 'out_for_delivery', 'attempted') AND silent_since IS NULL
               AND (last_event_at, id) > (\(after.at), \(after.id)) AND last_event_at <= \(end)
             ORDER BY last_event_at, id
             LIMIT \(limit)
        )
        SELECT silent.id, silent.order_id, silent.external_id, orders.number, silent.carrier, silent.tracking_number,
               silent.status, silent.last_event_at, orders.historical OR orders.lifecycle_status = 'deleted'
          FROM silent
          JOIN orders
            ON orders.tenant_id = \(tenant.uuid) AND orders.id = silent.order_id
         ORDER BY silent.last_event_at, silent.id
        """
    }

    static func decode(_ row: Row) throws -> SilentShipment {
        let (id, order, externalID, orderNumber, carrier, number, status, lastEventAt, isLeft) = try row.decode(
            (UUID, UUID, String, String?, String?, String?, String, Instant, Bool).self
        )
        guard let status = ShipmentStatus(rawValue: status) else { throw UnreadableRow(table: "shipments") }
        return SilentShipment(
            id: ID(id),
            order: ID(order),
            externalID: externalID,
            orderNumber: orderNumber,
            carrier: carrier,
            trackingNumber: number,
            status: status,
            lastEventAt: lastEventAt,
            isLeft: isLeft
        )
    }

    /// As whoever applies events to it, and before the ticket's counter.
    static func lockOrder(of shipment: SilentShipment, tenant: TenantID) -> SQL {
        "SELECT id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(shipment.order.uuid) FOR UPDATE"
    }

    /// Says that people are told of this silence. No row where it has ended meanwhile.
    static func mark(_ shipment: SilentShipment, tenant: TenantID) -> SQL {
        """
        UPDATE shipments
           SET silent_since = last_event_at
         WHERE tenant_id = \(tenant.uuid) AND id = \(shipment.id.uuid) AND last_event_at = \(shipment.lastEventAt)
           AND status = \(shipment.status.rawValue) AND silent_since IS NULL
        """
    }
}

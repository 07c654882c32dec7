import FoundationEssentials
import Postgres
import Time

/// What an order's state is told from, in the database: all of it in one round trip.
enum OrderAssessmentStore {
    /// What was read.
    struct Picture: Sendable {
        let store: Store
        let externalID: String
        let state: OrderState
        let version: Int64
        let verifiedAt: Instant?
        /// By the source's ids.
        let shipments: [String: ShipmentID]
        let refunds: [String: RefundID]
        let returns: [String: ReturnID]
        let disputes: [String: DisputeID]
        /// By what they are about.
        let tickets: [String: TicketID]
    }

    static func picture(_ id: OrderID, tenant: TenantID) -> [SQL] {
        [
            order(id, tenant), store(id, tenant), tickets(id, tenant), returns(id, tenant), disputes(id, tenant),
            formerTrackers(id, tenant),
        ] + OrderMirrorStore.parts(ofOrders: [id.uuid], tenant: tenant)
    }

    private static func order(_ id: OrderID, _ tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: OrderStore.columns), \(unsafe: OrderMirrorStore.marks),
               -- A shop that only pushes says up to when it has told all there was to tell; of what was told since, and of
               -- an order that a webhook or an answer told of, by inbound_events_by_order, it says nothing.
               coalesce(verified_at,
                        (SELECT complete_as_of
                           FROM store_watermarks
                          WHERE tenant_id = \(tenant.uuid) AND store_id = orders.store_id
                            AND complete_as_of >= orders.source_updated_at
                            AND NOT EXISTS (SELECT FROM inbound_events
                                             WHERE tenant_id = \(tenant.uuid) AND order_id = \(id.uuid))))
                        AS verified_at
          FROM orders
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    private static func store(_ id: OrderID, _ tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: TenantStore.columns)
          FROM stores
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT store_id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid))
        """
    }

    /// Those that something found out opened, by `tickets_by_order`.
    private static func tickets(_ id: OrderID, _ tenant: TenantID) -> SQL {
        """
        SELECT effect_key, id
          FROM tickets
         WHERE tenant_id = \(tenant.uuid) AND order_id = \(id.uuid) AND effect_key IS NOT NULL
        """
    }

    /// By `returns_by_order`.
    private static func returns(_ id: OrderID, _ tenant: TenantID) -> SQL {
        "SELECT external_id, id FROM returns WHERE tenant_id = \(tenant.uuid) AND order_id = \(id.uuid)"
    }

    /// By `disputes_by_order`.
    private static func disputes(_ id: OrderID, _ tenant: TenantID) -> SQL {
        "SELECT external_id, id FROM disputes WHERE tenant_id = \(tenant.uuid) AND order_id = \(id.uuid)"
    }

    /// What is told of the numbers that its parcels had before, by the trackers' primary key: nobody adds that to a
    /// parcel that has another number by now.
    private static func formerTrackers(_ id: OrderID, _ tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: TrackerStore.columns)
          FROM trackers
         WHERE tenant_id = \(tenant.uuid)
           AND (store_id, number) IN (SELECT shipments.store_id, tracking_events.tracking_key
                                        FROM shipments
                                        JOIN tracking_events
                                          ON tracking_events.tenant_id = \(tenant.uuid)
                                         AND tracking_events.shipment_id = shipments.id
                                       WHERE shipments.tenant_id = \(tenant.uuid) AND shipments.order_id = \(id.uuid)
                                         AND tracking_events.tracking_key IS DISTINCT FROM shipments.tracking_key
                                         AND tracking_events.tracking_key IS NOT NULL)
        """
    }

    /// Nil if there is no such order.
    static func decode(_ rows: [Rows]) throws -> Picture? {
        guard let row = rows[0].first, let store = try rows[1].first.map(TenantStore.decode) else { return nil }
        let order = try OrderStore.decode(row)
        var state = order.state
        try OrderMirrorStore.readMarks(row, into: &state)
        let bare = OrderMirrorStore.Held(
            id: order.id,
            tenant: store.tenant,
            store: order.store,
            state: state,
            version: order.version
        )
        let held = try OrderMirrorStore.complete(bare, Array(rows.dropFirst(6)))
        state = held.state ?? state
        for tracker in try rows[5].map(TrackerStore.decode) { state.note(former: tracker) }
        return try Picture(
            store: store,
            externalID: order.externalID,
            state: state,
            version: order.version,
            verifiedAt: row("verified_at"),
            shipments: held.shipmentIDs,
            refunds: held.refundIDs,
            returns: ids(rows[3]),
            disputes: ids(rows[4]),
            tickets: ids(rows[2])
        )
    }

    private static func ids<Kind>(_ rows: Rows) throws -> [String: ID<Kind>] {
        var ids: [String: ID<Kind>] = [:]
        for (name, id) in try rows.decode((String, UUID).self) { ids[name] = ID(id) }
        return ids
    }
}

extension OrderState {
    /// What is told of a number that a parcel had, as far as it is about that parcel. It does not count for its status.
    fileprivate mutating func note(former tracker: Tracker) {
        for (id, shipment) in shipments where shipment.number != tracker.key.number {
            guard shipment.events.values.contains(where: { $0.number == tracker.key.number }),
                Carrier.areCompatible(shipment.values.carrier, tracker.key.carrier)
            else { continue }
            let known = shipment.events.values.filter { $0.number == tracker.key.number }.map(\.happenedAt).max()
            for event in tracker.events.values where shipment.events[event.externalID] == nil {
                guard let known, event.happenedAt <= known + TrackingMatch.pause else { continue }
                shipments[id]?.events[event.externalID] = event
            }
        }
    }
}

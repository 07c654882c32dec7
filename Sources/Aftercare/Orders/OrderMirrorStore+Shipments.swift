import FoundationEssentials
import Postgres
import Time

/// Writing back the shipments of one order, or of many, and their events: a statement for each table.
extension OrderMirrorStore {
    private struct ChangedShipment {
        let order: OrderID
        let id: ShipmentID
        let externalID: String
        let shipment: Shipment
        let events: [TrackingEvent]
    }

    /// What differs from what was held.
    static func save(
        shipmentsOf changes: [(held: Held, state: OrderState)],
        tenant: TenantID,
        store: StoreID,
        now: Instant
    ) -> [SQL] {
        let shipments = changes.flatMap { change in
            change.state.shipments.sorted { $0.key < $1.key }.compactMap { id, shipment -> ChangedShipment? in
                let known = change.held.state?.shipments[id]
                guard known != shipment else { return nil }
                return ChangedShipment(
                    order: change.held.id,
                    id: change.held.shipmentIDs[id] ?? .new(),
                    externalID: id,
                    shipment: shipment,
                    events: shipment.events.values.filter { known?.events[$0.externalID] != $0 }
                )
            }
        }
        guard !shipments.isEmpty else { return [] }
        let events = shipments.flatMap { shipment in shipment.events.map { (shipment: shipment.id.uuid, event: $0) } }
        return [upsert(shipments, tenant, store, now)] + (events.isEmpty ? [] : [upsert(events, tenant, store)])
    }

    private static func upsert(
        _ shipments: [ChangedShipment],
        _ tenant: TenantID,
        _ store: StoreID,
        _ now: Instant
    ) -> SQL {
        func column<Value>(_ value: (Shipment) -> Value) -> [Value] { shipments.map { value($0.shipment) } }
        return """
            INSERT INTO shipments (tenant_id, id, store_id, order_id, external_id, carrier, tracking_number,
                                   tracking_url, status, status_raw, status_at, is_delayed, reported_status,
                                   reported_status_raw, told_statuses, shipped_at, delivered_at, tracking_key,
                                   estimated_delivery, signed_by, tracker_said_at, last_event_at, source_updated_at, source_hash,
                                   source_received_at, source_stamps, created_at, updated_at)
                 SELECT \(tenant.uuid), id, \(store.uuid), order_id, external_id, carrier, tracking_number,
                        tracking_url, status, status_raw, status_at, is_delayed, reported_status,
                        reported_status_raw, told_statuses, shipped_at, delivered_at, tracking_key,
                        estimated_delivery, signed_by, tracker_said_at, last_event_at, source_updated_at, source_hash, source_received_at,
                        source_stamps, \(now), \(now)
                   FROM unnest(\(shipments.map(\.id.uuid)), \(shipments.map(\.order.uuid)),
                               \(shipments.map(\.externalID)), \(column(\.values.carrier)),
                               \(column(\.values.trackingNumber)), \(column(\.values.trackingURL)),
                               \(column(\.status.rawValue)), \(column(\.statusRaw)), \(column(\.statusAt)),
                               \(column(\.isDelayed)),
                               \(column(\.values.reported?.rawValue)), \(column(\.values.reportedRaw)),
                               \(column { told($0.reports) }),
                               \(column(\.shippedAt)), \(column(\.deliveredAt)), \(column(\.number?.key)),
                               \(column(\.tracker?.estimatedDelivery?.description)), \(column(\.tracker?.signedBy)),
                               \(column(\.tracker?.saidAt)), \(column(\.lastEventAt)),
                               \(column(\.provenance.newest?.at)),
                               \(column { $0.provenance.newest.map { Bytea($0.hash) } }),
                               \(column(\.provenance.newest?.receivedAt)),
                               \(column { stamps($0.provenance) }))
                        AS shipment (id, order_id, external_id, carrier, tracking_number, tracking_url, status,
                                     status_raw, status_at, is_delayed, reported_status, reported_status_raw,
                                     told_statuses, shipped_at, delivered_at, tracking_key, estimated_delivery, signed_by, tracker_said_at,
                                     last_event_at, source_updated_at, source_hash, source_received_at, source_stamps)
            ON CONFLICT (tenant_id, order_id, external_id)
              DO UPDATE SET carrier = excluded.carrier, tracking_number = excluded.tracking_number,
                            tracking_url = excluded.tracking_url, status = excluded.status,
                            status_raw = excluded.status_raw, status_at = excluded.status_at,
                            is_delayed = excluded.is_delayed, reported_status = excluded.reported_status,
                            reported_status_raw = excluded.reported_status_raw,
                            told_statuses = excluded.told_statuses, shipped_at = excluded.shipped_at,
                            delivered_at = excluded.delivered_at, tracking_key = excluded.tracking_key,
                            estimated_delivery = excluded.estimated_delivery, signed_by = excluded.signed_by,
                            tracker_said_at = excluded.tracker_said_at, last_event_at = excluded.last_event_at,
                            -- A new event ends a silence.
                            silent_since = CASE WHEN shipments.last_event_at IS NOT DISTINCT FROM excluded.last_event_at
                                                THEN shipments.silent_since END,
                            source_updated_at = excluded.source_updated_at,
                            source_hash = excluded.source_hash, source_received_at = excluded.source_received_at,
                            source_stamps = excluded.source_stamps, updated_at = excluded.updated_at
            """
    }

    private static func upsert(
        _ events: [(shipment: UUID, event: TrackingEvent)],
        _ tenant: TenantID,
        _ store: StoreID
    ) -> SQL {
        """
        INSERT INTO tracking_events (tenant_id, shipment_id, external_id, store_id, status, status_raw, message,
                                     happened_at, received_at, precision, local_time, place, tracking_key)
             SELECT \(tenant.uuid), shipment_id, external_id, \(store.uuid), status, status_raw, message,
                    happened_at, received_at, precision, local_time, place, tracking_key
               FROM unnest(\(events.map(\.shipment)), \(events.map(\.event.externalID)),
                           \(events.map(\.event.kind.rawValue)), \(events.map(\.event.raw)),
                           \(events.map(\.event.message)), \(events.map(\.event.happenedAt)),
                           \(events.map(\.event.receivedAt)), \(events.map(\.event.precision.rawValue)),
                           \(events.map(\.event.localTime)), \(events.map(\.event.place)),
                           \(events.map(\.event.number?.key)))
                    AS event (shipment_id, external_id, status, status_raw, message, happened_at, received_at,
                              precision, local_time, place, tracking_key)
        ON CONFLICT (tenant_id, shipment_id, external_id)
          DO UPDATE SET status = excluded.status, status_raw = excluded.status_raw, message = excluded.message,
                        happened_at = excluded.happened_at, received_at = excluded.received_at, place = excluded.place
        """
    }
}

import FoundationEssentials
import Postgres
import Time

/// Writing back what applying a change made of an order. Set-based: a statement for each table, whatever it holds.
extension OrderMirrorStore {
    /// What differs from what was held; nothing where nothing does.
    static func save(_ state: OrderState, over held: Held, now: Instant) -> [SQL] {
        guard state != held.state else { return [] }
        var statements = [update(state, held, now)]
        if state.values.lines != held.state?.values.lines ?? [] {
            statements += [deleteLines(of: held, but: state.values.lines), insert(state.values.lines, of: held)]
        }
        statements += RefundStore.save(state, over: held, now: now)
        let changed = state.shipments.filter { held.state?.shipments[$0.key] != $0.value }
            .sorted { $0.key < $1.key }
        guard !changed.isEmpty else { return statements }
        let shipments = changed.map { Changed(id: held.shipmentIDs[$0.key] ?? .new(), externalID: $0.key, $0.value) }
        statements.append(upsert(shipments, of: held, now))
        let events = shipments.flatMap { shipment in
            let known = held.state?.shipments[shipment.externalID]?.events ?? [:]
            return shipment.shipment.events.values.filter { known[$0.externalID] != $0 }.map { (shipment.id, $0) }
        }
        if !events.isEmpty { statements.append(upsert(events, of: held)) }
        return statements
    }

    private struct Changed {
        let id: ShipmentID
        let externalID: String
        let shipment: Shipment

        init(id: ShipmentID, externalID: String, _ shipment: Shipment) {
            (self.id, self.externalID, self.shipment) = (id, externalID, shipment)
        }
    }

    private static func update(_ state: OrderState, _ held: Held, _ now: Instant) -> SQL {
        let values = state.values
        let normalized = values.email.map { MailAddress.normalized($0) }
        return """
            UPDATE orders
               SET is_complete = \(state.isComplete), number = \(values.number), email = \(values.email),
                   email_normalized = \(normalized), customer_name = \(values.customerName),
                   customer_locale = \(values.customerLocale), currency = \(values.total?.currency),
                   total = \(values.total?.amount), presentment_currency = \(values.presentmentTotal?.currency),
                   presentment_total = \(values.presentmentTotal?.amount),
                   financial_status = \(values.financial.rawValue), financial_status_raw = \(values.financialRaw),
                   fulfillment_status = \(values.fulfillment.rawValue),
                   fulfillment_status_raw = \(values.fulfillmentRaw),
                   lifecycle_status = \(values.lifecycle.rawValue), lifecycle_status_raw = \(values.lifecycleRaw),
                   cancel_reason = \(values.cancelReason), return_status = \(values.returns.rawValue),
                   return_status_raw = \(values.returnsRaw), placed_at = \(values.placedAt),
                   historical = \(state.isHistorical), source_updated_at = \(state.provenance.newest?.at),
                   source_hash = \(state.provenance.newest.map { Bytea($0.hash) }),
                   source_stamps = \(stamps(state.provenance)), version = \(held.version + 1), updated_at = \(now)
             WHERE tenant_id = \(held.tenant.uuid) AND id = \(held.id.uuid)
            """
    }

    private static func deleteLines(of held: Held, but lines: [OrderLine]) -> SQL {
        """
        DELETE FROM order_lines
         WHERE tenant_id = \(held.tenant.uuid) AND order_id = \(held.id.uuid)
           AND external_id <> ALL (\(lines.map(\.externalID)))
        """
    }

    private static func insert(_ lines: [OrderLine], of held: Held) -> SQL {
        """
        INSERT INTO order_lines (tenant_id, order_id, external_id, store_id, position, title, sku, quantity, unit_price)
             SELECT \(held.tenant.uuid), \(held.id.uuid), external_id, \(held.store.uuid), position, title, sku,
                    quantity, unit_price
               FROM unnest(\(lines.map(\.externalID)), \(Array(lines.indices)), \(lines.map(\.title)),
                           \(lines.map(\.sku)), \(lines.map(\.quantity)), \(lines.map(\.unitPrice)))
                    AS line (external_id, position, title, sku, quantity, unit_price)
        ON CONFLICT (tenant_id, order_id, external_id)
          DO UPDATE SET position = excluded.position, title = excluded.title, sku = excluded.sku,
                        quantity = excluded.quantity, unit_price = excluded.unit_price
        """
    }

    private static func upsert(_ shipments: [Changed], of held: Held, _ now: Instant) -> SQL {
        func column<Value>(_ value: (Shipment) -> Value) -> [Value] { shipments.map { value($0.shipment) } }
        return """
            INSERT INTO shipments (tenant_id, id, store_id, order_id, external_id, carrier, tracking_number,
                                   tracking_url, status, status_raw, status_at, is_delayed, reported_status,
                                   reported_status_raw, shipped_at, delivered_at, tracking_key, estimated_delivery,
                                   signed_by, tracker_said_at, last_event_at, source_updated_at, source_hash,
                                   source_stamps, created_at, updated_at)
                 SELECT \(held.tenant.uuid), id, \(held.store.uuid), \(held.id.uuid), external_id, carrier,
                        tracking_number, tracking_url, status, status_raw, status_at, is_delayed, reported_status,
                        reported_status_raw, shipped_at, delivered_at, tracking_key, estimated_delivery, signed_by,
                        tracker_said_at, last_event_at, source_updated_at, source_hash, source_stamps, \(now), \(now)
                   FROM unnest(\(shipments.map(\.id.uuid)), \(shipments.map(\.externalID)),
                               \(column(\.values.carrier)), \(column(\.values.trackingNumber)),
                               \(column(\.values.trackingURL)), \(column(\.status.rawValue)),
                               \(column(\.statusRaw)), \(column(\.statusAt)), \(column(\.isDelayed)),
                               \(column(\.values.reported?.rawValue)), \(column(\.values.reportedRaw)),
                               \(column(\.shippedAt)), \(column(\.deliveredAt)), \(column(\.number?.key)),
                               \(column(\.tracker?.estimatedDelivery?.description)), \(column(\.tracker?.signedBy)),
                               \(column(\.tracker?.saidAt)), \(column(\.lastEventAt)),
                               \(column(\.provenance.newest?.at)),
                               \(column { $0.provenance.newest.map { Bytea($0.hash) } }),
                               \(column { stamps($0.provenance) }))
                        AS shipment (id, external_id, carrier, tracking_number, tracking_url, status, status_raw,
                                     status_at, is_delayed, reported_status, reported_status_raw, shipped_at,
                                     delivered_at, tracking_key, estimated_delivery, signed_by, tracker_said_at,
                                     last_event_at, source_updated_at, source_hash, source_stamps)
            ON CONFLICT (tenant_id, order_id, external_id)
              DO UPDATE SET carrier = excluded.carrier, tracking_number = excluded.tracking_number,
                            tracking_url = excluded.tracking_url, status = excluded.status,
                            status_raw = excluded.status_raw, status_at = excluded.status_at,
                            is_delayed = excluded.is_delayed, reported_status = excluded.reported_status,
                            reported_status_raw = excluded.reported_status_raw, shipped_at = excluded.shipped_at,
                            delivered_at = excluded.delivered_at, tracking_key = excluded.tracking_key,
                            estimated_delivery = excluded.estimated_delivery, signed_by = excluded.signed_by,
                            tracker_said_at = excluded.tracker_said_at, last_event_at = excluded.last_event_at,
                            -- A new event ends a silence.
                            silent_since = CASE WHEN shipments.last_event_at IS NOT DISTINCT FROM excluded.last_event_at
                                                THEN shipments.silent_since END,
                            source_updated_at = excluded.source_updated_at,
                            source_hash = excluded.source_hash, source_stamps = excluded.source_stamps,
                            updated_at = excluded.updated_at
            """
    }

    private static func upsert(_ events: [(shipment: ShipmentID, event: TrackingEvent)], of held: Held) -> SQL {
        """
        INSERT INTO tracking_events (tenant_id, shipment_id, external_id, store_id, status, status_raw, message,
                                     happened_at, received_at, precision, local_time, place, tracking_key)
             SELECT \(held.tenant.uuid), shipment_id, external_id, \(held.store.uuid), status, status_raw, message,
                    happened_at, received_at, precision, local_time, place, tracking_key
               FROM unnest(\(events.map(\.shipment.uuid)), \(events.map(\.event.externalID)),
                           \(events.map(\.event.kind.rawValue)), \(events.map(\.event.raw)),
                           \(events.map(\.event.message)), \(events.map(\.event.happenedAt)),
                           \(events.map(\.event.receivedAt)), \(events.map(\.event.precision.rawValue)),
                           \(events.map(\.event.localTime)), \(events.map(\.event.place)),
                           \(events.map(\.event.number?.key)))
                    AS event (shipment_id, external_id, status, status_raw, message, happened_at, received_at,
                              precision, local_time, place, tracking_key)
        ON CONFLICT (tenant_id, shipment_id, external_id)
          DO UPDATE SET status = excluded.status, status_raw = excluded.status_raw, message = excluded.message,
                        happened_at = excluded.happened_at, received_at = excluded.received_at
        """
    }

    // MARK: Facts

    /// Raises facts, each once, and enqueues a job for each that is new; none for what was told as history. A
    /// transaction's last statement.
    static func raise(_ facts: [Fact], of held: Held, isHistorical: Bool, event: InboundEventID?, now: Instant) -> SQL?
    {
        guard !facts.isEmpty else { return nil }
        let ids = facts.map { _ in FactID.new().uuid }
        return """
            WITH raised AS (
                INSERT INTO facts (tenant_id, id, store_id, order_id, kind, episode, happened_at, recorded_at, event_id)
                     SELECT \(held.tenant.uuid), id, \(held.store.uuid), \(held.id.uuid), kind, episode, happened_at,
                            \(now), \(event?.uuid)
                       FROM unnest(\(ids), \(facts.map(\.key.kind.rawValue)), \(facts.map(\.key.episode)),
                                   \(facts.map(\.happenedAt))) AS fact (id, kind, episode, happened_at)
                ON CONFLICT (tenant_id, order_id, kind, episode) DO NOTHING
                  RETURNING id
            )
            INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
                 SELECT \(held.tenant.uuid), job.id, \(held.store.uuid), 'run_workflows', raised.id, \(now), \(now)
                   FROM raised
                   JOIN unnest(\(ids), \(facts.map { _ in JobID.new().uuid })) AS job (fact_id, id)
                     ON job.fact_id = raised.id
                  WHERE NOT \(isHistorical)
            """
    }
}

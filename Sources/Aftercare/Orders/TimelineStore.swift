import FoundationEssentials
import Postgres
import Time

/// What happened about an order, from every table that knows of it.
enum TimelineStore {
    /// A page of it, the newest first. One more source is one more branch here, and its words in `TimelineEntry`.
    ///
    /// Each branch reads one order's rows by an index and gives a page at most. Only what can be many has an index in
    /// the order of time as well (`inbound_events_by_order`); an order has a handful of the rest.
    static func entries(_ page: Page, of order: OrderID, tenant: TenantID) -> SQL {
        """
        -- facts_are_raised_once
        (SELECT 'fact' AS source, id, id AS place, happened_at AS at, recorded_at, kind, NULL AS state,
                NULL AS reason, nullif(episode, 'order') AS about
           FROM facts
          WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
            AND (happened_at, id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- inbound_events_by_order
        (SELECT 'inbound_event', id, id AS place, received_at AS at, received_at, topic, state, reason, NULL
           FROM inbound_events
          WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
            AND (received_at, id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- shipments_external_id_is_unique, tracking_events_pkey. A report has the carrier's id, which is no UUID.
        (SELECT 'tracking_event', shipment.id, md5(shipment.id::text || event.external_id)::uuid AS place,
                event.happened_at AS at, event.received_at, event.status, NULL, event.message,
                coalesce(shipment.tracking_number, shipment.external_id)
           FROM shipments AS shipment
           JOIN tracking_events AS event
             ON event.tenant_id = \(tenant.uuid) AND event.shipment_id = shipment.id
          WHERE shipment.tenant_id = \(tenant.uuid) AND shipment.order_id = \(order.uuid)
            AND (event.happened_at, md5(shipment.id::text || event.external_id)::uuid)
                < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- runs_by_order, workflows_pkey
        (SELECT 'run', run.id, run.id AS place, run.decided_at AS at, run.created_at, run.trigger, run.outcome,
                run.reason, workflow.name
           FROM runs AS run
           JOIN workflows AS workflow
             ON workflow.tenant_id = \(tenant.uuid) AND workflow.id = run.workflow_id
          WHERE run.tenant_id = \(tenant.uuid) AND run.order_id = \(order.uuid)
            AND (run.decided_at, run.id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- messages_by_order, runs_pkey. By the store's time, as the run that asked for it.
        (SELECT 'message', message.id, message.id AS place, coalesce(run.decided_at, message.created_at) AS at,
                message.created_at, message.class, message.state, message.reason, NULL
           FROM messages AS message
           LEFT JOIN runs AS run
             ON run.tenant_id = \(tenant.uuid) AND run.id = message.run_id
          WHERE message.tenant_id = \(tenant.uuid) AND message.order_id = \(order.uuid)
            AND (coalesce(run.decided_at, message.created_at), message.id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- tickets_by_order
        (SELECT 'ticket', id, id AS place, created_at AS at, created_at, kind, state, subject, '#' || number
           FROM tickets
          WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
            AND (created_at, id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        UNION ALL
        -- commands_by_order
        (SELECT 'command', id, id AS place, created_at AS at, created_at, kind, state, reason, NULL
           FROM commands
          WHERE tenant_id = \(tenant.uuid) AND order_id = \(order.uuid)
            AND (created_at, id) < (\(page.createdAt), \(page.id))
          ORDER BY at DESC, place DESC
          LIMIT \(page.rowLimit))
        ORDER BY at DESC, place DESC
        LIMIT \(page.rowLimit)
        """
    }

    /// A row if there is such an order.
    static func order(_ id: OrderID, tenant: TenantID) -> SQL {
        "SELECT id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    static func decode(_ row: Row) throws -> TimelineEntry {
        let (source, id, place, at, recordedAt, kind, state, reason, about) = try row.decode(
            (String, UUID, UUID, Instant, Instant, String, String?, String?, String?).self
        )
        guard let source = TimelineEntry.Source(rawValue: source) else { throw UnreadableRow(table: "timeline") }
        return TimelineEntry(
            source: source,
            id: id,
            place: place,
            at: at,
            recordedAt: recordedAt,
            kind: kind,
            state: state,
            reason: reason,
            about: about
        )
    }
}

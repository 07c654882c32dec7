import FoundationEssentials
import Postgres
import Time

/// What was pulled of orders last, in the database, and pulled bodies on their way into the mirror.
enum PulledOrderStore {
    /// What is known of these orders, a row for each. By `orders_external_id_is_unique`, two primary keys, and
    /// `inbound_events_by_order` for what was told since.
    static func known(_ ids: [String], tenant: TenantID, store: StoreID, connection: ConnectionID) -> SQL {
        """
        SELECT asked.external_id, pulled.fingerprint, event.id, event.state,
               coalesce(event.reason = ANY (\(passing)), false) AS was_passed_over,
               EXISTS (SELECT FROM inbound_events AS later
                        WHERE later.tenant_id = \(tenant.uuid) AND later.order_id = orders.id
                          AND later.connection_id = \(connection.uuid)
                          AND (later.received_at, later.id) > (event.received_at, event.id)) AS is_overtaken,
               orders.id, orders.lifecycle_status IS NOT DISTINCT FROM 'deleted' AS is_deleted
          FROM unnest(\(ids)) AS asked (external_id)
          -- LIMIT, or a plan made for few rows compares each with each.
          LEFT JOIN LATERAL (SELECT id, lifecycle_status
                               FROM orders
                              WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                                AND external_id = asked.external_id AND version > 0
                              LIMIT 1) AS orders
            ON true
          LEFT JOIN LATERAL (SELECT fingerprint, event_id
                               FROM pulled_orders
                              WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
                                AND external_id = asked.external_id
                              LIMIT 1) AS pulled
            ON true
          LEFT JOIN LATERAL (SELECT id, state, reason, received_at
                               FROM inbound_events
                              WHERE tenant_id = \(tenant.uuid) AND id = pulled.event_id
                              LIMIT 1) AS event
            ON true
        """
    }

    private static let passing = [IgnoredReason.connectionDisabled, .unknownTopic].map(\.rawValue)

    static func decode(_ row: Row) throws -> (String, PulledOrders.Known) {
        let (id, fingerprint, event, state, wasPassedOver, isOvertaken, order, isDeleted) = try row.decode(
            (String, Bytea?, UUID?, String?, Bool, Bool, UUID?, Bool).self
        )
        let known = try state.map { (word) throws(UnreadableRow) in
            guard let state = InboundEvent.State(rawValue: word) else { throw UnreadableRow(table: "inbound_events") }
            return state
        }
        return (
            id,
            PulledOrders.Known(
                fingerprint: fingerprint?.bytes,
                event: event.map { InboundEventID($0) },
                state: known,
                wasPassedOver: wasPassedOver,
                isOvertaken: isOvertaken,
                order: order.map { OrderID($0) },
                isDeleted: isDeleted
            )
        )
    }

    // MARK: What is news

    struct News: Sendable {
        let event: InboundEventID
        let topic: PullTopic
        let answer: PulledOrders.Answer
    }

    static func insertEvents(
        _ news: [News],
        tenant: TenantID,
        store: StoreID,
        connection: ConnectionID,
        askedAt: Instant
    ) -> SQL {
        """
        INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, via, topic, body, received_at)
             SELECT \(tenant.uuid), id, \(store.uuid), \(connection.uuid), 'pull', topic, body, \(askedAt)
               FROM unnest(\(news.map(\.event.uuid)), \(news.map(\.topic.rawValue)), \(news.map { Bytea($0.answer.body) }))
                    AS pulled (id, topic, body)
        """
    }

    /// An answer that was asked for later holds, whoever stores it first.
    static func remember(
        _ news: [News],
        tenant: TenantID,
        store: StoreID,
        connection: ConnectionID,
        askedAt: Instant
    ) -> SQL {
        """
        INSERT INTO pulled_orders (tenant_id, connection_id, external_id, store_id, fingerprint, event_id, asked_at)
             SELECT \(tenant.uuid), \(connection.uuid), external_id, \(store.uuid), fingerprint, event_id, \(askedAt)
               FROM unnest(\(news.map(\.answer.externalID)), \(news.map { Bytea($0.answer.fingerprint) }),
                           \(news.map(\.event.uuid))) AS pulled (external_id, fingerprint, event_id)
        ON CONFLICT (tenant_id, connection_id, external_id)
          DO UPDATE SET fingerprint = excluded.fingerprint, event_id = excluded.event_id,
                        asked_at = excluded.asked_at
                  WHERE pulled_orders.asked_at <= excluded.asked_at
        """
    }

    static func enqueue(_ news: [News], tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(tenant.uuid), job.id, \(store.uuid), \(ApplyInboundEvent.kind), event_id, \(now), \(now)
               FROM unnest(\(news.map { _ in JobID.new().uuid }), \(news.map(\.event.uuid))) AS job (id, event_id)
        """
    }

    // MARK: What a sweep has not seen

    /// The next orders that the connection has told of, and that were not compared since the sweep began: what the shop
    /// did not list. In the order of `orders_external_id_is_unique`; what the connection told of by
    /// `inbound_events_by_order`, for a store may have orders from elsewhere.
    static func unseen(
        since start: Instant,
        after externalID: String?,
        tenant: TenantID,
        store: StoreID,
        connection: ConnectionID,
        limit: Int
    ) -> SQL {
        """
        SELECT external_id
          FROM orders
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND external_id > \(externalID ?? "")
           AND lifecycle_status <> 'deleted' AND version > 0
           AND (verified_at IS NULL OR verified_at < \(start))
           AND EXISTS (SELECT FROM inbound_events AS event
                        WHERE event.tenant_id = \(tenant.uuid) AND event.order_id = orders.id
                          AND event.connection_id = \(connection.uuid))
           AND NOT EXISTS (SELECT FROM pulled_orders AS pulled
                            WHERE pulled.tenant_id = \(tenant.uuid) AND pulled.connection_id = \(connection.uuid)
                              AND pulled.external_id = orders.external_id AND pulled.asked_at >= \(start))
         ORDER BY external_id
         LIMIT \(limit)
        """
    }
}

import FoundationEssentials
import Jobs
import Postgres
import Time

/// Webhooks in the database.
enum InboundEventStore {
    /// Stores a delivery in one round trip; the second answer is the id of the event that has it, which is an earlier
    /// one's for a repeated delivery. Such a one changes nothing.
    ///
    /// Waits while another transaction stores the same delivery; the later statements then see what that one wrote.
    static func receive(_ event: InboundEvent, body: [UInt8], fingerprint: [UInt8], job: JobID) -> [SQL] {
        [
            """
            WITH delivery AS (
                INSERT INTO inbound_deliveries (tenant_id, connection_id, fingerprint, event_id, received_at)
                     VALUES (\(event.tenant.uuid), \(event.connection.uuid), \(Bytea(fingerprint)), \(event.id.uuid),
                             \(event.receivedAt))
                ON CONFLICT (tenant_id, connection_id, fingerprint) DO NOTHING
                  RETURNING event_id
            )
            INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, topic, delivery_id, api_version,
                                        triggered_at, content_type, body, received_at)
                 SELECT \(event.tenant.uuid), event_id, \(event.store.uuid), \(event.connection.uuid),
                        \(event.headers.topic), \(event.headers.deliveryID), \(event.headers.apiVersion),
                        \(event.headers.triggeredAt), \(event.contentType), \(Bytea(body)),
                        \(event.receivedAt)
                   FROM delivery
            """,
            """
            SELECT event_id
              FROM inbound_deliveries
             WHERE tenant_id = \(event.tenant.uuid) AND connection_id = \(event.connection.uuid)
               AND fingerprint = \(Bytea(fingerprint))
            """,
            """
            INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
                 SELECT \(event.tenant.uuid), \(job.uuid), \(event.store.uuid), \(ApplyInboundEvent.kind),
                        event_id, \(event.receivedAt), \(event.receivedAt)
                   FROM inbound_deliveries
                  WHERE tenant_id = \(event.tenant.uuid) AND connection_id = \(event.connection.uuid)
                    AND fingerprint = \(Bytea(fingerprint)) AND event_id = \(event.id.uuid)
            """,
        ]
    }

    // MARK: Reading

    static let columns = """
        id, tenant_id, store_id, connection_id, via, topic, delivery_id, api_version, triggered_at, state, reason,
        order_id, received_at, settled_at, content_type, body_expired_at, redacted_at
        """

    static func event(_ id: InboundEventID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns), body FROM inbound_events WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// What the body is, or was: nil of one that was erased.
    static func facts(of id: InboundEventID, tenant: TenantID) -> SQL {
        """
        SELECT CASE WHEN redacted_at IS NOT NULL THEN NULL
                    WHEN body_expired_at IS NOT NULL THEN body_hash ELSE sha256(body) END AS body_hash,
               CASE WHEN redacted_at IS NOT NULL THEN NULL
                    WHEN body_expired_at IS NOT NULL THEN body_length ELSE octet_length(body) END AS body_length
          FROM inbound_events
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func lock(_ id: InboundEventID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM inbound_events
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR UPDATE
        """
    }

    /// With what it takes to apply it.
    static func work(_ id: InboundEventID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns), body,
               (SELECT provider FROM connections
                 WHERE tenant_id = \(tenant.uuid) AND id = inbound_events.connection_id) AS provider,
               (SELECT state = 'disabled' FROM connections
                 WHERE tenant_id = \(tenant.uuid) AND id = inbound_events.connection_id) AS is_disabled,
               (SELECT created_at FROM connections
                 WHERE tenant_id = \(tenant.uuid) AND id = inbound_events.connection_id) AS connected_at
          FROM inbound_events
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func decode(_ row: Row) throws -> InboundEvent {
        let (order, state, via): (UUID?, String, String) = try (row("order_id"), row("state"), row("via"))
        guard let state = InboundEvent.State(rawValue: state), let via = InboundEvent.Via(rawValue: via) else {
            throw UnreadableRow(table: "inbound_events")
        }
        return try InboundEvent(
            id: ID(row("id")),
            tenant: ID(row("tenant_id")),
            store: ID(row("store_id")),
            connection: ID(row("connection_id")),
            via: via,
            headers: InboundEvent.Headers(
                topic: row("topic"),
                deliveryID: row("delivery_id"),
                apiVersion: row("api_version"),
                triggeredAt: row("triggered_at")
            ),
            state: state,
            reason: row("reason"),
            order: order.map { ID($0) },
            receivedAt: row("received_at"),
            settledAt: row("settled_at"),
            contentType: row("content_type"),
            removal: removal(row)
        )
    }

    private static func removal(_ row: Row) throws -> InboundEvent.BodyRemoval? {
        let (redacted, expired): (Instant?, Instant?) = try (row("redacted_at"), row("body_expired_at"))
        if let redacted { return .init(reason: .redacted, at: redacted) }
        return expired.map { .init(reason: .expired, at: $0) }
    }

    static func body(_ row: Row) throws -> [UInt8] { try row("body", as: Bytea.self).bytes }

    static func provider(_ row: Row) throws -> Connection.Provider {
        guard let provider = Connection.Provider(rawValue: try row("provider")) else {
            throw UnreadableRow(table: "connections")
        }
        return provider
    }

    // MARK: Settling

    static func settle(_ event: InboundEvent) -> SQL {
        """
        UPDATE inbound_events
           SET state = \(event.state.rawValue), reason = \(event.reason), order_id = \(event.order?.uuid),
               customer_id = coalesce(customer_id, \(event.customer?.uuid)), settled_at = \(event.settledAt)
         WHERE tenant_id = \(event.tenant.uuid) AND id = \(event.id.uuid)
        """
    }
}

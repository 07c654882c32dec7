import FoundationEssentials
import Postgres
import Time

/// What is kept of how connections do, in the database.
enum ConnectionHealthStore {
    /// What the last check came to.
    struct Check: Sendable {
        let state: ConnectionHealth.State
        let since: Instant
        let checkedAt: Instant
        let countedUntil: Instant
    }

    // MARK: Reading

    /// Four statements, whose cost does not depend on how much ever came: the last webhook and the latest ones by
    /// `inbound_events_by_connection`, the hours, of which there are 24 a day, and the pulls by primary key. What a shop
    /// answers when it is asked says nothing of its webhooks.
    static func evidence(of connection: ConnectionID, tenant: TenantID, now: Instant) -> [SQL] {
        [
            """
            SELECT received_at
              FROM inbound_events
             WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid) AND via = 'webhook'
             ORDER BY received_at DESC, id DESC
             LIMIT 1
            """,
            """
            SELECT state = 'quarantined', received_at
              FROM inbound_events
             WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
               AND via = 'webhook' AND received_at > \(now - ConnectionHealth.day)
             ORDER BY received_at DESC, id DESC
             LIMIT \(ConnectionHealth.Evidence.latestCount)
            """,
            """
            WITH latest AS MATERIALIZED (
                SELECT received_at
                  FROM inbound_events
                 WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid) AND via = 'webhook'
                 ORDER BY received_at DESC, id DESC
                 LIMIT 1
            )
            SELECT hour, received, refused
              FROM connection_hours
             WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
               AND hour >= coalesce((SELECT received_at FROM latest), \(now)) - interval '672 hours'
             ORDER BY hour
            """,
            PullStore.pulls(of: connection, tenant: tenant),
        ]
    }

    static func decodeEvidence(_ rows: some Collection<Rows>) throws -> ConnectionHealth.Evidence {
        let rows = Array(rows)
        return ConnectionHealth.Evidence(
            hours: try rows[2].map { row in
                let (start, received, refused) = try row.decode((Instant, Int, Int).self)
                return ConnectionHealth.Hour(start: start, received: received, refused: refused)
            },
            lastEventAt: try rows[0].first?.decode(Instant.self),
            latest: try rows[1].map { row in
                let (isQuarantined, receivedAt) = try row.decode((Bool, Instant).self)
                return ConnectionHealth.Evidence.Latest(isQuarantined: isQuarantined, receivedAt: receivedAt)
            },
            pulls: try rows[3].map(PullStore.decode)
        )
    }

    static func check(of connection: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT state, since, checked_at, counted_until
          FROM connection_checks
         WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
        """
    }

    static func decodeCheck(_ row: Row) throws -> Check {
        let (state, since, checkedAt, countedUntil) = try row.decode((String, Instant, Instant, Instant).self)
        guard let state = ConnectionHealth.State(rawValue: state) else {
            throw UnreadableRow(table: "connection_checks")
        }
        return Check(state: state, since: since, checkedAt: checkedAt, countedUntil: countedUntil)
    }

    // MARK: Writing

    /// Counts what came in whole hours, by `inbound_events_by_connection`: each event once, after its hour.
    static func count(
        _ connection: ConnectionID,
        of store: StoreID,
        tenant: TenantID,
        from start: Instant,
        until end: Instant
    ) -> SQL {
        """
        INSERT INTO connection_hours (tenant_id, connection_id, hour, store_id, received)
             SELECT \(tenant.uuid), \(connection.uuid),
                    date_bin('1 hour', received_at, timestamptz '2000-01-01 00:00:00+00') AS hour, \(store.uuid),
                    count(*)
               FROM inbound_events
              WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
                AND via = 'webhook' AND received_at >= \(start) AND received_at < \(end)
              GROUP BY hour
        ON CONFLICT (tenant_id, connection_id, hour) DO UPDATE SET received = excluded.received
        """
    }

    static func save(_ check: Check, of connection: ConnectionID, store: StoreID, tenant: TenantID) -> SQL {
        """
        INSERT INTO connection_checks (tenant_id, connection_id, store_id, state, since, checked_at, counted_until)
             VALUES (\(tenant.uuid), \(connection.uuid), \(store.uuid), \(check.state.rawValue), \(check.since),
                     \(check.checkedAt), \(check.countedUntil))
        ON CONFLICT (tenant_id, connection_id) DO UPDATE
                SET state = excluded.state, since = excluded.since, checked_at = excluded.checked_at,
                    counted_until = excluded.counted_until
        """
    }

    /// One row for each connection and hour, however many there were.
    static func addRefused(_ count: Int, of connection: RefusedSignatures.Connection, now: Instant) -> SQL {
        """
        INSERT INTO connection_hours (tenant_id, connection_id, hour, store_id, refused)
             VALUES (\(connection.tenant.uuid), \(connection.id.uuid), \(now.startOfHour), \(connection.store.uuid),
                     \(Int64(count)))
        ON CONFLICT (tenant_id, connection_id, hour) DO UPDATE
                SET refused = connection_hours.refused + excluded.refused
        """
    }
}

extension Instant {
    /// Of the hour it lies in, in UTC.
    var startOfHour: Instant {
        let hour: Int64 = 3_600_000_000
        return Instant(microseconds: microseconds - ((microseconds % hour) + hour) % hour)
    }
}

import FoundationEssentials
import Postgres
import Time

/// How far pulls are, in the database. A connection has one row for each kind.
enum PullStore {
    private static let columns = """
        kind, started_at, phase, cursor, since, newest_seen, pages, orders, changed, missing, last_succeeded_at,
        last_failed_at, failure, failure_detail, failures, next_at
        """

    /// Both kinds, in the order of their names.
    static func pulls(of connection: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM connection_pulls
         WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid)
         ORDER BY kind
        """
    }

    static func pull(_ kind: Pull.Kind, of connection: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM connection_pulls
         WHERE tenant_id = \(tenant.uuid) AND connection_id = \(connection.uuid) AND kind = \(kind.rawValue)
        """
    }

    /// New credentials: what was wrong with the former ones does not count. How far a run is stays with whoever holds
    /// its job.
    static func forgive(_ connection: ConnectionID, store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO connection_pulls (tenant_id, connection_id, kind, store_id, next_at, updated_at)
             SELECT \(tenant.uuid), \(connection.uuid), kind, \(store.uuid), \(now), \(now)
               FROM unnest(\(Pull.Kind.allCases.map(\.rawValue))) AS kind
        ON CONFLICT (tenant_id, connection_id, kind)
          DO UPDATE SET failure = NULL, failure_detail = NULL, failures = 0, next_at = excluded.next_at,
                        updated_at = excluded.updated_at
        """
    }

    /// Written by whoever holds the job of this kind.
    static func save(_ pull: Pull, of connection: ConnectionID, store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO connection_pulls (tenant_id, connection_id, kind, store_id, started_at, phase, cursor, since,
                                      newest_seen, pages, orders, changed, missing, last_succeeded_at, last_failed_at,
                                      failure, failure_detail, failures, next_at, updated_at)
             VALUES (\(tenant.uuid), \(connection.uuid), \(pull.kind.rawValue), \(store.uuid), \(pull.startedAt),
                     \(pull.phase.rawValue), \(pull.cursor), \(pull.since), \(pull.newestSeen), \(pull.counts.pages),
                     \(pull.counts.orders), \(pull.counts.changed), \(pull.counts.missing), \(pull.lastSucceededAt),
                     \(pull.lastFailedAt), \(pull.failure?.rawValue), \(pull.failureDetail), \(pull.failures),
                     \(pull.nextAt), \(now))
        ON CONFLICT (tenant_id, connection_id, kind)
          DO UPDATE SET started_at = excluded.started_at, phase = excluded.phase, cursor = excluded.cursor,
                        since = excluded.since, newest_seen = excluded.newest_seen, pages = excluded.pages,
                        orders = excluded.orders, changed = excluded.changed, missing = excluded.missing,
                        last_succeeded_at = excluded.last_succeeded_at, last_failed_at = excluded.last_failed_at,
                        failure = excluded.failure, failure_detail = excluded.failure_detail,
                        failures = excluded.failures, next_at = excluded.next_at, updated_at = excluded.updated_at
        """
    }

    static func decode(_ row: Row) throws -> Pull {
        let (kind, phase, failure): (String, String, String?) = try (row("kind"), row("phase"), row("failure"))
        guard let kind = Pull.Kind(rawValue: kind), let phase = Pull.Phase(rawValue: phase) else {
            throw UnreadableRow(table: "connection_pulls")
        }
        let known = try failure.map { (word) throws(UnreadableRow) in
            guard let failure = Pull.Failure(rawValue: word) else { throw UnreadableRow(table: "connection_pulls") }
            return failure
        }
        let counts = try Pull.Counts(
            pages: row("pages"),
            orders: row("orders"),
            changed: row("changed"),
            missing: row("missing")
        )
        return try Pull(
            kind,
            startedAt: row("started_at"),
            phase: phase,
            cursor: row("cursor"),
            since: row("since"),
            newestSeen: row("newest_seen"),
            counts: counts,
            lastSucceededAt: row("last_succeeded_at"),
            lastFailedAt: row("last_failed_at"),
            failure: known,
            failureDetail: row("failure_detail"),
            failures: row("failures"),
            nextAt: row("next_at")
        )
    }

    // MARK: Credentials

    static func setCredentials(_ connection: Connection, sealed: [UInt8]?) -> SQL {
        """
        UPDATE connections
           SET credentials = \(sealed.map { Bytea($0) }), credentials_set_at = \(connection.credentialsSetAt),
               version = \(connection.version), updated_at = \(connection.updatedAt)
         WHERE tenant_id = \(connection.tenant.uuid) AND id = \(connection.id.uuid)
        """
    }

    /// The connection that an order can be asked about through: the one that has told of it last, by
    /// `inbound_events_by_order`. None for an order from elsewhere: a shop that never had it must not be asked, or its
    /// answer would delete it.
    static func connection(for order: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT connections.id, connections.store_id, connections.provider
          FROM inbound_events AS event
          JOIN connections
            ON connections.tenant_id = \(tenant.uuid) AND connections.id = event.connection_id
         WHERE event.tenant_id = \(tenant.uuid) AND event.order_id = \(order.uuid)
           AND connections.credentials IS NOT NULL AND connections.state = 'active'
         ORDER BY event.received_at DESC, event.id DESC
         LIMIT 1
        """
    }

    // MARK: Under a new key

    static func sealed(of store: UUID, tenant: UUID) -> SQL {
        """
        SELECT id, secret, previous_secret, credentials
          FROM connections
         WHERE tenant_id = \(tenant) AND store_id = \(store)
         ORDER BY id
           FOR UPDATE
        """
    }

    /// No new version: it is the same to whoever reads it.
    static func reseal(
        _ connection: UUID,
        tenant: UUID,
        secret: [UInt8],
        previous: [UInt8]?,
        credentials: [UInt8]?
    ) -> SQL {
        """
        UPDATE connections
           SET secret = \(Bytea(secret)), previous_secret = \(previous.map { Bytea($0) }),
               credentials = \(credentials.map { Bytea($0) })
         WHERE tenant_id = \(tenant) AND id = \(connection)
        """
    }
}

import FoundationEssentials
import JSON
import Jobs
import Postgres
import Time

/// Trackers in the database.
enum TrackerStore {
    // MARK: What a provider tells

    /// Adds an update to what is kept of its number, and gives all of it. The row is the lock.
    static func merge(
        _ update: TrackingUpdate,
        tenant: TenantID,
        store: StoreID,
        receivedAt: Instant,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Tracker {
        try await noting(update, tenant, store, receivedAt: receivedAt, now: now, in: transaction).tracker
    }

    /// The same; whether it says anything new.
    static func note(
        _ update: TrackingUpdate,
        tenant: TenantID,
        store: StoreID,
        receivedAt: Instant,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Bool {
        try await noting(update, tenant, store, receivedAt: receivedAt, now: now, in: transaction).isNews
    }

    private static func noting(
        _ update: TrackingUpdate,
        _ tenant: TenantID,
        _ store: StoreID,
        receivedAt: Instant,
        now: Instant,
        in transaction: Transaction
    ) async throws -> (tracker: Tracker, isNews: Bool) {
        var tracker = Tracker(update, receivedAt: receivedAt)
        transaction.add(insert(tracker, tenant: tenant, store: store, now: now))
        let rows = try await transaction.query(lock(tracker.key, tenant: tenant, store: store))
        guard let known = try rows[0].first.map(decode) else { throw UnreadableRow(table: "trackers") }
        guard known != tracker else { return (tracker, true) }
        tracker = known
        tracker.merge(update, receivedAt: receivedAt)
        if tracker != known { transaction.add(self.update(tracker, tenant: tenant, store: store, now: now)) }
        return (tracker, tracker != known)
    }

    private static func insert(_ tracker: Tracker, tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO trackers (tenant_id, store_id, number, provider, carrier, external_id, status_raw, said_at,
                              estimated_delivery, signed_by, events, created_at, updated_at)
             VALUES (\(tenant.uuid), \(store.uuid), \(tracker.key.number.key), \(tracker.key.source),
                     \(tracker.key.carrier), \(tracker.externalID), \(tracker.statusRaw), \(tracker.word.saidAt),
                     \(tracker.word.estimatedDelivery?.description), \(tracker.word.signedBy),
                     \(JSONB(tracker.eventsJSON.serializedBytes)), \(now), \(now))
        ON CONFLICT (tenant_id, store_id, number, provider, carrier) DO NOTHING
        """
    }

    static let columns = """
        number, provider, carrier, external_id, status_raw, said_at, estimated_delivery, signed_by, events
        """

    private static func lock(_ key: Tracker.Key, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM trackers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND number = \(key.number.key)
           AND provider = \(key.source) AND carrier = \(key.carrier)
           FOR UPDATE
        """
    }

    private static func update(_ tracker: Tracker, tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        UPDATE trackers
           SET external_id = \(tracker.externalID), status_raw = \(tracker.statusRaw),
               said_at = \(tracker.word.saidAt),
               estimated_delivery = \(tracker.word.estimatedDelivery?.description),
               signed_by = \(tracker.word.signedBy), events = \(JSONB(tracker.eventsJSON.serializedBytes)),
               updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND number = \(tracker.key.number.key)
           AND provider = \(tracker.key.source) AND carrier = \(tracker.key.carrier)
        """
    }

    // MARK: What a shipment is told by

    /// All that is known of some numbers, by the primary key.
    static func trackers(_ numbers: [TrackingNumber], tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM trackers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND number = ANY (\(numbers.map(\.key)))
         ORDER BY number, provider, carrier
        """
    }

    /// More orders than this share no parcel: what stands there is no number.
    static let sharedBy = 50

    /// All that was told of a number.
    static func forget(_ number: TrackingNumber, tenant: TenantID, store: StoreID) -> SQL {
        """
        DELETE FROM trackers
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND number = \(number.key)
        """
    }

    /// The shop's ids of the latest orders with a shipment of that number, by `shipments_by_tracking_number`. Materialized,
    /// or the planner may walk all orders in the order of time.
    static func orders(_ number: TrackingNumber, tenant: TenantID, store: StoreID) -> SQL {
        """
        WITH parcels AS MATERIALIZED (
            SELECT DISTINCT order_id
              FROM shipments
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND tracking_key = \(number.key)
        )
        SELECT orders.external_id
          FROM parcels
          JOIN orders
            ON orders.tenant_id = \(tenant.uuid) AND orders.id = parcels.order_id
         ORDER BY orders.created_at DESC
         LIMIT \(sharedBy)
        """
    }

    /// The shop's id of an order, for the job that is about it.
    static func order(_ id: UUID, tenant: UUID) -> SQL {
        "SELECT store_id, external_id FROM orders WHERE tenant_id = \(tenant) AND id = \(id)"
    }

    /// Enqueues `MatchTracking` for each of the orders, if the store has anybody who could have told of a number before.
    /// A transaction's last statement.
    static func enqueueMatch(_ orders: [OrderID], tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(tenant.uuid), id, \(store.uuid), \(MatchTracking.kind), order_id, \(now), \(now)
               FROM unnest(\(orders.map { _ in JobID.new().uuid }), \(orders.map(\.uuid))) AS job (id, order_id)
              WHERE EXISTS (SELECT FROM connections
                             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
                               AND provider = ANY (\(Connection.Provider.trackers.map(\.rawValue))))
                 OR EXISTS (SELECT FROM trackers
                             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND provider = 'api')
        """
    }

    /// The same for the latest orders with a shipment of one of these numbers, by `shipments_by_tracking_number`: what was
    /// told of them is committed.
    static func enqueueMatch(_ numbers: [TrackingNumber], tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        WITH parcels AS MATERIALIZED (
            SELECT DISTINCT order_id
              FROM shipments
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND tracking_key = ANY (\(numbers.map(\.key)))
        ), latest AS MATERIALIZED (
            SELECT orders.id, row_number() OVER (ORDER BY orders.created_at DESC) AS place
              FROM parcels
              JOIN orders
                ON orders.tenant_id = \(tenant.uuid) AND orders.id = parcels.order_id
        )
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(tenant.uuid), job.id, \(store.uuid), \(MatchTracking.kind), latest.id, \(now), \(now)
               FROM latest
               JOIN unnest(\((0..<sharedBy * numbers.count).map { _ in JobID.new().uuid })) WITH ORDINALITY
                    AS job (id, place)
                 ON job.place = latest.place
        """
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> Tracker {
        let (number, provider, carrier, externalID, statusRaw, saidAt, estimate, signedBy, events) = try row.decode(
            (String, String, String, String?, String?, Instant, String?, String?, JSONB).self
        )
        let known = Connection.Provider(rawValue: provider)
        guard let number = TrackingNumber(number), known != nil || provider == Tracker.api else {
            throw UnreadableRow(table: "trackers")
        }
        return Tracker(
            key: Tracker.Key(provider: known, number: number, carrier: carrier),
            externalID: externalID,
            statusRaw: statusRaw,
            word: TrackerWord(
                saidAt: saidAt,
                estimatedDelivery: estimate.flatMap { LocalDate($0) },
                signedBy: signedBy
            ),
            events: Tracker.events(try JSON(parsing: events.text), of: number)
        )
    }
}

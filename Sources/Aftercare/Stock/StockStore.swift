import FoundationEssentials
import Postgres
import Time

/// Stock in the database.
enum StockStore {
    private static let columns = """
        sku, location, available, source_updated_at, source_hash, version, created_at, updated_at, id
        """

    /// Kept from changing until the transaction ends.
    static func lock(_ key: PutStock.Key, tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT version
          FROM stock_levels
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND sku = \(key.sku)
           AND location = \(key.location)
           FOR UPDATE
        """
    }

    /// Writes those that are newer than what is known, and answers their keys. In one order everywhere, so that of two
    /// who tell of some of the same one waits for the other.
    static func put(_ levels: [PutStock], tenant: TenantID, store: StoreID, now: Instant) -> SQL {
        """
        INSERT INTO stock_levels (tenant_id, store_id, sku, location, id, available, source_updated_at, source_hash,
                                  created_at, updated_at)
             SELECT \(tenant.uuid), \(store.uuid), sku, location, id, available, source_updated_at, source_hash, \(now),
                    \(now)
               FROM unnest(\(levels.map(\.key.sku)), \(levels.map(\.key.location)),
                           \(levels.map { _ in UUID.v7() }), \(levels.map(\.available)), \(levels.map(\.asOf)),
                           \(levels.map { Bytea($0.stamp.hash) }))
                    AS told (sku, location, id, available, source_updated_at, source_hash)
              ORDER BY sku, location
        ON CONFLICT (tenant_id, store_id, sku, location)
          DO UPDATE SET available = excluded.available, source_updated_at = excluded.source_updated_at,
                        source_hash = excluded.source_hash, version = stock_levels.version + 1,
                        updated_at = excluded.updated_at
                  WHERE (stock_levels.source_updated_at, stock_levels.source_hash)
                        < (excluded.source_updated_at, excluded.source_hash)
          RETURNING sku, location
        """
    }

    /// By the primary key.
    static func levels(_ keys: [PutStock.Key], tenant: TenantID, store: StoreID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM unnest(\(keys.map(\.sku)), \(keys.map(\.location))) AS sought (name, place)
          JOIN stock_levels
            ON tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND sku = sought.name
           AND location = sought.place
        """
    }

    /// Newest first, by `stock_levels_by_creation`; of one variant there are as many as places, by the primary key.
    static func levels(_ page: Page, sku: String?, tenant: TenantID, store: StoreID) -> SQL {
        if let sku {
            """
            SELECT \(unsafe: columns)
              FROM stock_levels
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND sku = \(sku)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM stock_levels
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    static func decodeKey(_ row: Row) throws -> PutStock.Key {
        let (sku, location) = try row.decode((String, String).self)
        return PutStock.Key(sku: sku, location: location)
    }

    static func decode(_ row: Row) throws -> (level: StockLevel, stamp: Stamp) {
        let (sku, location, available, asOf, hash, version, createdAt, updatedAt, id) = try row.decode(
            (String, String, Int, Instant, Bytea, Int64, Instant, Instant, UUID).self
        )
        let level = StockLevel(
            sku: sku,
            location: location,
            available: available,
            asOf: asOf,
            version: version,
            createdAt: createdAt,
            updatedAt: updatedAt,
            id: id
        )
        return (level, Stamp(at: asOf, hash: hash.bytes))
    }
}

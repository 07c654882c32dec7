import FoundationEssentials
import Postgres
import Time

/// Watermarks in the database.
enum WatermarkStore {
    static func watermark(of store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT complete_as_of, updated_at
          FROM store_watermarks
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
        """
    }

    /// Forwards only. Waits for whoever else moves it, and then compares with what that one left.
    static func move(_ store: StoreID, tenant: TenantID, to instant: Instant, now: Instant) -> SQL {
        """
        INSERT INTO store_watermarks (tenant_id, store_id, complete_as_of, updated_at)
             VALUES (\(tenant.uuid), \(store.uuid), \(instant), \(now))
        ON CONFLICT (tenant_id, store_id)
          DO UPDATE SET complete_as_of = excluded.complete_as_of, updated_at = excluded.updated_at
                  WHERE store_watermarks.complete_as_of < excluded.complete_as_of
        """
    }

    static func decode(_ row: Row) throws -> Watermark {
        let (completeAsOf, updatedAt) = try row.decode((Instant, Instant).self)
        return Watermark(completeAsOf: completeAsOf, updatedAt: updatedAt)
    }
}

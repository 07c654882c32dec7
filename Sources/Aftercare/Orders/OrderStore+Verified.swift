import FoundationEssentials
import Postgres
import Time

extension OrderStore {
    /// Notes that the mirror of these orders is what the shop answered when it was asked. No new version: nothing that
    /// the shop told has changed.
    static func verify(_ orders: [OrderID], tenant: TenantID, at now: Instant) -> SQL {
        """
        UPDATE orders
           SET verified_at = greatest(verified_at, \(now))
         WHERE tenant_id = \(tenant.uuid) AND id = ANY (\(orders.map(\.uuid)))
        """
    }
}

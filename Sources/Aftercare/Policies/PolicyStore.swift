import FoundationEssentials
import JSON
import Postgres
import Time

/// Policies in the database.
enum PolicyStore {
    static func insert(_ policy: PolicyVersion, store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO policies (tenant_id, store_id, version, document, created_at)
             VALUES (\(tenant.uuid), \(store.uuid), \(policy.version), \(JSONB(policy.policy.json.serializedBytes)), \(now))
        """
    }

    /// The policy that holds now, by the primary key.
    static func current(of store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT version, document
          FROM policies
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
         ORDER BY version DESC
         LIMIT 1
        """
    }

    static func decode(_ row: Row) throws -> PolicyVersion {
        let document: JSONB = try row("document")
        return try PolicyVersion(
            version: row("version"),
            policy: FieldReader.read(JSON(parsing: document.text), Policy.init)
        )
    }
}

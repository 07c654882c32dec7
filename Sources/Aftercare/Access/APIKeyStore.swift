import FoundationEssentials
import JSON
import Postgres
import Time

/// API keys in the database.
enum APIKeyStore {
    static func insert(_ key: APIKey, hash: [UInt8]) -> SQL {
        """
        INSERT INTO api_keys (tenant_id, id, store_id, name, scopes, secret_hash, hint, created_by, created_at, expires_at)
             VALUES (\(key.tenant.uuid), \(key.id.uuid), \(key.store?.uuid), \(key.name),
                     \(key.scopes.map(\.rawValue).sorted()), \(Bytea(hash)), \(key.hint), \(key.createdBy),
                     \(key.createdAt), \(key.expiresAt))
        """
    }

    private static let columns = """
        tenant_id, id, store_id, name, scopes, hint, rotated_to, created_by, created_at, expires_at, revoked_at
        """

    static func key(_ id: APIKeyID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM api_keys WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    static func lock(_ id: APIKeyID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM api_keys WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) FOR UPDATE"
    }

    /// Newest first, by `api_keys_by_creation`.
    static func keys(_ page: Page, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM api_keys
         WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
         ORDER BY created_at DESC, id DESC
         LIMIT \(page.rowLimit)
        """
    }

    static func revoke(_ id: APIKeyID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE api_keys
           SET revoked_at = coalesce(revoked_at, \(now))
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        RETURNING id
        """
    }

    /// The old key ends when the overlap does, or earlier if it was to.
    static func replace(_ id: APIKeyID, by new: APIKeyID, tenant: TenantID, until end: Instant) -> SQL {
        """
        UPDATE api_keys
           SET rotated_to = \(new.uuid), expires_at = least(expires_at, \(end))
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func decode(_ row: Row) throws -> APIKey {
        let scopes: [String] = try row("scopes")
        let store: UUID? = try row("store_id")
        let rotatedTo: UUID? = try row("rotated_to")
        return try APIKey(
            id: ID(row("id")),
            tenant: ID(row("tenant_id")),
            store: store.map { ID($0) },
            name: row("name"),
            scopes: Set(scopes.compactMap(Scope.init(name:))),
            hint: row("hint"),
            rotatedTo: rotatedTo.map { ID($0) },
            createdBy: row("created_by"),
            createdAt: row("created_at"),
            expiresAt: row("expires_at"),
            revokedAt: row("revoked_at")
        )
    }

    /// The problem a broken constraint stands for.
    static func problem(_ error: PostgresError) -> Problem? {
        switch error.constraint {
        case "api_keys_tenant_id_store_id_fkey": Problem.field("#/store_id", .unknownValue, "is no store of yours")
        default: nil
        }
    }
}

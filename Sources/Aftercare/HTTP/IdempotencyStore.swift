import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// Idempotency keys in the database; published to be kept for 72 hours.
enum IdempotencyStore {
    /// For the claim only: a request that finds the key held by a running one is told so instead of waiting.
    static let lockBriefly = SQL(unsafe: "SET LOCAL lock_timeout = '250ms'")
    static let lockPatiently = SQL(unsafe: "SET LOCAL lock_timeout = '5s'")

    /// One row if the key is new. Waits while another transaction holds the key, and takes it over if that one rolls
    /// back; READ COMMITTED, so that the next statement sees what the other one committed.
    ///
    /// From the tenant's row: the credential is not verified yet, and one that names no tenant has to be refused, not to
    /// break a foreign key.
    static func claim(_ key: IdempotencyKey, _ credential: Credential, now: Instant) -> SQL {
        """
        INSERT INTO idempotency_keys (tenant_id, principal, operation, key, fingerprint, created_at)
             SELECT tenant_id, \(credential.name), \(key.operation), \(key.value), \(Bytea(key.fingerprint)), \(now)
               FROM tenants
              WHERE tenant_id = \(credential.tenant.uuid)
        ON CONFLICT DO NOTHING
          RETURNING key
        """
    }

    static func stored(_ key: IdempotencyKey, _ credential: Credential) -> SQL {
        """
        SELECT fingerprint, status, headers, body
          FROM idempotency_keys
         WHERE tenant_id = \(credential.tenant.uuid) AND principal = \(credential.name)
           AND operation = \(key.operation) AND key = \(key.value)
        """
    }

    static func store(_ reply: Reply, for key: IdempotencyKey, _ credential: Credential) -> SQL {
        var headers: JSONObject = [:]
        for field in reply.headers { headers[field.name.rawName] = .string(field.value) }
        return """
            UPDATE idempotency_keys
               SET status = \(reply.status.code), headers = \(JSONB(JSON.object(headers).serializedBytes)), body = \(Bytea(reply.storedBody ?? reply.body))
             WHERE tenant_id = \(credential.tenant.uuid) AND principal = \(credential.name)
               AND operation = \(key.operation) AND key = \(key.value)
            """
    }
}

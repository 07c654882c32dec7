import FoundationEssentials
import Postgres
import Time

/// Connections in the database. Secrets are sealed before they come here.
enum ConnectionStore {
    /// `connections.store_id` names no store of this tenant.
    static let storeConstraint = "connections_tenant_id_store_id_fkey"
    static let uniqueConstraint = "connections_account_is_connected_once"

    static func insert(_ connection: Connection, secret: [UInt8]) -> SQL {
        """
        INSERT INTO connections (tenant_id, id, store_id, provider, account, secret, state, version, created_at,
                                 updated_at)
             VALUES (\(connection.tenant.uuid), \(connection.id.uuid), \(connection.store.uuid),
                     \(connection.provider.rawValue), \(connection.account), \(Bytea(secret)),
                     \(connection.state.rawValue), \(connection.version), \(connection.createdAt),
                     \(connection.updatedAt))
        """
    }

    private static let columns = """
        tenant_id, id, store_id, provider, account, state, state_reason, state_changed_at, credentials_set_at, version,
        created_at, updated_at
        """

    static func connection(_ id: ConnectionID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM connections WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// With its sealed secret, kept from changing until the transaction ends. What refers to it does not wait.
    static func lock(_ id: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns), secret
          FROM connections
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR NO KEY UPDATE
        """
    }

    /// With what it takes to ask the shop, sealed.
    static func asked(_ id: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns), credentials
          FROM connections
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    /// Newest first, by `connections_by_creation`: a tenant has few.
    static func connections(_ page: Page, store: StoreID?, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM connections
         WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
           AND (\(store?.uuid) IS NULL OR store_id = \(store?.uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT \(page.rowLimit)
        """
    }

    static func rotate(_ connection: Connection, secret: [UInt8], previous: [UInt8], until end: Instant) -> SQL {
        """
        UPDATE connections
           SET secret = \(Bytea(secret)), previous_secret = \(Bytea(previous)), previous_secret_until = \(end),
               state = \(connection.state.rawValue), state_reason = \(connection.stateReason?.rawValue),
               state_changed_at = \(connection.stateChangedAt), version = \(connection.version),
               updated_at = \(connection.updatedAt)
         WHERE tenant_id = \(connection.tenant.uuid) AND id = \(connection.id.uuid)
        """
    }

    static func updateState(_ connection: Connection) -> SQL {
        """
        UPDATE connections
           SET state = \(connection.state.rawValue), state_reason = \(connection.stateReason?.rawValue),
               state_changed_at = \(connection.stateChangedAt), version = \(connection.version),
               updated_at = \(connection.updatedAt)
         WHERE tenant_id = \(connection.tenant.uuid) AND id = \(connection.id.uuid)
        """
    }

    static func decode(_ row: Row) throws -> Connection {
        let (tenant, id, store, provider, account, state, reason, version, createdAt, updatedAt):
            (
                UUID, UUID, UUID, String, String, String, String?, Int64, Instant, Instant
            ) = try (
                row("tenant_id"), row("id"), row("store_id"), row("provider"), row("account"), row("state"),
                row("state_reason"), row("version"), row("created_at"), row("updated_at")
            )
        guard let provider = Connection.Provider(rawValue: provider), let state = Connection.State(rawValue: state)
        else { throw UnreadableRow(table: "connections") }
        let stateReason = try reason.map { (word) throws(UnreadableRow) in
            guard let reason = Connection.StateReason(rawValue: word) else { throw UnreadableRow(table: "connections") }
            return reason
        }
        return Connection(
            id: ID(id),
            tenant: ID(tenant),
            store: ID(store),
            provider: provider,
            account: account,
            state: state,
            stateReason: stateReason,
            stateChangedAt: try row("state_changed_at"),
            credentialsSetAt: try row("credentials_set_at"),
            version: version,
            createdAt: createdAt,
            updatedAt: updatedAt
        )
    }

    // MARK: For webhooks

    /// What it takes to verify a webhook of the connection.
    struct Verification: Sendable {
        let store: StoreID
        let provider: Connection.Provider
        let secret: [UInt8]
        let previous: (secret: [UInt8], until: Instant)?
    }

    static func verification(_ id: ConnectionID, tenant: TenantID) -> SQL {
        """
        SELECT store_id, provider, secret, previous_secret, previous_secret_until
          FROM connections
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func verification(_ row: Row) throws -> Verification {
        let (store, provider, secret, previous, until) = try row.decode(
            (UUID, String, Bytea, Bytea?, Instant?).self
        )
        guard let provider = Connection.Provider(rawValue: provider) else { throw UnreadableRow(table: "connections") }
        var former: (secret: [UInt8], until: Instant)?
        if let previous, let until { former = (previous.bytes, until) }
        return Verification(store: ID(store), provider: provider, secret: secret.bytes, previous: former)
    }
}

import FoundationEssentials
import Postgres
import Time

/// Command endpoints in the database. Secrets are sealed before they come here.
enum CommandEndpointStore {
    private static let columns = """
        store_id, url, kinds, secret, previous_secret, previous_secret_until, state, state_reason, last_success_at,
        last_failure_at, last_failure, created_at, updated_at
        """

    static func endpoint(of store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM command_endpoints
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
        """
    }

    /// Kept from changing until the transaction ends.
    static func lock(of store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM command_endpoints
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
           FOR UPDATE
        """
    }

    static func endpoint(ofOrder order: OrderID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM command_endpoints
         WHERE tenant_id = \(tenant.uuid)
           AND store_id = (SELECT store_id FROM orders WHERE tenant_id = \(tenant.uuid) AND id = \(order.uuid))
        """
    }

    /// New, or as it is from now on. How it fared is not touched: that is noted by who sends.
    static func save(_ endpoint: CommandEndpoint, tenant: TenantID) -> SQL {
        """
        INSERT INTO command_endpoints (tenant_id, store_id, url, kinds, secret, previous_secret,
                                       previous_secret_until, state, state_reason, created_at, updated_at)
             VALUES (\(tenant.uuid), \(endpoint.store.uuid), \(endpoint.url), \(endpoint.kinds.map(\.rawValue)),
                     \(Bytea(endpoint.secret)), \(endpoint.previous.map { Bytea($0.secret) }),
                     \(endpoint.previous?.until), \(endpoint.state.rawValue), \(endpoint.stateReason?.rawValue),
                     \(endpoint.createdAt), \(endpoint.updatedAt))
        ON CONFLICT (tenant_id, store_id)
          DO UPDATE SET url = excluded.url, kinds = excluded.kinds, secret = excluded.secret,
                        previous_secret = excluded.previous_secret,
                        previous_secret_until = excluded.previous_secret_until, state = excluded.state,
                        state_reason = excluded.state_reason, updated_at = excluded.updated_at
        """
    }

    static func noteSuccess(of store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE command_endpoints
           SET last_success_at = greatest(last_success_at, \(now))
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
        """
    }

    static func noteFailure(_ detail: String, of store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE command_endpoints
           SET last_failure_at = \(now), last_failure = \(detail)
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
        """
    }

    /// It answered 410. Not where it has moved to another address meanwhile.
    static func disable(_ store: StoreID, at url: String, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE command_endpoints
           SET state = 'disabled', state_reason = 'gone', updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND url = \(url) AND state = 'active'
        """
    }

    static func decode(_ row: Row) throws -> CommandEndpoint {
        let (kinds, state, reason): ([String], String, String?) =
            try (row("kinds"), row("state"), row("state_reason"))
        guard let state = CommandEndpoint.State(rawValue: state) else {
            throw UnreadableRow(table: "command_endpoints")
        }
        let (secret, former, until): (Bytea, Bytea?, Instant?) =
            try (row("secret"), row("previous_secret"), row("previous_secret_until"))
        var previous: (secret: [UInt8], until: Instant)?
        if let former, let until { previous = (former.bytes, until) }
        return try CommandEndpoint(
            store: ID(row("store_id")),
            url: row("url"),
            kinds: kinds.map { word in
                guard let kind = Command.Kind(rawValue: word) else { throw UnreadableRow(table: "command_endpoints") }
                return kind
            },
            secret: secret.bytes,
            previous: previous,
            state: state,
            stateReason: reason.map { word in
                guard let reason = CommandEndpoint.StateReason(rawValue: word) else {
                    throw UnreadableRow(table: "command_endpoints")
                }
                return reason
            },
            lastSuccessAt: row("last_success_at"),
            lastFailureAt: row("last_failure_at"),
            lastFailure: row("last_failure"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }
}

import FoundationEssentials
import Postgres
import Time

/// Operations in the database.
enum OperationStore {
    /// One row, or none while another of the kind runs for the store.
    static func begin(_ operation: Operation, tenant: TenantID) -> SQL {
        """
        INSERT INTO operations (tenant_id, id, store_id, kind, state, target_at, progress, created_at)
             VALUES (\(tenant.uuid), \(operation.id.uuid), \(operation.store.uuid), \(operation.kind.rawValue),
                     \(operation.state.rawValue), \(operation.target), \(operation.progress), \(operation.createdAt))
        ON CONFLICT (tenant_id, store_id, kind) WHERE state = 'running' DO NOTHING
          RETURNING id
        """
    }

    static func operation(_ id: OperationID, tenant: TenantID) -> SQL {
        """
        SELECT id, store_id, kind, state, target_at, progress, error, created_at, finished_at
          FROM operations
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
        """
    }

    static func end(_ id: OperationID, tenant: TenantID, as state: Operation.State, error: String?, now: Instant) -> SQL
    {
        """
        UPDATE operations
           SET state = \(state.rawValue), error = \(error), finished_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND state = 'running'
        """
    }

    static func decode(_ row: Row) throws -> Operation {
        let (kind, state): (String, String) = try (row("kind"), row("state"))
        guard let kind = Operation.Kind(rawValue: kind), let state = Operation.State(rawValue: state) else {
            throw UnreadableRow(table: "operations")
        }
        return try Operation(
            id: ID(row("id")),
            store: ID(row("store_id")),
            kind: kind,
            state: state,
            target: row("target_at"),
            progress: row("progress"),
            error: row("error"),
            createdAt: row("created_at"),
            finishedAt: row("finished_at")
        )
    }
}

import FoundationEssentials
import JSON
import Postgres
import Time

/// Commands and the tries to send them, in the database.
enum CommandStore {
    /// An order has one of a kind that is not over.
    static let openOnce = "commands_open_once"

    private static let columns = """
        id, store_id, order_id, connection_id, run_id, kind, parameters, state, reason, detail, reference, requested_by,
        attempts, deadline_at, acknowledged_at, ended_at, resolved_as, resolved_by, resolved_at, note, version,
        created_at, updated_at
        """

    // MARK: Reading

    static func command(_ id: CommandID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM commands WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// The same, kept from changing until the transaction ends. After the order.
    static func lock(_ id: CommandID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM commands WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) FOR UPDATE"
    }

    static func attempts(_ id: CommandID, tenant: TenantID) -> SQL {
        """
        SELECT attempt, started_at, ended_at, outcome, detail
          FROM command_attempts
         WHERE tenant_id = \(tenant.uuid) AND command_id = \(id.uuid)
         ORDER BY attempt
        """
    }

    /// A row where the shop has, or may have, the command from one of its tries, one that broke off among them.
    ///
    /// - Parameter except: the number of a try that is just ending.
    static func doubts(_ id: CommandID, tenant: TenantID, except: Int = 0) -> SQL {
        """
        SELECT attempt
          FROM command_attempts
         WHERE tenant_id = \(tenant.uuid) AND command_id = \(id.uuid) AND attempt <> \(except)
           AND outcome IS DISTINCT FROM 'refused'
         LIMIT 1
        """
    }

    struct Filter: Sendable {
        var store: StoreID?
        var order: OrderID?
        var state: Command.State?
    }

    static func commands(_ page: Page, _ filter: Filter, tenant: TenantID) -> SQL {
        OrderRecordStore.page(
            page,
            of: "commands",
            columns,
            order: filter.order,
            state: ("state", filter.state?.rawValue),
            store: filter.store,
            tenant: tenant
        )
    }

    // MARK: Writing

    static func insert(_ command: Command, tenant: TenantID) -> SQL {
        """
        INSERT INTO commands (tenant_id, id, store_id, order_id, connection_id, run_id, kind, parameters, state,
                              requested_by, deadline_at, version, created_at, updated_at)
             VALUES (\(tenant.uuid), \(command.id.uuid), \(command.store.uuid), \(command.order.uuid),
                     \(command.connection?.uuid), \(command.run?.uuid), \(command.kind.rawValue),
                     \(command.parameters.map { JSONB($0.json.serializedBytes) }), \(command.state.rawValue),
                     \(command.requestedBy), \(command.deadline), \(command.version), \(command.createdAt),
                     \(command.updatedAt))
        """
    }

    /// What can change of it. For a transaction that holds it.
    static func update(_ command: Command, tenant: TenantID) -> SQL {
        let resolution = command.resolution
        return """
            UPDATE commands
               SET state = \(command.state.rawValue), reason = \(command.reason?.rawValue),
                   detail = \(command.detail), reference = \(command.reference), attempts = \(command.attempts),
                   deadline_at = \(command.deadline), acknowledged_at = \(command.acknowledgedAt),
                   ended_at = \(command.endedAt), resolved_as = \(resolution?.verdict.rawValue),
                   resolved_by = \(resolution?.by), resolved_at = \(resolution?.at), note = \(resolution?.note),
                   version = \(command.version), updated_at = \(command.updatedAt)
             WHERE tenant_id = \(tenant.uuid) AND id = \(command.id.uuid)
            """
    }

    static func beginAttempt(of command: Command, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO command_attempts (tenant_id, command_id, attempt, store_id, started_at)
             VALUES (\(tenant.uuid), \(command.id.uuid), \(command.attempts), \(command.store.uuid), \(now))
        """
    }

    /// What became of a try. Also of one that was taken for lost meanwhile: what the shop said stays true.
    static func endAttempt(
        _ attempt: Int,
        of command: CommandID,
        tenant: TenantID,
        _ outcome: Command.Attempt.Outcome,
        detail: String?,
        now: Instant
    ) -> SQL {
        """
        UPDATE command_attempts
           SET ended_at = \(now), outcome = \(outcome.rawValue), detail = \(detail)
         WHERE tenant_id = \(tenant.uuid) AND command_id = \(command.uuid) AND attempt = \(attempt)
           AND (outcome IS NULL OR outcome = 'unknown')
        """
    }

    // MARK: Rows

    static func decode(_ row: Row) throws -> Command {
        let (kind, state, reason): (String, String, String?) = try (row("kind"), row("state"), row("reason"))
        guard let kind = Command.Kind(rawValue: kind), let state = Command.State(rawValue: state) else {
            throw UnreadableRow(table: "commands")
        }
        let (connection, run, parameters): (UUID?, UUID?, JSONB?) =
            try (row("connection_id"), row("run_id"), row("parameters"))
        return try Command(
            id: ID(row("id")),
            store: ID(row("store_id")),
            order: ID(row("order_id")),
            connection: connection.map { ID($0) },
            run: run.map { ID($0) },
            kind: kind,
            parameters: parameters.map { try CommandParameters(JSON(parsing: $0.text), of: kind) },
            state: state,
            reason: reason.map { word in
                guard let reason = CommandReason(rawValue: word) else { throw UnreadableRow(table: "commands") }
                return reason
            },
            detail: row("detail"),
            reference: row("reference"),
            requestedBy: row("requested_by"),
            attempts: row("attempts"),
            deadline: row("deadline_at"),
            acknowledgedAt: row("acknowledged_at"),
            endedAt: row("ended_at"),
            resolution: row.personsWord(of: "commands"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }

    static func decodeAttempt(_ row: Row) throws -> Command.Attempt {
        let outcome: String? = try row("outcome")
        return try Command.Attempt(
            number: row("attempt"),
            startedAt: row("started_at"),
            endedAt: row("ended_at"),
            outcome: outcome.map { text in
                guard let outcome = Command.Attempt.Outcome(rawValue: text) else {
                    throw UnreadableRow(table: "command_attempts")
                }
                return outcome
            },
            detail: row("detail")
        )
    }
}

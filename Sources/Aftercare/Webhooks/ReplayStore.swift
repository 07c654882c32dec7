import FoundationEssentials
import JSON
import Postgres
import Time

/// Webhooks that are read again by the hundred, in the database.
enum ReplayStore {
    // MARK: What is to be done

    /// Says what the operation is to do from here on, and that so many more are on their way.
    static func set(_ task: ReplayTask, of operation: OperationID, read: Int, tenant: TenantID) -> SQL {
        """
        UPDATE operations
           SET task = \(JSONB(task.json.serializedBytes)), progress = progress + \(Int32(clamping: read))
         WHERE tenant_id = \(tenant.uuid) AND id = \(operation.uuid)
        """
    }

    static func task(of operation: OperationID, tenant: TenantID) -> SQL {
        "SELECT task FROM operations WHERE tenant_id = \(tenant.uuid) AND id = \(operation.uuid) AND task IS NOT NULL"
    }

    static func decode(_ row: Row) throws -> ReplayTask {
        guard let task = ReplayTask(try JSON(parsing: row("task", as: JSONB.self).text)) else {
            throw UnreadableRow(table: "operations")
        }
        return task
    }

    // MARK: Doing it

    /// Makes the next ones wait to be read, and gives them. Those without a body are left out: there is nothing to read.
    ///
    /// By `inbound_events_by_reason` or `inbound_events_by_state`; the connection is looked at in each row, or the planner
    /// might read all that the connection ever sent.
    static func take(_ task: ReplayTask, settledBefore: Instant, tenant: TenantID, limit: Int) -> SQL {
        let lead = task.reason == nil ? "state" : "reason"
        return """
            WITH found AS MATERIALIZED (
                SELECT id
                  FROM inbound_events
                 WHERE tenant_id = \(tenant.uuid)
                   AND \(unsafe: lead) = \(task.reason ?? InboundEvent.State.quarantined.rawValue)
                   AND (received_at, id) > (\(task.after.at), \(task.after.id)) AND received_at < \(task.before)
                   AND connection_id IS NOT DISTINCT FROM \(task.connection.uuid) AND settled_at < \(settledBefore)
                   AND body_expired_at IS NULL AND redacted_at IS NULL
                 ORDER BY received_at, id
                 LIMIT \(limit)
                   FOR UPDATE
            )
            UPDATE inbound_events AS event
               SET state = 'received', reason = NULL, settled_at = NULL
              FROM found
             WHERE event.tenant_id = \(tenant.uuid) AND event.id = found.id
             RETURNING event.received_at, event.id
            """
    }

    static func position(_ row: Row) throws -> ReplayTask.Position {
        let (at, id) = try row.decode((Instant, UUID).self)
        return ReplayTask.Position(at: at, id: id)
    }

    static func enqueue(_ events: [UUID], store: StoreID, tenant: TenantID, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             SELECT \(tenant.uuid), job, \(store.uuid), \(ApplyInboundEvent.kind), event, \(now), \(now)
               FROM unnest(\(events), \(events.map { _ in UUID.v7() })) AS waiting (event, job)
        """
    }
}

extension ReplayTask {
    var json: JSON {
        [
            "connection": .string("\(connection)"), "reason": reason.map { .string($0) } ?? .null,
            "after_at": .number(JSONNumber(after.at.microseconds)), "after_id": .string(after.id.uuidString),
            "before": .number(JSONNumber(before.microseconds)),
        ]
    }

    init?(_ json: JSON) {
        guard let connection = json["connection"]?.stringValue.flatMap({ ConnectionID($0) }),
            let at = json["after_at"]?.int64Value,
            let id = json["after_id"]?.stringValue.flatMap({ UUID(uuidString: $0) }),
            let before = json["before"]?.int64Value
        else { return nil }
        self.connection = connection
        reason = json["reason"]?.stringValue
        after = Position(at: Instant(microseconds: at), id: id)
        self.before = Instant(microseconds: before)
    }
}

import FoundationEssentials
import JSON
import Postgres
import Time

/// Privacy requests in the database.
enum PrivacyStore {
    private static let columns = """
        id, store_id, connection_id, event_id, kind, state, reason, subject, step, after_id, counts, due_at,
        completed_at, version, created_at, updated_at
        """

    static func request(_ id: PrivacyRequestID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM privacy_requests WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    static func lock(_ id: PrivacyRequestID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM privacy_requests
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR UPDATE
        """
    }

    /// Newest first: there are few.
    static func requests(_ page: Page, store: StoreID?, tenant: TenantID) -> SQL {
        if let store {
            """
            SELECT \(unsafe: columns)
              FROM privacy_requests
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM privacy_requests
             WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    /// One for each webhook that asks; a row if it is new.
    static func insert(_ request: PrivacyRequest, tenant: TenantID) -> SQL {
        """
        INSERT INTO privacy_requests (tenant_id, id, store_id, connection_id, event_id, kind, state, reason, subject,
                                      step, due_at, completed_at, created_at, updated_at)
             VALUES (\(tenant.uuid), \(request.id.uuid), \(request.store.uuid), \(request.connection.uuid),
                     \(request.event.uuid), \(request.kind.rawValue), \(request.state.rawValue),
                     \(request.reason?.rawValue), \(request.subject.map { JSONB($0.json.serializedBytes) }),
                     \(request.step?.rawValue), \(request.dueAt), \(request.completedAt), \(request.createdAt),
                     \(request.updatedAt))
        ON CONFLICT (tenant_id, event_id) DO NOTHING
          RETURNING id
        """
    }

    static func update(_ request: PrivacyRequest, tenant: TenantID) -> SQL {
        var counts = JSONObject()
        for (name, number) in request.counts.sorted(by: { $0.key < $1.key }) {
            counts[name] = .number(JSONNumber(number))
        }
        return """
            UPDATE privacy_requests
               SET state = \(request.state.rawValue), reason = \(request.reason?.rawValue),
                   subject = \(request.subject.map { JSONB($0.json.serializedBytes) }),
                   step = \(request.step?.rawValue), after_id = \(request.after),
                   counts = \(JSONB(JSON.object(counts).serializedBytes)), completed_at = \(request.completedAt),
                   version = \(request.version), updated_at = \(request.updatedAt)
             WHERE tenant_id = \(tenant.uuid) AND id = \(request.id.uuid)
            """
    }

    static func decode(_ row: Row) throws -> PrivacyRequest {
        let (kind, state, reason, step): (String, String, String?, String?) =
            try (row("kind"), row("state"), row("reason"), row("step"))
        let (subject, counts): (JSONB?, JSONB) = try (row("subject"), row("counts"))
        guard let kind = PrivacyRequest.Kind(rawValue: kind), let state = PrivacyRequest.State(rawValue: state) else {
            throw UnreadableRow(table: "privacy_requests")
        }
        var counted: [String: Int64] = [:]
        for member in try JSON(parsing: counts.text).objectValue ?? [:] {
            counted[member.name] = member.value.int64Value
        }
        return try PrivacyRequest(
            id: ID(row("id")),
            store: ID(row("store_id")),
            connection: ID(row("connection_id")),
            event: ID(row("event_id")),
            kind: kind,
            state: state,
            reason: reason.flatMap { PrivacyRequest.Reason(rawValue: $0) },
            subject: subject.map { PrivacySubject(try JSON(parsing: $0.text)) },
            step: step.flatMap { PrivacyRequest.Step(rawValue: $0) },
            after: row("after_id"),
            counts: counted,
            dueAt: row("due_at"),
            completedAt: row("completed_at"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }
}

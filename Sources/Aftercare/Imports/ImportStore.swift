import FoundationEssentials
import JSON
import Postgres
import Time

/// Imports in the database, their files and what was wrong in them.
enum ImportStore {
    // MARK: Taking the file in

    static func insert(_ new: Import, tenant: TenantID) -> SQL {
        """
        INSERT INTO imports (tenant_id, id, store_id, state, created_at)
             VALUES (\(tenant.uuid), \(new.id.uuid), \(new.store.uuid), \(new.state.rawValue), \(new.createdAt))
        """
    }

    static func insert(_ chunk: ImportChunks.Chunk, of id: ImportID, store: StoreID, tenant: TenantID) -> SQL {
        """
        INSERT INTO import_chunks (tenant_id, import_id, number, store_id, first_line, bytes)
             VALUES (\(tenant.uuid), \(id.uuid), \(chunk.number), \(store.uuid), \(chunk.firstLine),
                     \(Bytea(chunk.bytes)))
        """
    }

    /// The file is there.
    static func begin(_ complete: Import, tenant: TenantID) -> SQL {
        """
        UPDATE imports
           SET state = \(complete.state.rawValue), byte_count = \(complete.byteCount),
               line_count = \(complete.lineCount)
         WHERE tenant_id = \(tenant.uuid) AND id = \(complete.id.uuid)
        """
    }

    /// An upload that came to nothing, its pieces first: they name it.
    static func discard(_ id: ImportID, tenant: TenantID) -> [SQL] {
        [
            """
            DELETE FROM import_chunks
             WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid)
               AND import_id IN (SELECT id FROM imports
                                  WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND state = 'uploading')
            """,
            "DELETE FROM imports WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND state = 'uploading'",
        ]
    }

    /// The operation of an import that runs for the store, if one does and has a job to go on with it. By
    /// `operations_one_advance`; jobs are few.
    static func running(_ store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM operations
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND kind = 'import_orders' AND state = 'running'
           AND EXISTS (SELECT FROM jobs
                        WHERE tenant_id = \(tenant.uuid) AND subject_id = operations.id
                          AND kind = 'import_orders' AND state <> 'failed')
        """
    }

    /// Ends those of the store's that say they run, and have no job any more that could go on with them: it was set
    /// aside, as one is that took its workers down time after time. Else nothing could ever be imported again.
    static func endAbandoned(_ store: StoreID, tenant: TenantID, error: String, now: Instant) -> [SQL] {
        [
            """
            UPDATE operations
               SET state = 'failed', error = \(error), finished_at = \(now)
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND kind = 'import_orders'
               AND state = 'running'
               AND NOT EXISTS (SELECT FROM jobs
                                WHERE tenant_id = \(tenant.uuid) AND subject_id = operations.id
                                  AND kind = 'import_orders' AND state <> 'failed')
            """,
            """
            UPDATE imports
               SET state = 'failed', error = \(error), finished_at = \(now)
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND state = 'running'
               AND id IN (SELECT id FROM operations
                           WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND kind = 'import_orders'
                             AND state = 'failed')
            """,
        ]
    }

    // MARK: Working it off

    /// Keeps whoever else works on this import waiting.
    static func lock(_ id: ImportID, tenant: TenantID) -> SQL {
        """
        SELECT state
          FROM imports
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
           FOR UPDATE
        """
    }

    static func store(of id: ImportID, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: TenantStore.columns)
          FROM stores
         WHERE tenant_id = \(tenant.uuid)
           AND id = (SELECT store_id FROM imports WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid))
        """
    }

    /// The next piece, which is gone with the transaction that has its effects.
    static func take(of id: ImportID, tenant: TenantID) -> SQL {
        """
        DELETE FROM import_chunks
         WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid)
           AND number = (SELECT min(number) FROM import_chunks
                          WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid))
        RETURNING number, first_line, bytes
        """
    }

    /// The same, left where it is.
    static func next(of id: ImportID, tenant: TenantID) -> SQL {
        """
        SELECT number, first_line, bytes
          FROM import_chunks
         WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid)
         ORDER BY number
         LIMIT 1
        """
    }

    static func advance(_ id: ImportID, tenant: TenantID, by tally: Import.Tally) -> [SQL] {
        [
            """
            UPDATE imports
               SET lines_read = lines_read + \(tally.linesRead), created = created + \(tally.created),
                   updated = updated + \(tally.updated), unchanged = unchanged + \(tally.unchanged),
                   stale = stale + \(tally.stale), rejected = rejected + \(tally.rejected)
             WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
            """,
            """
            UPDATE operations
               SET progress = progress + \(tally.linesRead)
             WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)
            """,
        ]
    }

    /// Keeps the first of the rejected lines; before `advance`, which counts them all.
    static func insert(_ errors: [Import.LineError], of id: ImportID, store: StoreID, tenant: TenantID) -> SQL {
        let faults = errors.map { error in
            JSONB(
                JSON.array(
                    error.rejection.errors.prefix(Import.keptFaults).map { fault in
                        [
                            "pointer": .string(fault.pointer), "code": .string(fault.code.rawValue),
                            "detail": .string(fault.detail),
                        ]
                    }
                ).serializedBytes
            )
        }
        return """
            INSERT INTO import_errors (tenant_id, import_id, line, store_id, external_id, code, detail, errors)
                 SELECT \(tenant.uuid), \(id.uuid), line, \(store.uuid), external_id, code, detail, errors
                   FROM unnest(\(errors.map(\.line)), \(errors.map(\.rejection.externalID)),
                               \(errors.map(\.rejection.code.rawValue)), \(errors.map(\.rejection.detail)), \(faults))
                        AS fault (line, external_id, code, detail, errors)
                  WHERE (SELECT rejected FROM imports
                          WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)) < \(Import.keptErrors)
            """
    }

    static func end(_ id: ImportID, tenant: TenantID, as state: Import.State, error: String?, now: Instant) -> SQL {
        """
        UPDATE imports
           SET state = \(state.rawValue), error = \(error), finished_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND state = 'running'
        """
    }

    static func deleteChunks(of id: ImportID, tenant: TenantID) -> SQL {
        "DELETE FROM import_chunks WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid)"
    }

    static func decodeChunk(_ row: Row) throws -> ImportChunks.Chunk {
        let (number, firstLine, bytes) = try row.decode((Int, Int, Bytea).self)
        return ImportChunks.Chunk(number: number, firstLine: firstLine, bytes: bytes.bytes)
    }

    static func state(_ row: Row) throws -> Import.State {
        guard let state = Import.State(rawValue: try row("state")) else { throw UnreadableRow(table: "imports") }
        return state
    }

    // MARK: Reading

    private static let columns = """
        id, store_id, state, byte_count, line_count, created, updated, unchanged, stale, rejected, error, created_at,
        finished_at
        """

    static func one(_ id: ImportID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM imports WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// Newest first, by `imports_by_creation` or `imports_by_store`.
    static func imports(_ page: Page, of store: StoreID?, tenant: TenantID) -> SQL {
        if let store {
            """
            SELECT \(unsafe: columns)
              FROM imports
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid)
               AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        } else {
            """
            SELECT \(unsafe: columns)
              FROM imports
             WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
             ORDER BY created_at DESC, id DESC
             LIMIT \(page.rowLimit)
            """
        }
    }

    /// In the order of the file, by primary key.
    static func errors(_ page: Page, of id: ImportID, tenant: TenantID) -> SQL {
        """
        SELECT line, external_id, code, detail, errors
          FROM import_errors
         WHERE tenant_id = \(tenant.uuid) AND import_id = \(id.uuid) AND line > \(line(before: page))
         ORDER BY line
         LIMIT \(page.rowLimit)
        """
    }

    /// A cursor's place is a time, and goes down; a line's is a number, and goes up. So one is the other's negative.
    private static func line(before page: Page) -> Int64 { -page.createdAt.microseconds }

    static func position(of error: Import.LineError) -> (createdAt: Instant, id: UUID) {
        (Instant(microseconds: -Int64(error.line)), UUID(bits: 0))
    }

    static func decode(_ row: Row) throws -> Import {
        try Import(
            id: ID(row("id")),
            store: ID(row("store_id")),
            state: state(row),
            byteCount: row("byte_count"),
            lineCount: row("line_count"),
            tally: Import.Tally(
                created: row("created"),
                updated: row("updated"),
                unchanged: row("unchanged"),
                stale: row("stale"),
                rejected: row("rejected")
            ),
            error: row("error"),
            createdAt: row("created_at"),
            finishedAt: row("finished_at")
        )
    }

    static func decodeError(_ row: Row) throws -> Import.LineError {
        let (line, externalID, code, detail, errors) = try row.decode((Int, String?, String, String, JSONB).self)
        guard let code = ProblemCode(rawValue: code) else { throw UnreadableRow(table: "import_errors") }
        let faults = try JSON(parsing: errors.text).arrayValue ?? []
        return Import.LineError(
            line: line,
            rejection: PutOrderEntry.Rejection(
                externalID: externalID,
                code: code,
                detail: detail,
                errors: faults.compactMap(fault)
            )
        )
    }

    private static func fault(_ json: JSON) -> FieldError? {
        guard let pointer = json["pointer"]?.stringValue,
            let code = json["code"]?.stringValue.flatMap({ FieldError.Code(rawValue: $0) }),
            let detail = json["detail"]?.stringValue
        else { return nil }
        return FieldError(pointer: pointer, code: code, detail: detail)
    }
}

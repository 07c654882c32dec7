import Crypto
import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/stores/{store_id}/imports` and `/v1/imports`: files of orders, one a line, taken in as history.
struct ImportRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .post,
                "/v1/stores/{store_id}/imports",
                .holder(of: .ordersWrite),
                body: .lines(maximum: Import.maximumBytes),
                upload
            ),
            Route(
                .get,
                "/v1/imports",
                .holder(of: .ordersRead),
                query: Page.parameters.union(["store_id"]),
                list
            ),
            Route(.get, "/v1/imports/{import_id}", .holder(of: .ordersRead), get),
            Route(
                .get,
                "/v1/imports/{import_id}/errors",
                .holder(of: .ordersRead),
                query: Page.parameters,
                errors
            ),
        ]
    }

    // MARK: Taking a file in

    /// What has come of a file.
    private struct Upload: Sendable {
        var chunks = ImportChunks()
        var digest = SHA256()
    }

    /// Stores the file piece by piece as it comes, each in a transaction of its own, and then lets it be worked off.
    /// Until then nobody knows of it: what breaks off changes nothing.
    @Sendable private func upload(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        guard let stream = call.stream, let credential = call.credential else { throw Access.unauthenticated }
        let (principal, rows) = try await environment.access.read(call) {
            [TenantStore.store(store, tenant: $0.tenant), ImportStore.running(store, tenant: $0.tenant)]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        // Before all of it is sent in vain; but who repeats a request gets the first one's answer.
        guard rows[1].isEmpty || call.keepsAnswer else { throw Self.oneRuns }
        let new = Import(
            id: .new(),
            store: store,
            state: .uploading,
            byteCount: 0,
            lineCount: 0,
            tally: .init(),
            createdAt: environment.clock.now()
        )
        let (pool, settings) = (environment.pool, credential.settings)
        _ = try await pool.transaction(settings, ImportStore.insert(new, tenant: principal.tenant))
        do {
            let upload = try await stream.reduce(into: Upload()) { upload, piece in
                upload.digest.update(data: piece)
                for chunk in upload.chunks.take(piece) {
                    let insert = ImportStore.insert(chunk, of: new.id, store: store, tenant: principal.tenant)
                    _ = try await pool.transaction(settings, insert)
                }
            }
            let reply = try await begin(new, upload, call, principal.tenant, settings)
            if reply.headers[.idempotentReplayed] != nil || reply.status != .accepted {
                await discard(new.id, principal.tenant, settings)
            }
            environment.wakeWorker()
            return reply
        } catch {
            await discard(new.id, principal.tenant, settings)
            throw error
        }
    }

    /// All of it is there: from here on it is worked off. An Idempotency-Key stands for the file, and is looked at only
    /// now that it is known.
    private func begin(
        _ new: Import,
        _ upload: Upload,
        _ call: Call,
        _ tenant: TenantID,
        _ settings: [LocalSetting]
    ) async throws -> Reply {
        var upload = upload
        if let last = upload.chunks.finish() {
            let insert = ImportStore.insert(last, of: new.id, store: new.store, tenant: tenant)
            _ = try await environment.pool.transaction(settings, insert)
        }
        var call = call
        call.body = Array(upload.digest.finalize())
        var complete = new
        (complete.state, complete.byteCount) = (.running, upload.chunks.byteCount)
        complete.lineCount = upload.chunks.lineCount
        let begun = complete
        do {
            return try await environment.access.write(call) { transaction, _ in
                try await begin(begun, tenant, in: transaction)
            }
        } catch let problem as Problem where call.keepsAnswer && problem.isKept {
            return try await environment.access.keep(problem, for: call)
        }
    }

    private func begin(_ complete: Import, _ tenant: TenantID, in transaction: Transaction) async throws -> Reply {
        guard complete.lineCount > 0 else {
            throw Problem.field("#", .tooShort, "must have at least one line")
        }
        let now = environment.clock.now()
        for statement in ImportStore.endAbandoned(
            complete.store,
            tenant: tenant,
            error: ImportOrders.gaveUp,
            now: now
        ) { transaction.add(statement) }
        let operation = Operation(
            id: complete.operation,
            store: complete.store,
            kind: .importOrders,
            state: .running,
            target: nil,
            progress: 0,
            error: nil,
            createdAt: now,
            finishedAt: nil
        )
        let rows = try await transaction.query(OperationStore.begin(operation, tenant: tenant))
        guard !rows[0].isEmpty else {
            throw Self.oneRuns
        }
        transaction.add(ImportStore.begin(complete, tenant: tenant))
        transaction.add(JobStore.enqueue(ImportOrders.job(for: complete, tenant, now: now), now: now))
        var reply = Reply.json(.accepted) { complete.write(to: &$0) }
        reply.headers[.location] = "/v1/imports/\(complete.id)"
        reply.headers[.retryAfter] = "1"
        return reply
    }

    private static let oneRuns = Problem(
        .stateConflict,
        "An import of this store is running. Send the next one when it is done."
    )
    .retry(afterSeconds: 10)

    /// As good as it can be done: what is left is taken away by the sweep.
    private func discard(_ id: ImportID, _ tenant: TenantID, _ settings: [LocalSetting]) async {
        let statements = ImportStore.discard(id, tenant: tenant)
        // The request's own task may be cancelled, because its client hung up.
        await Task.detached { [pool = environment.pool] in
            _ = try? await pool.transaction(settings, statements)
        }.value
    }

    // MARK: Reading

    @Sendable private func list(_ call: Call) async throws -> Reply {
        let page = try Page(call, filters: ["store_id"], key: environment.masterKey.cursors)
        let store = try call.query.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [ImportStore.imports(page, of: store, tenant: $0.tenant)]
        }
        let imports = try rows[0].map(ImportStore.decode)
        return page.reply(imports, position: { ($0.createdAt, $0.id.uuid) }) { $0.write(to: &$1) }
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("import_id", ImportKind.self)
        let (_, rows) = try await environment.access.find(call) { [ImportStore.one(id, tenant: $0.tenant)] }
        guard let found = try rows[0].first.map(ImportStore.decode) else { throw Problem.notFound }
        return .json { found.write(to: &$0) }
    }

    @Sendable private func errors(_ call: Call) async throws -> Reply {
        let id = try call.id("import_id", ImportKind.self)
        let page = try Page(call, key: environment.masterKey.cursors)
        let (_, rows) = try await environment.access.read(call) {
            [ImportStore.one(id, tenant: $0.tenant), ImportStore.errors(page, of: id, tenant: $0.tenant)]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        let errors = try rows[1].map(ImportStore.decodeError)
        return page.reply(errors, position: ImportStore.position) { $0.write(to: &$1) }
    }
}

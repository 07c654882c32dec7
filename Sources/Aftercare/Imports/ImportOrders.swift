import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Works an import off, piece by piece. The job's subject is the import.
///
/// A piece is one transaction: it is taken out of the database, its orders are put as history, and what became of its
/// lines is counted. So it does not matter when a worker dies, nor that two may believe to have the job: what is left is
/// what is still to be done, and nothing is counted twice.
struct ImportOrders {
    static let kind = "import_orders"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, maximumAttempts: Self.maximumAttempts, run: run) }

    private static let maximumAttempts = 12
    /// Pieces are taken in a row; and yet now and then the job goes through the queue, so that a stop of the program
    /// need not wait for a large file.
    private static let turn = Duration.seconds(4)
    /// Waiting for locks on orders that others hold included.
    private static let deadline = Duration.seconds(60)

    static let gaveUp = "Not all of it could be imported. Send the file again: what is there already stays unchanged."

    static func job(for new: Import, _ tenant: TenantID, now: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: new.store.uuid,
            kind: kind,
            subject: new.id.uuid,
            runAt: now
        )
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        do {
            let end = ContinuousClock.now + Self.turn
            while ContinuousClock.now < end {
                if try await takePiece(job) == .finished { return .finished }
            }
            return .again(at: environment.clock.now())
        } catch {
            // Or this store could never import anything again.
            if job.attempt >= Self.maximumAttempts, !(error is StaleLease) { try await giveUp(job) }
            throw error
        }
    }

    private enum Step { case moved, finished }

    private func takePiece(_ job: Job) async throws -> Step {
        for _ in 1..<PutOrders.tries {
            do {
                return try await takePieceOnce(job)
            } catch let error as PostgresError where error.isAboutTheOrders {
                environment.logger.error("a line broke a rule of the database", metadata: ["import": "\(job.subject)"])
                return try await takePieceApart(job, after: error)
            } catch {
                guard PutOrders.wasOvertaken(error) else { throw error }
            }
        }
        return try await takePieceOnce(job)
    }

    private func takePieceOnce(_ job: Job) async throws -> Step {
        let (tenant, id) = (TenantID(job.tenant), ImportID(job.subject))
        let settings = environment.settings(for: job.tenant)
        let step = try await environment.pool.withTransaction(settings, deadline: Self.deadline) { transaction in
            guard let (store, chunk) = try await take(id, tenant, in: transaction) else {
                try await finish(job, in: transaction)
                return Step.finished
            }
            let now = environment.clock.now()
            let lines = await ImportLine.lines(of: chunk, noLaterThan: store.now(now) + PutOrder.reach)
            let verdicts = try await put(lines, store.id, tenant, now: now, in: transaction)
            settle(lines, verdicts, id, store.id, tenant, in: transaction)
            environment.failpoint.pass(.importBeforeCommit)
            return .moved
        }
        environment.failpoint.pass(.importAfterCommit)
        return step
    }

    /// The next piece; nil where none is left, or the import has ended otherwise.
    private func take(
        _ id: ImportID,
        _ tenant: TenantID,
        in transaction: Transaction
    ) async throws -> (Store, ImportChunks.Chunk)? {
        // Each statement sees what was committed when it began: behind the lock, the piece that is really the next.
        let rows = try await transaction.query(
            ImportStore.lock(id, tenant: tenant),
            ImportStore.store(of: id, tenant: tenant),
            ImportStore.take(of: id, tenant: tenant)
        )
        guard let row = rows[0].first, try ImportStore.state(row) == .running,
            let store = try rows[1].first.map(TenantStore.decode),
            let chunk = try rows[2].first.map(ImportStore.decodeChunk)
        else { return nil }
        return (store, chunk)
    }

    private func finish(_ job: Job, in transaction: Transaction) async throws {
        let now = environment.clock.now()
        try await JobStore.finish(job, in: transaction, now: now)
        let (tenant, id) = (TenantID(job.tenant), ImportID(job.subject))
        transaction.add(ImportStore.end(id, tenant: tenant, as: .succeeded, error: nil, now: now))
        transaction.add(
            OperationStore.end(OperationID(job.subject), tenant: tenant, as: .succeeded, error: nil, now: now)
        )
    }

    private typealias Verdict = Result<PutOrder.Outcome, PutOrderEntry.Rejection>

    /// What becomes of each line.
    private func put(
        _ lines: [ImportLine],
        _ store: StoreID,
        _ tenant: TenantID,
        now: Instant,
        in transaction: Transaction
    ) async throws -> [Verdict] {
        var verdicts: [Verdict] = []
        for round in ImportLine.rounds(lines) {
            let entries = round.compactMap { try? $0.entry.get() }
            let results = try await PutOrders.apply(entries, tenant: tenant, store: store, now: now, in: transaction)
            var applied = results[...]
            for line in round {
                switch line.entry {
                case .failure(let rejection): verdicts.append(.failure(rejection))
                case .success:
                    guard let verdict = applied.popFirst() else { throw UnreadableRow(table: "orders") }
                    verdicts.append(verdict.map(\.outcome))
                }
            }
        }
        return verdicts
    }

    /// Counts them, and keeps what was wrong.
    private func settle(
        _ lines: [ImportLine],
        _ verdicts: [Verdict],
        _ id: ImportID,
        _ store: StoreID,
        _ tenant: TenantID,
        in transaction: Transaction
    ) {
        var tally = Import.Tally()
        var errors: [Import.LineError] = []
        for (line, verdict) in zip(lines, verdicts) {
            switch verdict {
            case .success(let outcome): tally.count(outcome)
            case .failure(let rejection):
                tally.rejected += 1
                errors.append(Import.LineError(line: line.number, rejection: rejection))
            }
        }
        if !errors.isEmpty {
            transaction.add(ImportStore.insert(errors, of: id, store: store, tenant: tenant))
        }
        for statement in ImportStore.advance(id, tenant: tenant, by: tally) { transaction.add(statement) }
    }

    private static func refusedByDatabase(_ line: ImportLine) -> Verdict {
        line.entry.flatMap { entry in
            let detail = "The database did not take it: two of its parts cannot be told apart."
            return .failure(.init(externalID: entry.externalID, code: .internal, detail: detail))
        }
    }

    // MARK: When the database does not take a line

    /// Finds the lines of the next piece that the database does not take, so that they do not stop the others: halves
    /// the piece until each part is taken, each in a transaction of its own, and settles it then. Should this worker die
    /// on the way, lines it did take are told as unchanged.
    private func takePieceApart(_ job: Job, after error: PostgresError) async throws -> Step {
        let (tenant, id) = (TenantID(job.tenant), ImportID(job.subject))
        let settings = environment.settings(for: job.tenant)
        let rows = try await environment.pool.transaction(
            settings,
            ImportStore.store(of: id, tenant: tenant),
            ImportStore.next(of: id, tenant: tenant)
        )
        guard let store = try rows[0].first.map(TenantStore.decode),
            let chunk = try rows[1].first.map(ImportStore.decodeChunk)
        else {
            // It was not a line that was refused.
            throw error
        }
        let now = environment.clock.now()
        let lines = await ImportLine.lines(of: chunk, noLaterThan: store.now(now) + PutOrder.reach)
        let verdicts = try await putApart(lines[...], store.id, tenant, now: now)
        try await environment.pool.withTransaction(settings, deadline: Self.deadline) { transaction in
            let taken = try await take(id, tenant, in: transaction)
            // Somebody else took it meanwhile.
            guard taken?.1.number == chunk.number else { throw StaleLease() }
            settle(lines, verdicts, id, store.id, tenant, in: transaction)
        }
        return .moved
    }

    private func putApart(
        _ lines: ArraySlice<ImportLine>,
        _ store: StoreID,
        _ tenant: TenantID,
        now: Instant
    ) async throws -> [Verdict] {
        let settings = environment.settings(for: tenant.uuid)
        do {
            return try await environment.pool.withTransaction(settings, deadline: Self.deadline) { transaction in
                try await put(Array(lines), store, tenant, now: now, in: transaction)
            }
        } catch let error as PostgresError where error.isAboutTheOrders {
            guard lines.count > 1 else { return lines.map(Self.refusedByDatabase) }
            let middle = lines.startIndex + lines.count / 2
            return try await putApart(lines[..<middle], store, tenant, now: now)
                + putApart(lines[middle...], store, tenant, now: now)
        }
    }

    // MARK: Giving up

    private func giveUp(_ job: Job) async throws {
        let (tenant, id) = (TenantID(job.tenant), ImportID(job.subject))
        let now = environment.clock.now()
        _ = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            ImportStore.end(id, tenant: tenant, as: .failed, error: Self.gaveUp, now: now),
            OperationStore.end(OperationID(job.subject), tenant: tenant, as: .failed, error: Self.gaveUp, now: now),
            ImportStore.deleteChunks(of: id, tenant: tenant)
        )
    }
}

extension PostgresError {
    /// The values are at fault, not the moment: the same statement would fail again.
    fileprivate var isAboutTheOrders: Bool {
        guard let sqlState else { return false }
        return sqlState.rawValue.hasPrefix("22") || sqlState.rawValue.hasPrefix("23")
    }
}

import CLibpq
import Synchronization

/// A transaction in which later statements depend on earlier answers.
///
/// Statements wait until an answer is needed: BEGIN and the settings travel with the first `query`, and what is
/// `add`ed last travels with COMMIT. A transaction that reads once, decides and writes takes two round trips.
///
/// ```swift
/// let total = try await pool.withTransaction([tenant]) { transaction in
///     let rows = try await transaction.query("SELECT … FOR UPDATE")[0]     // BEGIN, SET LOCAL, SELECT
///     transaction.add("UPDATE …")
///     transaction.add("INSERT …")
///     return try rows.first?.decode(Int.self)                              // UPDATE, INSERT, COMMIT
/// }
/// ```
///
/// A statement that fails ends it: the server rolls back at once, every later call throws `.rolledBack`, and so does
/// `withTransaction` itself if the closure swallowed the error.
///
/// Belongs to the closure it was given to: used after that, every call throws `.closed`.
public final class Transaction: Sendable {
    private struct State {
        var pending: [Batch.Item]
        var isOver = false
        /// A statement failed and the session is idle again: what came now would commit by itself, without settings.
        var hasFailed = false
    }

    private let connection: Connection
    private let deadline: Deadline
    private let state: Mutex<State>

    init(_ connection: Connection, settings: [LocalSetting], deadline: Deadline) {
        self.connection = connection
        self.deadline = deadline
        state = Mutex(State(pending: [.statement(Batch.begin)] + settings.map { .unprepared($0.statement) }))
    }

    /// Leaves a statement to travel with the next round trip. Its answer is not wanted, its failure is not missed:
    /// it fails that round trip.
    public func add(_ sql: SQL) {
        state.withLock { $0.pending.append(.statement(sql)) }
    }

    /// Runs the statements, after those added before, in one round trip; the answers in their order.
    public func query(_ statements: SQL...) async throws(PostgresError) -> [Rows] { try await query(statements) }

    public func query(_ statements: [SQL]) async throws(PostgresError) -> [Rows] {
        Array(try await flush(statements, commits: false).suffix(statements.count))
    }

    func commit() async throws(PostgresError) {
        _ = try await flush([Batch.commit], commits: true)
    }

    func rollBack() async {
        state.withLock { $0.isOver = true }
        await connection.rollBack()
    }

    private func flush(_ statements: [SQL], commits: Bool) async throws(PostgresError) -> [Rows] {
        let items: [Batch.Item] = try state.withLock { state throws(PostgresError) in
            guard !state.isOver else { throw PostgresError(.closed, message: "the transaction is over") }
            guard !state.hasFailed else { throw PostgresError(.rolledBack, message: "an earlier statement had failed") }
            state.isOver = commits
            let items = state.pending + statements.map { .statement($0) }
            state.pending.removeAll()
            return items
        }
        do throws(PostgresError) {
            return try await connection.runInterruptibly(Batch(items: items, commits: commits), deadline: deadline)
        } catch {
            state.withLock { $0.hasFailed = true }
            throw error
        }
    }
}

extension Connection {
    /// Runs a batch; the cancellation of the calling task reaches the server.
    nonisolated func runInterruptibly(_ batch: Batch, deadline: Deadline) async throws(PostgresError) -> [Rows] {
        try await interruptibly { connection throws(PostgresError) in try connection.run(batch, Wait(deadline)) }
    }

    nonisolated func connectInterruptibly(by deadline: Deadline? = nil) async throws(PostgresError) {
        try await interruptibly { connection throws(PostgresError) in try connection.connect(by: deadline) }
    }

    nonisolated func interruptibly<Success: Sendable>(
        _ body: @Sendable (isolated Connection) throws(PostgresError) -> Success
    ) async throws(PostgresError) -> Success {
        // The handler `rethrows`, which loses the error's type: so the operation returns it.
        let outcome: Result<Success, PostgresError> = await withTaskCancellationHandler {
            do throws(PostgresError) {
                return .success(try await body(self))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            interrupt()
        }
        return try outcome.get()
    }

    /// Ends an open transaction that will not be committed; also in a cancelled task, where `run` would refuse.
    func rollBack() {
        defer { noteReusability() }
        guard let pq, !isSpoiled, PQtransactionStatus(pq) != PQTRANS_IDLE else { return }
        guard !Task.isCancelled else { return spoil() }
        do throws(PostgresError) {
            _ = try run(Batch(items: [.unprepared("ROLLBACK")], commits: false), Wait(Deadline(in: .seconds(1))))
        } catch {
            spoil()
        }
    }
}

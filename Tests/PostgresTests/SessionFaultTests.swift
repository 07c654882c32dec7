import Foundation
import Glibc
import Support
import Testing

@testable import Postgres

/// What befalls a session at the server, and what its caller and the next one see.
@Suite(.serialized, .timeLimit(.minutes(1))) struct SessionFaultTests {
    private struct ChangedMind: Error {}

    /// Runs `call` on a pool of one, `fault` while it runs at the server, and expects a sound pool after it.
    private func strike(
        while call: @escaping @Sendable (Pool) async throws -> Void,
        fault: (_ backend: Int32, Task<Void, any Error>) async throws -> Void,
        _ check: (PostgresError, _ sameSession: Bool) throws -> Void
    ) async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let backend = try await pool.backend()
            let task = Task { try await call(pool) }
            try await eventually { try await isRunning("pg_sleep", in: backend) }
            try await fault(backend, task)
            let error = try await failure { try await task.value }
            try check(error, try await pool.backend() == backend)
            #expect(pool.usage == (0, 1, 0))
        }
    }

    @Test func `terminated in the middle of a transaction, nothing was committed`() async throws {
        try await withTable("id bigint") { table in
            try await strike(
                while: { pool in
                    _ = try await pool.transaction([], SQL("INSERT INTO ", table, " VALUES (1)"), "SELECT pg_sleep(60)")
                },
                fault: { backend, _ in try await terminate(backend) },
                { error, sameSession in
                    #expect(error.kind == .server(.adminShutdown))
                    #expect(error.isRetryable)
                    #expect(!sameSession)
                }
            )
            #expect(try await superuser.number("SELECT count(*) FROM \(unsafe: table)") == 0)
        }
    }

    @Test func `terminated while nobody used it, nobody notices`() async throws {
        try await cluster.withPool(maximum: 3) { pool in
            // Three at once, so that there are three.
            let backends = Collected<Int32>()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        try await pool.withTransaction { transaction in
                            let rows = try await transaction.query("SELECT pg_backend_pid()")[0]
                            backends.add(try rows[0].decode(Int32.self))
                            try await eventually { backends.values.count == 3 }
                        }
                    }
                }
                try await group.waitForAll()
            }
            for backend in backends.values { try await terminate(backend) }
            for backend in backends.values { try await waitForEnd(of: backend) }
            for _ in 0..<3 { #expect(!backends.values.contains(try await pool.backend())) }
        }
    }

    @Test func `cancelled by an administrator, the session goes on`() async throws {
        try await strike(
            while: { pool in _ = try await pool.transaction([], "SELECT pg_sleep(60)") },
            fault: { backend, _ in _ = try await superuser.execute("SELECT pg_cancel_backend(\(backend))") },
            { error, sameSession in
                #expect(error.kind == .server(.queryCanceled))
                #expect(sameSession)
            }
        )
    }

    @Test func `a statement timeout of the server's is its error, and the session goes on`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let backend = try await pool.backend()
            let error = try await failure {
                _ = try await pool.transaction(
                    [LocalSetting("statement_timeout", milliseconds: 50)],
                    "SELECT pg_sleep(60)"
                )
            }
            #expect(error.kind == .server(.queryCanceled))
            #expect(try await pool.backend() == backend)
        }
    }

    @Test func `a cancelled task ends its statement at the server`() async throws {
        try await strike(
            while: { pool in _ = try await pool.transaction([], "SELECT pg_sleep(60)") },
            fault: { backend, task in
                task.cancel()
                try await waitForEnd(of: backend)
            },
            { error, sameSession in
                #expect(error.kind == .cancelled)
                #expect(!sameSession)
            }
        )
    }

    @Test func `a cancelled task ends its interactive transaction`() async throws {
        try await withTable("id bigint") { table in
            try await strike(
                while: { pool in
                    try await pool.withTransaction { transaction in
                        _ = try await transaction.query(SQL("INSERT INTO ", table, " VALUES (1)"))
                        _ = try await transaction.query("SELECT pg_sleep(60)")
                    }
                },
                fault: { _, task in task.cancel() },
                { error, sameSession in
                    #expect(error.kind == .cancelled)
                    #expect(!sameSession)
                }
            )
            #expect(try await superuser.number("SELECT count(*) FROM \(unsafe: table)") == 0)
        }
    }

    @Test func `a deadline ends a statement at the server`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let backend = try await pool.backend()
            let start = ContinuousClock.now
            let error = try await failure {
                _ = try await pool.transaction([], deadline: .milliseconds(200), "SELECT pg_sleep(60)")
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(start.duration(to: .now) < .seconds(10))
            try await waitForEnd(of: backend)
            #expect(try await pool.backend() != backend)
        }
    }

    @Test func `a stopped server process holds a caller no longer than its deadline`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            for commits in [false, true] {
                let backend = try await pool.backend()
                kill(backend, SIGSTOP)
                defer { kill(backend, SIGCONT) }
                let start = ContinuousClock.now
                let error = try await failure {
                    if commits {
                        _ = try await pool.transaction([], deadline: .milliseconds(200), "SELECT 1")
                    } else {
                        try await pool.withTransaction(deadline: .milliseconds(200)) { transaction in
                            _ = try await transaction.query("SELECT 1")
                        }
                    }
                }
                // The COMMIT lies in the stopped process's socket: it may find it when it wakes up.
                #expect(error.kind == (commits ? .outcomeUnknown : .deadlineExceeded))
                #expect(start.duration(to: .now) < .seconds(10))
                #expect(try await pool.backend() != backend)
            }
        }
    }

    @Test func `whatever spoils a transaction, the next caller is clean`() async throws {
        try await TenantTable.run { table in
            try await cluster.withPool(cluster.url(user: table.role), maximum: 1) { pool in
                let tenant = TenantTable.setting(UUID())
                let spoilers: [@Sendable (Transaction) async throws -> Void] = [
                    { _ in throw ChangedMind() },
                    { _ = try await $0.query("SELECT 1 / \(0)") },
                    { _ = try await $0.query("SELECT pg_sleep(60)") },
                    { _ in withUnsafeCurrentTask { $0?.cancel() } },
                    { $0.add("SELEKT") },
                ]
                for (number, spoil) in spoilers.enumerated() {
                    let task = Task {
                        try await pool.withTransaction([tenant], deadline: .milliseconds(2 == number ? 200 : 20_000)) {
                            _ = try await $0.query(SQL("CREATE TEMPORARY TABLE leftover ON COMMIT DROP AS SELECT 1"))
                            try await spoil($0)
                        }
                    }
                    await #expect(throws: (any Error).self) { try await task.value }
                    let clean = try await pool.execute(
                        """
                        SELECT coalesce(current_setting('app.tenant_id', true), '') = '',
                            to_regclass('pg_temp.leftover') IS NULL, pg_current_xact_id_if_assigned() IS NULL
                        """
                    )
                    #expect(try clean[0].decode((Bool, Bool, Bool).self) == (true, true, true), "spoiler \(number)")
                }
            }
        }
    }

    @Test func `a lock that is not given in time is the server's error`() async throws {
        try await withTable("id bigint") { table in
            try await superuser.withTransaction { holder in
                _ = try await holder.query(SQL("LOCK TABLE ", table))
                let error = try await failure {
                    _ = try await superuser.transaction(
                        [LocalSetting("lock_timeout", milliseconds: 50)],
                        SQL("SELECT * FROM ", table)
                    )
                }
                #expect(error.kind == .server(.lockNotAvailable))
                #expect(error.isRetryable)
            }
        }
    }
}

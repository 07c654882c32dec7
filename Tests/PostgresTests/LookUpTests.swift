import FoundationEssentials
import Support
import Testing

@testable import Postgres

/// Transactions that only look up, and so may travel together: each gets its own answer, whatever becomes of the others.
@Suite(.serialized, .timeLimit(.minutes(1))) struct LookUpTests {
    private typealias LookUp = Task<Int, any Error>
    private typealias Outcome = Result<Int, PostgresError>
    private let here = PostgresError.CallSite(file: "here", line: 1)

    /// Starts a look-up for each statement, one after the other, and lets the pool's only connection come free when all of
    /// them wait; `meanwhile` begins then. What each came to.
    private func together(
        _ statements: [SQL],
        deadline: Duration = .seconds(15),
        isPrepared: Bool = true,
        meanwhile: @escaping @Sendable (Pool, _ backend: Int32, [LookUp]) async throws -> Void = { _, _, _ in }
    ) async throws -> [Outcome] {
        try await cluster.withPool(
            maximum: 1,
            configure: {
                $0.defaultDeadline = deadline
                $0.connection.preparesStatements = isPrepared
            }
        ) { pool in
            let backend = try await pool.backend()
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            var tasks: [LookUp] = []
            for (index, statement) in statements.enumerated() {
                tasks.append(
                    Task {
                        let rows = try await pool.lookUp([], [statement])
                        return try #require(rows[0].first).decode(Int.self)
                    }
                )
                try await eventually { pool.usage.waiting == index + 1 }
            }
            pool.checkIn(held)
            try await meanwhile(pool, backend, tasks)
            var outcomes: [Outcome] = []
            for task in tasks {
                do {
                    outcomes.append(.success(try await task.value))
                } catch let error as PostgresError {
                    outcomes.append(.failure(error))
                }
            }
            // And the pool is sound after it, with its one connection.
            #expect(try await pool.number("SELECT 7::bigint") == 7)
            #expect(pool.usage == (0, 1, 0))
            return outcomes
        }
    }

    private func numbers(_ range: ClosedRange<Int>) -> [SQL] { range.map { "SELECT \($0)" } }

    private func values(_ outcomes: [Outcome]) -> [Int?] { outcomes.map { try? $0.get() } }

    @Test(arguments: [true, false])
    func `each gets its own answer, prepared or not`(isPrepared: Bool) async throws {
        let outcomes = try await together(numbers(1...50), isPrepared: isPrepared)
        #expect(values(outcomes) == Array(1...50))
    }

    @Test func `eight go at once, and the next ones after them`() async throws {
        let statements = ["SELECT 1 + count(pg_sleep(0.3)) - 1"] + numbers(2...11)
        let outcomes = try await together(statements) { pool, backend, _ in
            try await eventually { try await isRunning("pg_sleep", in: backend) }
            #expect(pool.usage.waiting == 3)
        }
        #expect(values(outcomes) == Array(1...11))
    }

    @Test func `one that fails leaves the others their answers`() async throws {
        for place in [0, 3, 7] {
            var statements = numbers(1...8)
            statements[place] = "SELECT 1 / \(0)"
            let outcomes = try await together(statements)
            var expected: [Int?] = Array(1...8)
            expected[place] = nil
            #expect(values(outcomes) == expected)
            guard case .failure(let error) = outcomes[place] else { continue }
            #expect(error.sqlState == SQLState(rawValue: "22012") && error.statement == "SELECT 1 / $1")
        }
    }

    @Test func `one that is cancelled leaves the others their answers`() async throws {
        var statements = numbers(1...8)
        statements[3] = "SELECT count(pg_sleep(60))"
        let outcomes = try await together(statements) { _, backend, tasks in
            try await eventually { try await isRunning("pg_sleep", in: backend) }
            tasks[3].cancel()
        }
        #expect(values(outcomes) == [1, 2, 3, nil, 5, 6, 7, 8])
        guard case .failure(let error) = outcomes[3] else { return }
        #expect(error.kind == .cancelled)
    }

    @Test func `one that was cancelled before it began is told so`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await pool.lookUp([], ["SELECT 1"])
            }
            let error = try await failure { try await task.value }
            #expect(error.kind == .cancelled)
        }
    }

    @Test func `one that waits behind a slow one can be cancelled, and the slow one goes on`() async throws {
        var statements = numbers(1...4)
        statements[1] = "SELECT count(pg_sleep(60))"
        let outcomes = try await together(statements) { _, backend, tasks in
            try await eventually { try await isRunning("pg_sleep", in: backend) }
            tasks[2].cancel()
            // At once: it need not wait for the slow one.
            let error = try await failure { _ = try await tasks[2].value }
            #expect(error.kind == .cancelled)
            #expect(try await isRunning("pg_sleep", in: backend))
            tasks[1].cancel()
        }
        #expect(values(outcomes) == [1, nil, nil, 4])
    }

    @Test func `one that takes longer than its deadline leaves those before it their answers`() async throws {
        var statements = numbers(1...4)
        statements[2] = "SELECT count(pg_sleep(60))"
        let outcomes = try await together(statements, deadline: .milliseconds(500))
        #expect(values(outcomes).prefix(3) == [1, 2, nil])
        guard case .failure(let error) = outcomes[2] else { return }
        #expect(error.kind == .deadlineExceeded)
        // The one behind it has a few milliseconds left, which may do for another session.
        guard case .failure(let behind) = outcomes[3] else { return }
        #expect([.deadlineExceeded, .connectFailed].contains(behind.kind))
    }

    /// Whatever holds it up, those that came with it have nothing to do with it.
    @Test func `one that takes long is run again alone, and those behind it do not wait for it`() async throws {
        try await withTable("id bigint") { table in
            let statements: [SQL] = ["SELECT 1", SQL("SELECT count(*) FROM ", table), "SELECT 3", "SELECT 4"]
            let (held, holding) = AsyncStream.makeStream(of: Void.self)
            let (released, releasing) = AsyncStream.makeStream(of: Void.self)
            async let lock: Void = superuser.withTransaction { transaction in
                _ = try await transaction.query(SQL("LOCK TABLE ", table, " IN ACCESS EXCLUSIVE MODE"))
                holding.finish()
                for await _ in released {}
            }
            for await _ in held {}
            let outcomes = try await together(statements) { _, _, tasks in
                defer { releasing.finish() }
                let behind = [try await tasks[2].value, try await tasks[3].value]
                #expect(behind == [3, 4])
            }
            #expect(values(outcomes) == [1, 0, 3, 4])
            try await lock
        }
    }

    @Test func `when their session ends, those that were not answered are run again in another`() async throws {
        var statements = numbers(1...8)
        statements[4] = "SELECT count(pg_sleep(60))"
        let outcomes = try await together(statements) { _, backend, _ in
            try await eventually { try await isRunning("pg_sleep", in: backend) }
            try await terminate(backend)
        }
        #expect(values(outcomes) == [1, 2, 3, 4, nil, 6, 7, 8])
        guard case .failure(let error) = outcomes[4] else { return }
        // Never in doubt: it could change nothing.
        #expect(error.isRetryable && error.kind != .outcomeUnknown)
    }

    @Test func `it can change nothing`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let error = try await failure {
                    _ = try await pool.lookUp([], [SQL("INSERT INTO ", table, " VALUES (1)")])
                }
                #expect(error.sqlState == SQLState(rawValue: "25006"))
                #expect(try await pool.number(SQL("SELECT count(*) FROM ", table)) == 0)
            }
        }
    }

    @Test func `each is of its own tenant`() async throws {
        try await TenantTable.run { table in
            try await cluster.withPool(cluster.url(user: table.role), maximum: 2) { pool in
                let tenants = (1...20).map { number in (UUID(), number) }
                for (tenant, number) in tenants {
                    _ = try await pool.transaction(
                        [TenantTable.setting(tenant)],
                        "INSERT INTO \(unsafe: table.name) VALUES (\(tenant), \(number))"
                    )
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (tenant, number) in Array(repeating: tenants, count: 10).joined() {
                        group.addTask {
                            let numbers = try await pool.lookUp(
                                [TenantTable.setting(tenant)],
                                [SQL("SELECT number FROM ", table.name)]
                            )
                            #expect(try numbers[0].decode(Int.self) == [number])
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }
}

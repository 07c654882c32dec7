import Support
import Testing

@testable import Postgres

@Suite(.timeLimit(.minutes(1))) struct ErrorTests {
    @Test func `an error keeps what a developer needs, and shows a stranger nothing`() async throws {
        try await withTable("id bigint, secret text, CONSTRAINT \(uniqueName("k")) UNIQUE (secret)") { table in
            let insert: SQL = "INSERT INTO \(unsafe: table) VALUES (\(1), \("hunter2"))"
            _ = try await superuser.execute(insert)
            let line: UInt = #line + 1
            let error = try await failure { _ = try await superuser.transaction([], insert) }
            #expect(error.kind == .server(.uniqueViolation))
            #expect(error.sqlState == .uniqueViolation)
            #expect(error.constraint?.hasPrefix("k_") == true)
            #expect(error.table == table)
            #expect(error.statement == insert.text)
            #expect(error.detail?.contains("hunter2") == true)
            #expect(error.callSite == PostgresError.CallSite(file: #fileID, line: line))
            #expect(!error.isRetryable)

            #expect("\(error)" == "database error")
            #expect(String(describing: error) == "database error")
            #expect("\(error as any Error)" == "database error")
            let debug = String(reflecting: error)
            #expect(
                debug.contains("23505") && debug.contains("ErrorTests.swift:\(line)") && debug.contains(insert.text)
            )
        }
    }

    @Test func `every way to call says where it was called`() async throws {
        let wrong: StaticString = "id nonsense"
        let calls: [(UInt, () async throws -> Void)] = [
            (#line, { _ = try await superuser.execute("SELEKT") }),
            (#line, { _ = try await superuser.transaction([], "SELEKT") }),
            (#line, { try await superuser.withTransaction { _ = try await $0.query("SELEKT") } }),
            (#line, { try await superuser.script("SELEKT") }),
            (
                #line + 1,
                { _ = try await superuser.copy([], CopyRows(), intoStaging: "s", columns: wrong, then: "SELECT 1") }
            ),
        ]
        for (line, call) in calls {
            let error = try await failure { try await call() }
            #expect(error.callSite == PostgresError.CallSite(file: #fileID, line: line))
        }
    }

    @Test func `constraints are told apart by kind and name`() async throws {
        try await withTable("id bigint PRIMARY KEY, amount bigint CONSTRAINT positive CHECK (amount > 0)") { table in
            let refused = try await failure {
                _ = try await superuser.execute("INSERT INTO \(unsafe: table) VALUES (\(1), \(-1))")
            }
            #expect(refused.kind == .server(.checkViolation))
            #expect(refused.constraint == "positive")
            _ = try await superuser.execute("INSERT INTO \(unsafe: table) VALUES (\(1), \(1))")
            let twice = try await failure {
                _ = try await superuser.execute("INSERT INTO \(unsafe: table) VALUES (\(1), \(1))")
            }
            #expect(twice.constraint == "\(table)_pkey")
        }
    }

    @Test(arguments: [
        ("orders_pkey_102018", "orders_pkey"), ("orders_pkey", "orders_pkey"), ("orders", "orders"), ("", ""),
        ("price_2024", "price_2024"), ("orders_1020180", "orders"), ("a_", "a_"), ("line_2_key", "line_2_key"),
    ])
    func `a shard's suffix is no part of a constraint's name`(name: String, expected: String) {
        #expect(PostgresError.withoutShardSuffix(name) == expected)
    }

    @Test(arguments: ["40001", "40P01", "55P03", "53300", "53100", "08006", "57P01", "57P03", "25006", "26000"])
    func `a passing cause may be tried again`(state: String) {
        #expect(PostgresError(.server(SQLState(rawValue: state)), message: "").isRetryable)
    }

    @Test(arguments: ["23505", "23503", "42P01", "42501", "57014", "22012"])
    func `a mistake or a refusal may not`(state: String) {
        #expect(!PostgresError(.server(SQLState(rawValue: state)), message: "").isRetryable)
    }

    @Test func `an unknown outcome is never retryable`() {
        #expect(!PostgresError(.outcomeUnknown, message: "").isRetryable)
        #expect(!PostgresError(.deadlineExceeded, message: "").isRetryable)
        #expect(!PostgresError(.cancelled, message: "").isRetryable)
        #expect(PostgresError(.connectionLost, message: "").isRetryable)
        #expect(PostgresError(.connectFailed, message: "").isRetryable)
        #expect(PostgresError(.poolExhausted, message: "").isRetryable)
    }

    @Test func `a zero byte in a text is the server's refusal, not a shortened text`() async throws {
        let error = try await failure { _ = try await superuser.execute("SELECT \("a\0b") AS value") }
        #expect(error.sqlState == SQLState(rawValue: "22021"))
        let json = try await failure { _ = try await superuser.execute("SELECT \(JSONB(#""\u0000""#.utf8)) AS value") }
        #expect(json.sqlState == .untranslatableCharacter)
    }
}

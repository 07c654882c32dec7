import Foundation
import Postgres
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct PreparedStatementTests {
    @Test func `a statement is prepared once and used again`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            for number in 1...5 { _ = try await pool.transaction([], "SELECT \(number) AS reused") }
            let prepared = try await pool.execute(
                """
                SELECT count(*), sum(generic_plans + custom_plans)::bigint FROM pg_prepared_statements
                WHERE statement = 'SELECT $1 AS reused'
                """
            )
            #expect(try prepared[0].decode((Int, Int).self) == (1, 5))
        }
    }

    @Test func `the same text twice in one round trip is prepared once`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let answers = try await pool.transaction([], "SELECT \(1) AS twice", "SELECT \(2) AS twice")
            #expect(try answers.map { try $0[0]("twice", as: Int.self) } == [1, 2])
            let count = try await pool.number(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1 AS twice'"
            )
            #expect(count == 1)
        }
    }

    @Test func `texts of one length are statements of their own`() async throws {
        try await cluster.withPool(maximum: 1) { pool async throws in
            for _ in 1...2 {
                #expect(try await pool.value("SELECT \(1) AS a", as: Int.self) == 1)
                #expect(try await pool.value("SELECT -\(1) AS a", as: Int.self) == -1)
                #expect(try await pool.value("SELECT +\(2) AS a", as: Int.self) == 2)
            }
        }
    }

    @Test func `the same text with other types is another statement`() async throws {
        try await cluster.withPool(maximum: 1) { pool async throws in
            #expect(try await pool.value("SELECT \(1) AS value", as: Int.self) == 1)
            #expect(try await pool.value("SELECT \("a") AS value", as: String.self) == "a")
            #expect(try await pool.value("SELECT \(true) AS value", as: Bool.self))
            #expect(try await pool.value("SELECT \(2) AS value", as: Int.self) == 2)
        }
    }

    @Test func `a failed batch leaves names and statements in step`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            for number in 1...3 {
                _ = try await failure {
                    _ = try await pool.transaction(
                        [],
                        "SELECT \(number) AS a",
                        "SELECT \(number) / 0",
                        "SELECT \(number) AS c"
                    )
                }
                #expect(try await pool.number("SELECT \(number) AS c") == number)
                #expect(try await pool.number("SELECT \(number) AS a") == number)
            }
        }
    }

    @Test func `a table altered under a cached plan costs one retryable error`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let everything = SQL("SELECT * FROM ", table)
                _ = try await pool.execute("INSERT INTO \(unsafe: table) VALUES (\(1))")
                _ = try await pool.transaction([], everything)
                _ = try await superuser.execute(SQL("ALTER TABLE ", table, " ADD COLUMN name text"))
                let error = try await failure { _ = try await pool.transaction([], everything) }
                #expect(error.kind == .server(.featureNotSupported))
                #expect(error.isRetryable)
                let healed = try await pool.transaction([], everything)
                #expect(try healed[0][0].decode((Int, String?).self) == (1, nil))
            }
        }
    }

    @Test func `preparing turned off leaves no statement behind`() async throws {
        try await cluster.withPool(maximum: 1, configure: { $0.connection.preparesStatements = false }) { pool in
            for number in 1...3 {
                let answers = try await pool.transaction([], "SELECT \(number) AS value", "SELECT \("text") AS value")
                #expect(try answers[0][0]("value", as: Int.self) == number)
            }
            #expect(try await pool.number("SELECT count(*) FROM pg_prepared_statements") == 0)
        }
    }

    @Test func `texts made anew for every call stop being prepared`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            for number in 0..<600 { _ = try await pool.execute(SQL(unsafe: "SELECT \(number)")) }
            #expect(try await pool.number("SELECT count(*) FROM pg_prepared_statements") <= 512)
        }
    }
}

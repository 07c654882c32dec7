import Foundation
import Support
import Testing

@testable import Postgres

/// Transactions that travel in one round trip.
@Suite(.serialized, .timeLimit(.minutes(1))) struct TransactionTests {
    @Test func `the answers come in the order of the statements`() async throws {
        let answers = try await superuser.transaction(
            [LocalSetting("app.tenant_id", UUID()), LocalSetting("statement_timeout", milliseconds: 5000)],
            "SELECT \(1) AS number",
            "SELECT generate_series(1, 3)::bigint AS number",
            "SELECT \(2) AS number WHERE false"
        )
        #expect(try answers.map { try $0.map { try $0("number", as: Int.self) } } == [[1], [1, 2, 3], []])
        #expect(answers[2].first == nil)
    }

    @Test func `rows decode to tuples, and count what they touched`() async throws {
        try await withTable("id bigint, name text") { table in
            let answers = try await superuser.transaction(
                [],
                "INSERT INTO \(unsafe: table) SELECT number, 'n' || number FROM generate_series(1, 5) AS number",
                "UPDATE \(unsafe: table) SET name = NULL WHERE id > \(3)",
                "SELECT id, name FROM \(unsafe: table) ORDER BY id",
                "DELETE FROM \(unsafe: table) WHERE id = \(99)"
            )
            #expect(answers.map(\.affected) == [5, 2, 5, 0])
            let rows = try answers[2].decode((Int, String?).self)
            #expect(rows.map(\.0) == [1, 2, 3, 4, 5])
            #expect(rows.map(\.1) == ["n1", "n2", "n3", nil, nil])
        }
    }

    @Test func `settings hold inside and are gone after`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let tenant = UUID()
            let inside = try await pool.transaction(
                [LocalSetting("app.tenant_id", tenant), LocalSetting("statement_timeout", milliseconds: 4321)],
                "SELECT current_setting('app.tenant_id')::uuid AS tenant, current_setting('statement_timeout') AS time"
            )
            #expect(try inside[0][0].decode((UUID, String).self) == (tenant, "4321ms"))
            let after = try await pool.execute(
                "SELECT nullif(current_setting('app.tenant_id', true), ''), current_setting('statement_timeout')"
            )
            #expect(try after[0].decode((String?, String).self) == (nil, "0"))
        }
    }

    @Test func `a transaction takes one round trip`() async throws {
        try await FaultProxy.run { proxy in
            try await cluster.withPool(proxy.url(), maximum: 1) { pool in
                _ = try await pool.execute("SELECT 1")
                let before = proxy.roundTrips
                _ = try await pool.transaction(
                    [LocalSetting("app.tenant_id", UUID())],
                    "SELECT \(1)",
                    "SELECT \(2)",
                    "SELECT \("three")"
                )
                #expect(proxy.roundTrips == before + 1)
                _ = try await pool.execute("SELECT 4")
                #expect(proxy.roundTrips == before + 2)
            }
        }
    }

    @Test func `statements and answers larger than every buffer do not block each other`() async throws {
        let big = String(repeating: "x", count: 3_000_000)
        try await cluster.withPool { pool in
            let answers = try await pool.transaction(
                [],
                "SELECT \(big) AS a",
                "SELECT \(big) AS b",
                "SELECT \(big) AS c",
                "SELECT length(\(big))::bigint AS d"
            )
            #expect(try answers[2][0]("c", as: String.self) == big)
            #expect(try answers[3][0]("d", as: Int.self) == big.count)
        }
    }

    @Test func `an error in the middle undoes all, and the session goes on`() async throws {
        try await withTable("id bigint PRIMARY KEY") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let backend = try await pool.backend()
                let error = try await failure {
                    _ = try await pool.transaction(
                        [LocalSetting("app.tenant_id", UUID())],
                        "INSERT INTO \(unsafe: table) VALUES (\(1))",
                        "SELECT 1 / \(0)",
                        "INSERT INTO \(unsafe: table) VALUES (\(2))"
                    )
                }
                #expect(error.sqlState == SQLState(rawValue: "22012"))
                #expect(error.statement == "SELECT 1 / $1")
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                #expect(try await pool.backend() == backend)
            }
        }
    }

    @Test func `a statement that does not parse undoes all`() async throws {
        try await withTable("id bigint PRIMARY KEY") { table in
            try await cluster.withPool(maximum: 1) { pool in
                for _ in 0..<3 {
                    let error = try await failure {
                        _ = try await pool.transaction([], "INSERT INTO \(unsafe: table) VALUES (\(1))", "SELEKT 1")
                    }
                    #expect(error.sqlState == SQLState(rawValue: "42601"))
                    #expect(error.statement == "SELEKT 1")
                }
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
            }
        }
    }

    @Test func `a deferred constraint that fails at COMMIT is an error`() async throws {
        try await withTable("id bigint, CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let insert = SQL("INSERT INTO ", table, " VALUES (1), (1)")
                let together = try await failure { _ = try await pool.transaction([], insert) }
                #expect(together.kind == .server(.uniqueViolation))
                #expect(together.constraint == "once")
                // Here the Sync ends an implicit transaction, and the error comes after the statement's own answer.
                let alone = try await failure { _ = try await pool.execute(insert) }
                #expect(alone.kind == .server(.uniqueViolation))
                let late = try await failure {
                    try await pool.withTransaction { transaction in _ = try await transaction.query(insert) }
                }
                #expect(late.kind == .server(.uniqueViolation))
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
            }
        }
    }

    @Test func `a COMMIT that is answered with ROLLBACK is no success`() async throws {
        let connection = Connection(ConnectionSettings(url: cluster.url()))
        try await connection.connectInterruptibly()
        let error = try await failure {
            _ = try await connection.runInterruptibly(
                Batch(items: [.unprepared("BEGIN"), .unprepared("ROLLBACK")], commits: true),
                deadline: Deadline(in: .seconds(10))
            )
        }
        #expect(error.kind == .rolledBack)
        await connection.close()
    }

    @Test func `COPY outside Pool.copy fails instead of hanging`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                for statement in ["COPY \(table) FROM STDIN", "COPY \(table) TO STDOUT"] {
                    let error = try await failure { _ = try await pool.execute(SQL(unsafe: statement)) }
                    #expect(error.kind == .server(.featureNotSupported))
                    #expect(try await pool.number("SELECT 1::bigint") == 1)
                }
            }
        }
    }
}

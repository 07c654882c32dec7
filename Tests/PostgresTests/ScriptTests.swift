import Postgres
import Support
import Testing

/// Texts of many statements, as migrations are.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ScriptTests {
    @Test func `runs every statement, and the session goes on`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let backend = try await pool.backend()
                try await pool.script(
                    """
                    INSERT INTO \(table) VALUES (1); SELECT * FROM \(table);
                    -- a comment; with a semicolon
                    DO $$ BEGIN RAISE NOTICE 'nothing to see'; END $$;
                    INSERT INTO \(table) VALUES (2);
                    """
                )
                #expect(try await pool.number("SELECT sum(id)::bigint FROM \(unsafe: table)") == 3)
                #expect(try await pool.backend() == backend)
                try await pool.script("")
            }
        }
    }

    @Test func `is one transaction, unless it has its own`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let insert = "INSERT INTO \(table) VALUES (1);"
                let whole = try await failure { try await pool.script(insert + "SELECT 1 / 0;" + insert) }
                #expect(whole.sqlState == SQLState(rawValue: "22012"))
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                _ = try await failure { try await pool.script("BEGIN;\(insert)COMMIT; SELECT 1 / 0;\(insert)") }
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 1)
            }
        }
    }

    @Test func `a transaction it leaves open is not the next caller's`() async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let backend = try await pool.backend()
                try await pool.script("BEGIN; INSERT INTO \(table) VALUES (1)")
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                #expect(try await pool.backend() != backend)
            }
        }
    }

    @Test(arguments: ["FROM STDIN", "TO STDOUT"])
    func `COPY in a script fails instead of hanging`(direction: String) async throws {
        try await withTable("id bigint") { table in
            try await cluster.withPool(maximum: 1) { pool in
                let error = try await failure { try await pool.script("COPY \(table) \(direction); SELECT 1") }
                #expect(error.kind == .server(.featureNotSupported))
                #expect(try await pool.number("SELECT 1::bigint") == 1)
            }
        }
    }

    @Test func `its deadline ends it at the server`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let backend = try await pool.backend()
            let error = try await failure { try await pool.script("SELECT pg_sleep(60)", deadline: .milliseconds(200)) }
            #expect(error.kind == .deadlineExceeded)
            try await waitForEnd(of: backend)
        }
    }

    @Test func `a lost answer is an unknown outcome`() async throws {
        try await withTable("id bigint") { table in
            try await FaultProxy.run { proxy in
                try await cluster.withPool(proxy.url(), maximum: 1) { pool in
                    for (number, ending) in [FaultProxy.Ending.close, .silence].enumerated() {
                        proxy.cutReplies(after: "INSERT", then: ending)
                        let error = try await failure {
                            try await pool.script(
                                "INSERT INTO \(table) VALUES (1)",
                                deadline: ending == .close ? .seconds(20) : .milliseconds(200)
                            )
                        }
                        #expect(error.kind == .outcomeUnknown)
                        #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == number + 1)
                    }
                }
            }
        }
    }
}

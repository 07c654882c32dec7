import Foundation
import Postgres
import Support
import Testing
import Time

@Suite(.serialized, .timeLimit(.minutes(1))) struct CopyTests {
    @Test func `rows of every type arrive`() async throws {
        let columns =
            "b bool, l bigint, i int, s smallint, d double precision, t text, u uuid, z timestamptz, y bytea, j jsonb, a bigint[]"
        try await withTable(columns) { table in
            var rows = CopyRows()
            let (id, now) = (UUID(), Instant(microseconds: 1_790_000_000_000_001))
            let (bytes, json) = (Bytea([0, 255]), JSONB(#"{"k": "v"}"#.utf8))
            rows.append(true, Int64.min, Int32.max, Int16.min, 0.5, "ü\t\n\\N", id, now, bytes, json, [1, 2])
            rows.append(
                Bool?.none,
                Int64?.none,
                Int32?.none,
                Int16?.none,
                Double?.none,
                String?.none,
                UUID?.none,
                Instant?.none,
                Bytea?.none,
                JSONB?.none,
                [Int]?.none
            )
            #expect(rows.count == 2)
            let answers = try await superuser.copy(
                [],
                rows,
                intoStaging: "staging",
                columns: """
                    b bool, l bigint, i int, s smallint, d double precision, t text, u uuid, z timestamptz, y bytea,
                    j jsonb, a bigint[]
                    """,
                then: "INSERT INTO \(unsafe: table) SELECT * FROM staging",
                "SELECT * FROM \(unsafe: table) ORDER BY b NULLS LAST"
            )
            #expect(answers.map(\.count) == [0, 2])
            #expect(answers[0].affected == 2)
            let first = try answers[1][0].decode(
                (Bool, Int64, Int32, Int16, Double, String, UUID, Instant, Bytea, JSONB, [Int]).self
            )
            #expect(first.0 && first.1 == .min && first.2 == .max && first.3 == .min && first.4 == 0.5)
            #expect(first.5 == "ü\t\n\\N" && first.6 == id && first.7 == now && first.8 == bytes && first.9 == json)
            #expect(first.10 == [1, 2])
            let second = try answers[1][1].decode(
                (Bool?, Int64?, Int32?, Int16?, Double?, String?, UUID?, Instant?).self
            )
            #expect(second.0 == nil && second.5 == nil && second.7 == nil)
        }
    }

    @Test func `rows reach a table with row level security, of the tenant only`() async throws {
        try await TenantTable.run { table in
            try await cluster.withPool(cluster.url(user: table.role), maximum: 1) { pool in
                let (mine, theirs) = (UUID(), UUID())
                var rows = CopyRows()
                for number in 1...1000 { rows.append(mine, number) }
                let move = SQL("INSERT INTO ", table.name, " SELECT * FROM staging")
                let columns: StaticString = "tenant_id uuid, number bigint"
                // Twice, for the second time the statement's plan is of a staging table that is gone.
                for _ in 1...2 {
                    let answers = try await pool.copy(
                        [TenantTable.setting(mine)],
                        rows,
                        intoStaging: "staging",
                        columns: columns,
                        then: move
                    )
                    #expect(answers[0].affected == 1000)
                }
                let error = try await failure {
                    _ = try await pool.copy(
                        [TenantTable.setting(theirs)],
                        rows,
                        intoStaging: "staging",
                        columns: columns,
                        then: move
                    )
                }
                #expect(error.kind == .server(.insufficientPrivilege))
                let count = SQL("SELECT count(*) FROM ", table.name)
                let counts = try await pool.transaction([TenantTable.setting(mine)], count)
                #expect(try counts[0][0].decode(Int.self) == 2000)
                #expect(try await pool.number(count) == 0)
            }
        }
    }

    @Test func `many rows go through in pieces`() async throws {
        var rows = CopyRows()
        let text = String(repeating: "long ", count: 200)
        for number in 0..<5000 { rows.append(number, text) }
        let answers = try await superuser.copy(
            [],
            rows,
            intoStaging: "staging",
            columns: "number bigint, text text",
            then: "SELECT count(*), sum(length(text))::bigint FROM staging"
        )
        #expect(try answers[0][0].decode((Int, Int).self) == (5000, 5_000_000))
    }

    @Test func `an error leaves the pool sound`() async throws {
        try await withTable("number bigint PRIMARY KEY") { table in
            try await cluster.withPool(maximum: 1) { pool in
                var rows = CopyRows()
                for number in 1...10 { rows.append("number \(number)") }
                // The staging table's type is another one: COPY itself fails.
                let copying = try await failure {
                    _ = try await pool.copy(
                        [],
                        rows,
                        intoStaging: "staging",
                        columns: "number bigint",
                        then: "SELECT 1"
                    )
                }
                #expect(copying.sqlState != nil, "\(String(reflecting: copying))")
                #expect(try await pool.number("SELECT 1::bigint") == 1)

                var twice = CopyRows()
                for _ in 1...2 { twice.append(7) }
                let moving = try await failure {
                    _ = try await pool.copy(
                        [],
                        twice,
                        intoStaging: "staging",
                        columns: "number bigint",
                        then: "INSERT INTO \(unsafe: table) SELECT * FROM staging"
                    )
                }
                #expect(moving.kind == .server(.uniqueViolation))
                #expect(try await pool.number("SELECT count(*) FROM \(unsafe: table)") == 0)
                let left = try await pool.number(
                    "SELECT count(*) FROM pg_class WHERE relname = 'staging' AND pg_table_is_visible(oid)"
                )
                #expect(left == 0)
            }
        }
    }

    @Test func `a stalled server does not hold a COPY past its deadline`() async throws {
        try await FaultProxy.run { proxy in
            try await cluster.withPool(proxy.url(), maximum: 1) { pool in
                _ = try await pool.execute("SELECT 1")
                proxy.stall()
                var rows = CopyRows()
                let text = String(repeating: "long ", count: 20_000)
                for number in 0..<200 { rows.append(number, text) }
                let start = ContinuousClock.now
                let error = try await failure {
                    _ = try await pool.copy(
                        [],
                        rows,
                        intoStaging: "staging",
                        columns: "number bigint, text text",
                        deadline: .milliseconds(200),
                        then: "SELECT 1"
                    )
                }
                #expect(error.kind == .deadlineExceeded)
                #expect(start.duration(to: .now) < .seconds(10))
                proxy.resume()
                #expect(try await pool.number("SELECT 1::bigint") == 1)
            }
        }
    }
}

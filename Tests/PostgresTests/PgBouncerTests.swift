import Foundation
import Postgres
import Support
import Testing

/// PgBouncer 1.18 in transaction mode: the next transaction may run in another session, and another client's in ours.
@Suite(.serialized, .enabled(if: PgBouncer.isInstalled), .timeLimit(.minutes(1))) struct PgBouncerTests {
    /// Two pools, as of two processes, that share one session with the server.
    private func withTwoClients(_ body: (TenantTable, Pool, Pool) async throws -> Void) async throws {
        try await TenantTable.run { table in
            try await PgBouncer.run(sessions: 1, users: ["postgres", table.role]) { bouncer in
                let url = bouncer.url(database: "postgres", user: table.role)
                let unprepared = { (settings: inout Pool.Settings) in settings.connection.preparesStatements = false }
                try await cluster.withPool(url, configure: unprepared) { first in
                    try await cluster.withPool(url, configure: unprepared) { second in
                        try await body(table, first, second)
                    }
                }
            }
        }
    }

    @Test func `a tenant's setting never reaches the next client`() async throws {
        try await withTwoClients { table, first, second in
            let (tenant, other) = (UUID(), UUID())
            let count = SQL("SELECT count(*) FROM ", table.name)
            for number in 1...5 {
                let mine = try await first.transaction(
                    [TenantTable.setting(tenant)],
                    "INSERT INTO \(unsafe: table.name) VALUES (\(tenant), \(number))",
                    count,
                    "SELECT pg_backend_pid()"
                )
                #expect(try mine[1][0].decode(Int.self) == number)
                // The same session of the server's: without the tenant it shows nothing, with another one, nothing too.
                #expect(try await second.backend() == mine[2][0].decode(Int32.self))
                #expect(try await second.number(count) == 0)
                let theirs = try await second.transaction([TenantTable.setting(other)], count)
                #expect(try theirs[0][0].decode(Int.self) == 0)
            }
        }
    }

    @Test func `look-ups travel alone, and are answered each for its own tenant`() async throws {
        try await withTwoClients { table, first, second in
            let tenants = (1...20).map { (UUID(), $0) }
            for (tenant, number) in tenants {
                _ = try await first.transaction(
                    [TenantTable.setting(tenant)],
                    "INSERT INTO \(unsafe: table.name) VALUES (\(tenant), \(number))"
                )
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, (tenant, number)) in Array(repeating: tenants, count: 10).joined().enumerated() {
                    let pool = index % 2 == 0 ? first : second
                    group.addTask {
                        let statement = SQL("SELECT number FROM ", table.name)
                        let answers = try await pool.lookUp([TenantTable.setting(tenant)], [statement])
                        #expect(try answers[0].decode(Int.self) == [number])
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `a transaction that failed leaves nothing to the next client`() async throws {
        try await withTwoClients { table, first, second in
            let tenant = UUID()
            let count = SQL("SELECT count(*) FROM ", table.name)
            _ = try await first.transaction(
                [TenantTable.setting(tenant)],
                "INSERT INTO \(unsafe: table.name) VALUES (\(tenant), \(1))"
            )
            for _ in 1...3 {
                let error = try await failure {
                    _ = try await first.transaction([TenantTable.setting(tenant)], count, "SELECT 1 / \(0)", count)
                }
                #expect(error.sqlState == SQLState(rawValue: "22012"))
                #expect(try await second.number(count) == 0)
            }
            // One that is left open when its caller gives up.
            let late = try await failure {
                try await first.withTransaction([TenantTable.setting(tenant)], deadline: .milliseconds(200)) {
                    _ = try await $0.query(count)
                    _ = try await $0.query("SELECT pg_sleep(60)")
                }
            }
            #expect(late.kind == .deadlineExceeded)
            #expect(try await second.number(count) == 0)
        }
    }

    @Test func `transactions in steps keep their session`() async throws {
        try await withTwoClients { table, first, second in
            let tenant = UUID()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for pool in [first, second] {
                    for number in 1...10 {
                        group.addTask {
                            try await pool.withTransaction([TenantTable.setting(tenant)]) { transaction in
                                let before = try await transaction.query("SELECT pg_backend_pid(), txid_current()")[0][
                                    0
                                ]
                                transaction.add("INSERT INTO \(unsafe: table.name) VALUES (\(tenant), \(number))")
                                let after = try await transaction.query("SELECT pg_backend_pid(), txid_current()")[0][0]
                                let same = try before.decode((Int, Int).self) == after.decode((Int, Int).self)
                                #expect(same)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let count = try await second.transaction(
                [TenantTable.setting(tenant)],
                SQL("SELECT count(*) FROM ", table.name)
            )
            #expect(try count[0][0].decode(Int.self) == 20)
        }
    }

    @Test func `COPY through a staging table works, and leaves none behind`() async throws {
        try await withTwoClients { table, first, second in
            let tenant = UUID()
            var rows = CopyRows()
            for number in 1...2000 { rows.append(tenant, number) }
            for pool in [first, second, first] {
                let answers = try await pool.copy(
                    [TenantTable.setting(tenant)],
                    rows,
                    intoStaging: "staging",
                    columns: "tenant_id uuid, number bigint",
                    then: SQL("INSERT INTO ", table.name, " SELECT * FROM staging")
                )
                #expect(answers[0].affected == 2000)
                #expect(try await pool.value("SELECT to_regclass('pg_temp.staging') IS NULL", as: Bool.self))
            }
        }
    }
}

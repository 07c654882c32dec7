import Postgres
import Support
import Testing

@testable import Schema

/// Every test has an empty database of its own.
@Suite(.timeLimit(.minutes(2))) struct MigratorTests {
    private func withDatabase(_ body: (MigratedDatabase) async throws -> Void) async throws {
        let database = try await MigratedDatabase.empty()
        do {
            try await body(database)
            try await database.drop()
        } catch {
            try await database.drop()
            throw error
        }
    }

    private func exists(_ relation: String, _ database: MigratedDatabase) async throws -> Bool {
        let rows = try await database.superuser.execute("SELECT to_regclass(\(relation)) IS NOT NULL")
        return try rows.first?.decode(Bool.self) ?? false
    }

    private func migrations(_ texts: String...) -> [Migration] {
        texts.enumerated().map { Migration(number: $0 + 1, name: "000\($0 + 1)_test", sql: $1) }
    }

    /// `count` programs, each with its own connections, at once; what each of them applied.
    private func runTogether(
        _ count: Int,
        _ database: MigratedDatabase,
        _ migrations: [Migration]
    ) async throws -> [[String]] {
        try await withThrowingTaskGroup { group in
            for _ in 0..<count {
                group.addTask {
                    try await TestCluster.shared.withPool(database.migratorURL) { pool in
                        try await Migrator(pool, migrations: migrations).run()
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test func `an empty database is brought to the latest, once`() async throws {
        try await withDatabase { database in
            let migrator = Migrator(database.migrator)
            #expect(try await migrator.run() == Migration.all.map(\.name))
            // Each its own, in order. One may be missing that is still being worked on: it is applied when it comes.
            let numbers = Migration.all.map(\.number)
            #expect(numbers == Set(numbers).sorted())
            try await migrator.verify()
            #expect(try await migrator.run() == [])
        }
    }

    @Test func `the roles that serve and work can verify`() async throws {
        let database = try await MigratedDatabase.shared()
        try await Migrator(database.app).verify()
        try await Migrator(database.worker).verify()
    }

    @Test func `programs that start at once migrate once`() async throws {
        try await withDatabase { database in
            let applied = try await runTogether(4, database, Migration.all)
            #expect(applied.filter { !$0.isEmpty } == [Migration.all.map(\.name)])
            #expect(applied.count == 4)
        }
    }

    /// CREATE INDEX CONCURRENTLY waits for every statement that is running; so the programs that wait for their turn
    /// must not be running one.
    @Test func `programs that start at once get through a migration without transaction`() async throws {
        try await withDatabase { database in
            let migrations = migrations(
                "CREATE TABLE things (number int NOT NULL); SELECT pg_sleep(0.5);",
                "-- no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_by_number ON things (number);"
            )
            let applied = try await runTogether(3, database, migrations)
            #expect(applied.filter { !$0.isEmpty } == [migrations.map(\.name)])
            let valid = try await database.superuser.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_by_number'::regclass"
            )
            #expect(try valid.decode(Bool.self) == [true])
            try await Migrator(database.migrator, migrations: migrations).verify()
        }
    }

    @Test func `an edited old file is refused`() async throws {
        try await withDatabase { database in
            _ = try await Migrator(database.migrator, migrations: migrations("CREATE TABLE one ()")).run()
            let edited = migrations("CREATE TABLE one (); -- better", "CREATE TABLE two ()")
            let migrator = Migrator(database.migrator, migrations: edited)
            await #expect(throws: Migrator.Failure.edited("0001_test")) { try await migrator.run() }
            await #expect(throws: Migrator.Failure.edited("0001_test")) { try await migrator.verify() }
            #expect(try await !exists("two", database))
        }
    }

    @Test func `a newer database is refused by run, and good enough for verify`() async throws {
        try await withDatabase { database in
            let both = migrations("CREATE TABLE one ()", "CREATE TABLE two ()")
            _ = try await Migrator(database.migrator, migrations: both).run()
            let old = Migrator(database.migrator, migrations: Array(both.prefix(1)))
            await #expect(throws: Migrator.Failure.newer(than: 1, found: 2)) { try await old.run() }
            try await old.verify()
        }
    }

    @Test func `a database that lacks migrations is refused by verify`() async throws {
        try await withDatabase { database in
            let both = migrations("CREATE TABLE one ()", "CREATE TABLE two ()")
            let migrator = Migrator(database.migrator, migrations: both)
            await #expect(throws: Migrator.Failure.behind(["0001_test", "0002_test"])) { try await migrator.verify() }
            _ = try await Migrator(database.migrator, migrations: Array(both.prefix(1))).run()
            await #expect(throws: Migrator.Failure.behind(["0002_test"])) { try await migrator.verify() }
            #expect(try await migrator.run() == ["0002_test"])
        }
    }

    @Test func `a migration that fails leaves nothing, and the ones before it in place`() async throws {
        try await withDatabase { database in
            let broken = migrations(
                "CREATE TABLE one ()",
                "CREATE TABLE two (); SELECT 1 / 0;",
                "CREATE TABLE three ()"
            )
            let migrator = Migrator(database.migrator, migrations: broken)
            let error = await #expect(throws: PostgresError.self) { try await migrator.run() }
            #expect(error?.sqlState == SQLState(rawValue: "22012"))
            let left = (
                try await exists("one", database), try await exists("two", database),
                try await exists("three", database)
            )
            #expect(left == (true, false, false))
            let mended = migrations("CREATE TABLE one ()", "CREATE TABLE two ()", "CREATE TABLE three ()")
            #expect(try await Migrator(database.migrator, migrations: mended).run() == ["0002_test", "0003_test"])
        }
    }

    @Test func `what migrations make belongs to the owner role`() async throws {
        try await withDatabase { database in
            _ = try await Migrator(database.migrator, migrations: migrations("CREATE TABLE one ()")).run()
            let owners = try await database.superuser.execute(
                "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"
            )
            #expect(try owners.decode(String.self) == [Roles.owner])
        }
    }
}

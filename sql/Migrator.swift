public import Postgres

/// Brings a database's schema up to this program's, forward only.
public struct Migrator: Sendable {
    public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// A file that was applied has another text now.
        case edited(String)
        /// The database has migrations this program does not know: a newer program was here.
        case newer(than: Int, found: Int)
        /// Migrations that are missing, for a program that only looks.
        case behind([String])

        public var description: String {
            switch self {
            case .edited(let name):
                "migration \(name) was edited after it had been applied; put its text back and write a new one"
            case .newer(let known, let found):
                "the database is at migration \(found), this program knows \(known): run a newer program"
            case .behind(let names):
                "the database lacks \(names.joined(separator: ", ")): run `aftercare migrate` first"
            }
        }
    }

    private let pool: Pool
    private let migrations: [Migration]

    /// - Parameter pool: logged in as a member of the owner role.
    public init(_ pool: Pool, migrations: [Migration] = Migration.all) {
        self.pool = pool
        self.migrations = migrations
    }

    /// Applies what is missing and returns its names. Any number of programs may do so at once: one works, the others
    /// wait and find nothing left to do.
    public func run() async throws -> [String] {
        try await pool.script(Self.createTable, deadline: .seconds(3600))
        // The lock is a transaction's that stays open and does nothing else, so that it is gone when this program is,
        // and holds behind PgBouncer. CREATE INDEX CONCURRENTLY waits for every snapshot that is older than it, so the
        // lock must not keep one: it is asked for now and then instead of waited for, and SET takes the place of the
        // SELECT, which would keep its own until the next statement.
        return try await pool.withTransaction(deadline: .seconds(3600)) { lock in
            while try await !lock.query(
                "SELECT pg_try_advisory_xact_lock(7236457091)",
                "SET LOCAL idle_in_transaction_session_timeout = 0"
            )[0][0].decode(Bool.self) {
                try await Task.sleep(for: .milliseconds(100))
            }
            var names: [String] = []
            for migration in try await check() {
                try await apply(migration)
                names.append(migration.name)
            }
            return names
        }
    }

    /// Throws unless the database is exactly where this program wants it, or newer by migrations that came after it:
    /// those only expand, so that a program and its successor run side by side.
    public func verify() async throws {
        let missing: [Migration]
        do {
            missing = try await check(allowingNewer: true)
        } catch let error as PostgresError where error.sqlState == SQLState(rawValue: "42P01") {
            // There is no schema_migrations: nobody ever ran `migrate` here.
            missing = migrations
        }
        guard missing.isEmpty else { throw Failure.behind(missing.map(\.name)) }
    }

    /// With a lock of its own, because IF NOT EXISTS does not keep two that come at once from both creating it.
    private static let createTable = """
        BEGIN;
        SELECT pg_advisory_xact_lock(7236457092);
        SET LOCAL ROLE aftercare_owner;
        CREATE TABLE IF NOT EXISTS schema_migrations (
            number     int         NOT NULL PRIMARY KEY,
            name       text        NOT NULL,
            checksum   bytea       NOT NULL,
            applied_at timestamptz NOT NULL
        );
        GRANT SELECT ON schema_migrations TO aftercare_app, aftercare_worker;
        COMMIT;
        """

    /// What is missing.
    private func check(allowingNewer: Bool = false) async throws -> [Migration] {
        // The server computes the checksums, of the texts it is given as of those it has.
        let rows = try await pool.execute(
            """
            SELECT number, checksum = sha256(convert_to(coalesce(known.sql, ''), 'UTF8')) AS is_unchanged
              FROM schema_migrations
              LEFT JOIN unnest(\(migrations.map(\.number)), \(migrations.map(\.sql))) AS known (number, sql) USING (number)
             ORDER BY number
            """
        )
        let applied = try rows.decode((Int, Bool).self)
        let last = migrations.map(\.number).max() ?? 0
        for (number, isUnchanged) in applied {
            guard let migration = migrations.first(where: { $0.number == number }) else {
                if allowingNewer && number > last { continue }
                throw Failure.newer(than: last, found: number)
            }
            guard isUnchanged else { throw Failure.edited(migration.name) }
        }
        let numbers = Set(applied.map(\.0))
        return migrations.filter { !numbers.contains($0.number) }.sorted { $0.number < $1.number }
    }

    private func apply(_ migration: Migration) async throws {
        let record = """
            INSERT INTO schema_migrations (number, name, checksum, applied_at)
            VALUES (\(migration.number), '\(migration.name)',
                    sha256(convert_to($aftercare_migration$\(migration.sql)$aftercare_migration$, 'UTF8')), now());
            """
        if migration.runsOutsideTransaction {
            try await pool.script(migration.sql, deadline: .seconds(3600))
            try await pool.script("SET ROLE aftercare_owner; \(record) RESET ROLE;")
        } else {
            // lock_timeout: a migration that waits for a lock makes everybody queue behind it; better to give up.
            let script = """
                BEGIN;
                SET LOCAL ROLE aftercare_owner;
                SET LOCAL lock_timeout = '5s';
                \(migration.sql)
                ;
                \(record)
                COMMIT;
                """
            try await pool.script(script, deadline: .seconds(3600))
        }
    }
}

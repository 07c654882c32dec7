/// One migration file of `sql/migrations`.
public struct Migration: Sendable {
    /// The number the file name begins with; migrations run in this order.
    public let number: Int
    /// The file name without its ending, for example `0001_tenants`.
    public let name: String
    /// The file's text, unchanged: an edited old file is recognised by its checksum.
    public let sql: String

    /// All of them, in order.
    public static let all: [Migration] = embeddedSQL.compactMap { file in
        guard let number = Int(file.name.prefix { $0.isNumber }) else { return nil }
        return Migration(number: number, name: file.name, sql: file.sql)
    }

    /// CREATE INDEX CONCURRENTLY and its like refuse to run in a transaction. Such a file is one statement, safe to
    /// run again, and begins with this line.
    var runsOutsideTransaction: Bool { sql.hasPrefix("-- no transaction\n") }
}

/// The roles of a cluster, for clusters this program makes itself (`aftercare dev`, the tests). In production
/// deploy/roles.sh makes them, with passwords.
public enum Roles {
    public static let owner = "aftercare_owner"
    public static let migrator = "aftercare_migrator"
    public static let app = "aftercare_app"
    public static let worker = "aftercare_worker"

    /// Makes the roles that do not exist. To be run by a superuser, once for a cluster.
    public static let script = """
        DO $$
        BEGIN
            CREATE ROLE aftercare_owner NOLOGIN;
            CREATE ROLE aftercare_migrator LOGIN IN ROLE aftercare_owner;
            CREATE ROLE aftercare_app LOGIN;
            CREATE ROLE aftercare_worker LOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END $$;
        -- The queue is empty one moment and long the next. A plan that was cached when it looked empty would read all of
        -- it for each claim, and one for tenants of average size would sort a big tenant's whole backlog.
        ALTER ROLE aftercare_worker SET enable_seqscan = off;
        ALTER ROLE aftercare_worker SET enable_bitmapscan = off;
        """

    /// Makes a database that belongs to the owner role. CREATE DATABASE runs alone.
    public static func createDatabase(_ name: StaticString) -> String {
        "CREATE DATABASE \(name) OWNER aftercare_owner ENCODING 'UTF8' TEMPLATE template0"
    }
}

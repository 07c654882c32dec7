import Foundation
public import Postgres
import Schema

/// A database with the product's schema, and the roles it is used by.
public struct MigratedDatabase: Sendable {
    public let name: String
    public let superuserURL: String
    public let migratorURL: String
    public let appURL: String
    public let workerURL: String
    /// Sees everything: for what a test does behind the program's back.
    public let superuser: Pool
    public let migrator: Pool
    /// The role of `aftercare serve`.
    public let app: Pool
    /// The role of `aftercare work`.
    public let worker: Pool

    /// One of a test's own, a copy of the template. It goes with the cluster, or with `drop`.
    public static func fresh() async throws -> MigratedDatabase {
        MigratedDatabase(try await TestCluster.shared.createDatabase(template: template.value))
    }

    /// One of a test's own, for the length of `body`.
    public static func run<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (MigratedDatabase) async throws -> Result
    ) async throws -> Result {
        let database = try await fresh()
        do {
            let result = try await body(database)
            try await database.drop()
            return result
        } catch {
            try await database.drop()
            throw error
        }
    }

    /// The one of all tests that keep apart by tenants of their own.
    public static func shared() async throws -> MigratedDatabase { try await theShared.value }

    /// An empty database that belongs to the owner role, as `deploy/roles.sh` leaves it.
    public static func empty() async throws -> MigratedDatabase {
        try await roles.value
        let database = MigratedDatabase(try await TestCluster.shared.createDatabase())
        _ = try await TestCluster.shared.superuser.execute(
            "ALTER DATABASE \(unsafe: database.name) OWNER TO \(unsafe: Roles.owner)"
        )
        return database
    }

    /// One on a cluster of a test's own, with which it goes.
    public static func made(on cluster: TestCluster) async throws -> MigratedDatabase {
        try await cluster.superuser.script(Roles.script)
        let name = try await cluster.createDatabase()
        _ = try await cluster.superuser.execute(
            "ALTER DATABASE \(unsafe: name) OWNER TO \(unsafe: Roles.owner)"
        )
        let database = MigratedDatabase(name, on: cluster)
        _ = try await Migrator(database.migrator).run()
        return database
    }

    public func drop() async throws {
        await close()
        try await TestCluster.shared.dropDatabase(name)
    }

    public func close() async {
        for pool in [superuser, migrator, app, worker] { await pool.shutDown() }
    }

    // Unstructured, because they belong to the process and not to the test that happens to need them first.
    private static let theShared = Task { try await fresh() }
    private static let roles = Task { try await TestCluster.shared.superuser.script(Roles.script) }
    private static let template = Task {
        let database = try await empty()
        _ = try await Migrator(database.migrator).run()
        // Nobody may be connected to a database that is copied.
        for pool in [database.superuser, database.migrator] { await pool.shutDown() }
        return database.name
    }

    private init(_ name: String, on cluster: TestCluster = .shared) {
        func url(_ user: String) -> String { cluster.url(database: name, user: user) }
        func pool(_ url: String, _ maximum: Int) -> Pool {
            Pool(
                Pool.Settings(
                    connection: ConnectionSettings(url: url, applicationName: "tests", connectTimeout: .seconds(20)),
                    maximumConnections: maximum,
                    leaseTimeout: .seconds(60),
                    defaultDeadline: .seconds(60)
                )
            )
        }
        self.name = name
        superuserURL = url("postgres")
        migratorURL = url(Roles.migrator)
        appURL = url(Roles.app)
        workerURL = url(Roles.worker)
        superuser = pool(superuserURL, 3)
        migrator = pool(migratorURL, 2)
        app = pool(appURL, 8)
        worker = pool(workerURL, 8)
    }
}

import Foundation
import Glibc
public import Postgres
import Synchronization

/// A throw-away PostgreSQL cluster, made by `deploy/postgres-cluster`. Everyone may log in to it, as anyone.
public final class TestCluster: Sendable {
    public enum Route: Sendable {
        case socket
        case tcp
    }

    public let host: String
    public let port: Int
    public let socketFolder: String
    /// The folder of the server's programs.
    public let programs: String
    public let data: String
    /// The system's user the server runs as.
    public let owner: String
    /// A pool of the superuser's in the database `postgres`: for what a test does behind the client's back.
    public let superuser: Pool

    /// The cluster of all tests of this process: the one of `deploy/test`, or, without that, one of its own.
    public static let shared: TestCluster = {
        do {
            if let folder = ProcessInfo.processInfo.environment["AFTERCARE_TEST_CLUSTER"] {
                return try TestCluster(at: folder)
            }
            let (cluster, end) = try start()
            ownEnd.withLock { $0 = end }
            atexit { TestCluster.ownEnd.withLock { $0?() } }
            return cluster
        } catch {
            fatalError("no PostgreSQL to test with: \(error)")
        }
    }()

    private static let ownEnd = Mutex<(@Sendable () -> Void)?>(nil)

    /// The cluster whose folder this is.
    public init(at folder: String) throws {
        var values: [String: String] = [:]
        for line in try String(contentsOfFile: "\(folder)/cluster.env", encoding: .utf8).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        func value(_ name: String) throws -> String {
            guard let value = values[name] else { throw ChildProcess.Failure(description: "no \(name) in cluster.env") }
            return value
        }
        let (host, port, sockets) = (try value("PGHOST"), Int(try value("PGPORT")) ?? 0, try value("SOCKET_DIR"))
        (self.host, self.port, socketFolder) = (host, port, sockets)
        (programs, data, owner) = (try value("PGBIN"), try value("PGDATA"), try value("OWNER"))
        let url = Self.url(host: sockets, port: port, database: "postgres", user: "postgres")
        superuser = Pool(
            Pool.Settings(
                connection: ConnectionSettings(url: url, applicationName: "tests", connectTimeout: .seconds(20)),
                maximumConnections: 12,
                leaseTimeout: .seconds(60),
                defaultDeadline: .seconds(60)
            )
        )
    }

    /// A cluster of a test's own, such as one to restart, for the length of `body`.
    public static func run<Result>(
        settings: [String] = [],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (TestCluster) async throws -> Result
    ) async throws -> Result {
        let (cluster, end) = try start(settings)
        defer { end() }
        return try await body(cluster)
    }

    private static func start(_ settings: [String] = []) throws -> (TestCluster, end: @Sendable () -> Void) {
        let folder = "/tmp/aftercare-tests-\(UUID())"
        let script = repository + "/deploy/postgres-cluster"
        // The guard ends the cluster when its input does, which is also when this process crashes or is killed.
        let guardian = try ChildProcess(
            "bash",
            ["-c", "trap '' INT TERM HUP; read -r _; \"$1\" stop \"$2\"; rm -rf \"$2\"", "guard", script, folder]
        )
        let end: @Sendable () -> Void = {
            guardian.closeInput()
            guardian.waitBlocking()
        }
        do {
            try ChildProcess.output(of: script, ["start", folder] + settings)
            return (try TestCluster(at: folder), end)
        } catch {
            end()
            throw error
        }
    }

    /// The folder of this file's repository.
    public static let repository: String = {
        var folder = URL(filePath: #filePath)
        while folder.path() != "/" {
            folder.deleteLastPathComponent()
            if FileManager.default.fileExists(atPath: folder.path() + "deploy/postgres-cluster") { break }
        }
        return String(folder.path().dropLast())
    }()

    /// Stops the server the hard way, as a crash would, and starts it again.
    public func restart() throws { try control("restart") }
    /// Stops the server the hard way.
    public func stop() throws { try control("stop") }
    /// Starts the server again that `stop` stopped.
    public func start() throws {
        try control("start", ["-o", "-p \(port) -c unix_socket_directories=\(socketFolder)"])
    }

    private func control(_ action: String, _ options: [String] = []) throws {
        let (program, arguments) = asOwner(
            "\(programs)/pg_ctl",
            ["-D", data, "-l", data + "/../log", "-m", "immediate", "-w", "-t", "60"] + options + [action]
        )
        try ChildProcess.output(of: program, arguments)
    }

    /// A command to be run as the server's user: PostgreSQL and PgBouncer refuse to run as root.
    public func asOwner(_ program: String, _ arguments: [String]) -> (program: String, arguments: [String]) {
        guard geteuid() == 0 else { return (program, arguments) }
        return ("setpriv", ["--reuid", owner, "--regid", owner, "--clear-groups", program] + arguments)
    }

    // MARK: Databases

    public func url(database: String = "postgres", user: String = "postgres", by route: Route = .socket) -> String {
        Self.url(host: route == .socket ? socketFolder : host, port: port, database: database, user: user)
    }

    static func url(host: String, port: Int, database: String, user: String) -> String {
        "postgresql:///\(database)?host=\(host)&port=\(port)&user=\(user)&sslmode=disable&gssencmode=disable"
    }

    /// A pool of few connections, for the length of `body`.
    public func withPool<Result>(
        _ url: String? = nil,
        maximum: Int = 2,
        configure: (inout Pool.Settings) -> Void = { _ in },
        isolation: isolated (any Actor)? = #isolation,
        _ body: (Pool) async throws -> Result
    ) async throws -> Result {
        var settings = Pool.Settings(
            connection: ConnectionSettings(url: url ?? self.url(), connectTimeout: .seconds(20)),
            maximumConnections: maximum,
            leaseTimeout: .seconds(30),
            defaultDeadline: .seconds(30)
        )
        configure(&settings)
        let pool = Pool(settings)
        do {
            let result = try await body(pool)
            await pool.shutDown()
            return result
        } catch {
            await pool.shutDown()
            throw error
        }
    }

    /// A new database, a copy of `template`; its name.
    public func createDatabase(template: String = "template0") async throws -> String {
        let name = "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
        _ = try await superuser.execute("CREATE DATABASE \(unsafe: name) TEMPLATE \(unsafe: template)")
        return name
    }

    /// Drops a database, and throws out whoever is in it.
    public func dropDatabase(_ name: String) async throws {
        _ = try await superuser.execute("DROP DATABASE IF EXISTS \(unsafe: name) WITH (FORCE)")
    }

    /// A database of a test's own, for the length of `body`.
    public func withDatabase<Result>(
        template: String = "template0",
        isolation: isolated (any Actor)? = #isolation,
        _ body: (_ name: String) async throws -> Result
    ) async throws -> Result {
        let name = try await createDatabase(template: template)
        do {
            let result = try await body(name)
            try await dropDatabase(name)
            return result
        } catch {
            try await dropDatabase(name)
            throw error
        }
    }
}

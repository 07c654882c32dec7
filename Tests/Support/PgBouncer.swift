import Foundation
import Glibc
import Postgres

/// PgBouncer in transaction mode in front of a cluster.
public struct PgBouncer: Sendable {
    private let folder: String

    public static let isInstalled = FileManager.default.isExecutableFile(atPath: "/usr/sbin/pgbouncer")

    /// Runs one for the length of `body`. `sessions` is how many it keeps with the server, for each user.
    public static func run<Result>(
        for cluster: TestCluster = .shared,
        sessions: Int,
        users: [String],
        isolation: isolated (any Actor)? = #isolation,
        _ body: (PgBouncer) async throws -> Result
    ) async throws -> Result {
        // Short, for a socket's path may have 107 bytes at most; and a folder of its own instead of a port of its own.
        let folder = "/tmp/aftercare-pgb-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let accounts = users.map { "\"\($0)\" \"\"\n" }.joined()
        try Data(accounts.utf8).write(to: URL(filePath: folder + "/users"))
        let settings = """
            [databases]
            * = host=\(cluster.socketFolder) port=\(cluster.port)
            [pgbouncer]
            listen_port = 6432
            unix_socket_dir = \(folder)
            auth_type = trust
            auth_file = \(folder)/users
            pool_mode = transaction
            default_pool_size = \(sessions)
            """
        try Data(settings.utf8).write(to: URL(filePath: folder + "/pgbouncer.ini"))
        if let owner = getpwnam(cluster.owner) { chown(folder, owner.pointee.pw_uid, owner.pointee.pw_gid) }
        let (program, arguments) = cluster.asOwner("/usr/sbin/pgbouncer", [folder + "/pgbouncer.ini"])
        return try await ChildProcess.run(program, arguments) { _ in
            let bouncer = PgBouncer(folder: folder)
            // Its socket is there a moment before it listens: only an answer says that it is ready.
            let url = bouncer.url(database: "postgres", user: users.first ?? "postgres")
            let settings = ConnectionSettings(url: url, preparesStatements: false)
            let probe = Pool(Pool.Settings(connection: settings, maximumConnections: 1))
            try await eventually { (try? await probe.execute("SELECT 1")) != nil }
            await probe.shutDown()
            return try await body(bouncer)
        }
    }

    public func url(database: String, user: String) -> String {
        TestCluster.url(host: folder, port: 6432, database: database, user: user)
    }
}

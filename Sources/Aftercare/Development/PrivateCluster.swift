import Foundation
import Glibc
import Postgres

/// A PostgreSQL cluster of our own for `aftercare dev`, from the installed binaries.
///
/// Listens on a Unix socket only, so it minds no other PostgreSQL on the machine. PostgreSQL does not run as root:
/// started by root, its programs run as the user `postgres` that Debian's package brings.
struct PrivateCluster: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let binaries: String
    private let data: String
    /// Where the socket is: short, because a socket's path has at most 107 bytes, and the same at every start.
    let socketDirectory: String
    private let owner: Owner?

    /// The unprivileged user of a cluster that root starts.
    private struct Owner {
        let name = "postgres"
        let uid: uid_t
        let gid: gid_t
    }

    init(in directory: String) throws {
        binaries = try Self.findBinaries()
        let name = "aftercare-dev-\(String(Self.hash(directory), radix: 36))"
        socketDirectory = "/tmp/\(name)"
        if getuid() == 0 {
            guard let user = getpwnam("postgres") else {
                throw Failure(description: "started as root, and there is no user postgres to run PostgreSQL as")
            }
            owner = Owner(uid: user.pointee.pw_uid, gid: user.pointee.pw_gid)
            // The user has to get through to its files, which a folder below /root does not let it.
            data = Self.isOpenToAll(directory) ? "\(directory)/postgres" : "/var/lib/postgresql/\(name)"
        } else {
            owner = nil
            data = "\(directory)/postgres"
        }
    }

    /// A connection string for a role.
    func url(_ role: String, database: String) -> String {
        "postgresql://\(role)@/\(database)?host=\(socketDirectory)"
    }

    /// Starts the cluster, and makes it first if there is none. One that still runs, after a kill, is used as it is.
    func start() throws {
        try makeDirectory(socketDirectory)
        if !FileManager.default.fileExists(atPath: "\(data)/PG_VERSION") {
            try makeDirectory(data)
            try run("initdb", ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
        }
        guard try !isRunning() else { return }
        let options = "-c listen_addresses='' -c unix_socket_directories='\(socketDirectory)' -c timezone=UTC"
        try run("pg_ctl", ["-D", data, "-l", "\(data)/log", "-o", options, "-w", "-t", "60", "start"])
    }

    func stop() throws {
        try run("pg_ctl", ["-D", data, "-m", "fast", "-w", "-t", "20", "stop"])
    }

    private func isRunning() throws -> Bool { try status("pg_ctl", ["-D", data, "status"]).code == 0 }

    private func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        if let owner, chown(path, owner.uid, owner.gid) != 0 {
            throw Failure(description: "cannot give \(path) to the user postgres: \(String(cString: strerror(errno)))")
        }
    }

    /// Whether every folder on the way down may be passed through by anybody.
    private static func isOpenToAll(_ directory: String) -> Bool {
        var path = ""
        return directory.split(separator: "/").allSatisfy { part in
            path += "/\(part)"
            var status = stat()
            return stat(path, &status) == 0 && status.st_mode & S_IXOTH != 0
        }
    }

    // MARK: Programs

    private func run(_ program: String, _ arguments: [String]) throws {
        let (code, output) = try status(program, arguments)
        guard code == 0 else {
            throw Failure(description: "\(program) failed (\(code)): \(output)")
        }
    }

    /// Runs a program to its end.
    ///
    /// By `posix_spawn`, not by Foundation's `Process`, which waits until every process that inherited a certain
    /// descriptor has ended: after `pg_ctl start` that is the server itself.
    private func status(_ program: String, _ arguments: [String]) throws -> (code: Int32, output: String) {
        var command = ["\(binaries)/\(program)"] + arguments
        if let owner {
            let user = ["--reuid=\(owner.uid)", "--regid=\(owner.gid)", "--clear-groups"]
            // From a folder the user may be in.
            command = ["/usr/bin/setpriv"] + user + ["env", "--chdir=/", "HOME=/"] + command
        }
        // The caller's PGPORT, PGDATA and the like would steer the programs elsewhere.
        let variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") }.map { "\($0)=\($1)" }
        // A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        let log = "/tmp/aftercare-\(getpid())-\(program).log"
        defer { unlink(log) }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&files, 1, 2)
        var process = pid_t()
        let failure = withCStrings(command) { arguments in
            withCStrings(variables) { posix_spawn(&process, command[0], &files, nil, arguments, $0) }
        }
        guard failure == 0 else {
            throw Failure(description: "cannot run \(command[0]): \(String(cString: strerror(failure)))")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let output = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        // The exit code, or a number above 255 for a signal.
        return (status & 0x7F == 0 ? (status >> 8) & 0xFF : 256 + status & 0x7F, output)
    }

    /// The newest installed server, from 15 on.
    private static func findBinaries() throws -> String {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { Int($0) }
        let newest = versions.filter { FileManager.default.isExecutableFile(atPath: "\(root)/\($0)/bin/initdb") }.max()
        guard let newest, newest >= 15 else {
            throw Failure(description: "no PostgreSQL 15 or newer under \(root); install the package postgresql-15")
        }
        return "\(root)/\(newest)/bin"
    }

    /// FNV-1a: the same folder gets the same name at every start.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
}

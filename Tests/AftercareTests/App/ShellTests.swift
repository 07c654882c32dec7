import Curl
import Foundation
import Glibc
import JSON
import Postgres
import Schema
import Support
import Testing

@testable import Aftercare

/// The built program as the person at the shell meets it: `serve`, `work`, `migrate`, `create-tenant`, `doctor`, `dev`.
@Suite(.timeLimit(.minutes(5))) struct ShellTests {
    private static let secret = ["AFTERCARE_SECRET_KEY": TestServer.secretKey]

    private func start(_ arguments: [String], _ settings: [String: String]) throws -> ChildProcess {
        // `env` becomes the program: what is signalled is the program itself.
        try ChildProcess("env", settings.map { "\($0.key)=\($0.value)" } + [ProgramProcess.path] + arguments)
    }

    /// Runs the program to its end.
    private func run(
        _ arguments: [String],
        _ settings: [String: String],
        isolation: isolated (any Actor)? = #isolation
    ) async throws -> (status: Int32, lines: [String]) {
        let child = try start(arguments, settings)
        defer { child.signal(SIGKILL) }
        child.closeInput()
        var lines: [String] = []
        while let line = await child.nextLine() { lines.append(line) }
        return (await child.status(), lines)
    }

    private func settings(_ url: String) -> [String: String] {
        Self.secret.merging(["AFTERCARE_DATABASE_URL": url]) { $1 }
    }

    // MARK: doctor, and what every start checks

    @Test func `doctor finds nothing where everything is in order`() async throws {
        let database = try await MigratedDatabase.shared()
        let (status, lines) = try await run(["doctor"], settings(database.appURL))
        #expect(status == 0 && lines == ["ok   configuration", "ok   database", "ok   role", "ok   schema"])
    }

    @Test func `doctor goes on after a failure, and says each`() async throws {
        let database = try await MigratedDatabase.empty()
        let (status, lines) = try await run(["doctor"], settings(database.superuserURL))
        #expect(status == 1 && lines.count == 4, "\(lines)")
        #expect(lines.first == "ok   configuration")
        #expect(lines.contains { $0.hasPrefix("FAIL role: ") && $0.contains("is a superuser") })
        #expect(lines.last?.hasPrefix("FAIL schema: ") == true)
        try await database.drop()
    }

    @Test func `doctor names the setting that is wrong, and the database that does not answer`() async throws {
        let (status, lines) = try await run(["doctor"], ["AFTERCARE_DATABASE_URL": "postgresql:///x"])
        #expect(status == 1 && lines.count == 1, "\(lines)")
        #expect(lines[0].hasPrefix("FAIL configuration: AFTERCARE_SECRET_KEY"))
        let (failure, words) = try await run(["doctor"], settings("postgresql://nobody@127.0.0.1:1/nothing"))
        #expect(failure == 1 && words.count == 2 && words[1].hasPrefix("FAIL database: "), "\(words)")
    }

    @Test(arguments: ["serve", "work"])
    func `a process does not start as a role that row level security does not hold`(command: String) async throws {
        let database = try await MigratedDatabase.shared()
        let mail = ["AFTERCARE_MAIL_DIRECTORY": "/tmp/aftercare-tests-mail-\(UUID())", "AFTERCARE_HTTP_PORT": "0"]
        for (url, fault) in [
            (database.superuserURL, "is a superuser"), (database.migratorURL, "owns the tables"),
        ] {
            let (status, lines) = try await run([command], settings(url).merging(mail) { $1 })
            #expect(status == 1 && lines.count == 1, "\(lines)")
            #expect(lines.first?.contains(fault) == true)
        }
    }

    @Test func `a process does not start on an older schema, and says what to do`() async throws {
        let database = try await MigratedDatabase.empty()
        let (status, lines) = try await run(["serve"], settings(database.superuserURL))
        #expect(status == 1 && lines.count == 1, "\(lines)")
        try await database.drop()
    }

    @Test func `a wrong setting is one line that names it`() async throws {
        let (status, lines) = try await run(["serve"], ["AFTERCARE_HTTP_PORT": "eighty"].merging(settings("x")) { $1 })
        #expect(status == 1 && lines.count == 1 && lines[0].contains("AFTERCARE_HTTP_PORT"), "\(lines)")
    }

    // MARK: migrate, create-tenant

    @Test func `migrate brings an empty database up, once, and a tenant can be made and signed in to`() async throws {
        let database = try await MigratedDatabase.empty()
        let url = ["AFTERCARE_MIGRATION_DATABASE_URL": database.migratorURL]
        let (status, lines) = try await run(["migrate"], url)
        #expect(status == 0 && lines.count == Migration.all.count, "\(lines)")
        #expect(lines.allSatisfy { $0.hasPrefix("applied ") })
        let again = try await run(["migrate"], url)
        #expect(again.status == 0 && again.lines == ["nothing to migrate"])
        let unset = try await run(["migrate"], [:])
        #expect(unset.status == 1 && unset.lines.count == 1, "\(unset.lines)")
        #expect(unset.lines.first?.contains("AFTERCARE_MIGRATION_DATABASE_URL") == true)

        func create(_ email: String, _ password: String) async throws -> (status: Int32, lines: [String]) {
            let words = settings(database.appURL).map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
            let options = "--name Shop --email '\(email)' --owner Ada"
            let child = try ChildProcess(
                "bash",
                ["-c", "echo '\(password)' | env \(words) '\(ProgramProcess.path)' create-tenant \(options)"]
            )
            var lines: [String] = []
            while let line = await child.nextLine() { lines.append(line) }
            return (await child.status(), lines)
        }
        let made = try await create("ada@example.test", "a long enough password")
        #expect(made.status == 0 && made.lines.count == 1 && made.lines[0].hasPrefix("tnt_"), "\(made.lines)")
        for (email, password, word) in [
            ("ada@example.test", "a long enough password", "--email is taken"),
            ("no address", "a long enough password", "--email is no e-mail address"),
            ("bob@example.test", "short", "at least 12 characters"),
        ] {
            let refused = try await create(email, password)
            #expect(refused.status == 1 && refused.lines.count == 1, "\(refused.lines)")
            #expect(refused.lines.first?.contains(word) == true)
        }
        let users = try await database.superuser.execute("SELECT email::text, role::text FROM users")
        #expect(try users.decode((String, String).self).map { "\($0.0) \($0.1)" } == ["ada@example.test owner"])
        try await database.drop()
    }

    // MARK: Stopping

    /// The request that is on its way is answered, an idle connection is closed, nothing new is accepted, and the process
    /// ends well within its 25 seconds.
    @Test func `a process that is told to stop answers what it has begun and ends`() async throws {
        let tenant = try await TestTenant.make()
        let port = try FreePort.find()
        let mail = tenant.server.mailDirectory
        let all = settings(tenant.server.database.workerURL).merging(
            ["AFTERCARE_HTTP_PORT": "\(port)", "AFTERCARE_MAIL_DIRECTORY": mail],
            uniquingKeysWith: { $1 }
        )
        let child = try start(["serve", "--work"], all)
        defer { child.signal(SIGKILL) }
        let client = tenant.server.client
        try await eventually {
            let ready = try? await client.send(
                .init("GET", "http://127.0.0.1:\(port)/health/ready"),
                deadline: .seconds(5)
            )
            return ready?.status == 200
        }

        // What it measures is there to be read, under names that promise to stay.
        let metrics = try await client.send(.init("GET", "http://127.0.0.1:\(port)/metrics"), deadline: .seconds(5))
        let text = String(decoding: metrics.body, as: UTF8.self)
        let request = #"http_request_duration_seconds_count{method="GET",route="/health/ready",status="200"}"#
        for name in [request, #"database_connections{state="busy"}"#, "database_callers_waiting"] {
            #expect(text.contains(name), "\(name) in \(text)")
        }

        let (idle, working) = (try RawSocket(port: port), try RawSocket(port: port))
        #expect(idle.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"))
        try await eventually { idle.receive()?.hasPrefix("HTTP/1.1 200 ") == true }
        let body = #"{"name": "Last", "platform": "other", "time_zone": "UTC", "currency": "EUR"}"#
        let head = """
            POST /v1/stores HTTP/1.1\r
            Host: x\r
            Authorization: Bearer \(tenant.owner)\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            Expect: nothing\r
            \r\n
            """
        #expect(working.send(head + body.prefix(20)))
        // It has the head by the time that another request is answered that came later.
        #expect(idle.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"))
        try await eventually { idle.receive()?.hasPrefix("HTTP/1.1 200 ") == true }

        let start = ContinuousClock.now
        child.signal(SIGTERM)
        try await eventually { !idle.isOpen }
        #expect(throws: NeverHappened.self) { try RawSocket(port: port) }
        #expect(working.send(String(body.dropFirst(20))))
        let answer = try await working.untilClosed(within: .seconds(20)).text
        #expect(answer.hasPrefix("HTTP/1.1 201 "), "\(answer)")
        #expect(await child.status() == 0)
        #expect(start.duration(to: .now) < .seconds(25))
        var last: String?
        while let line = await child.nextLine() { last = line }
        #expect(try JSON(parsing: Array((last ?? "").utf8))["message"] == "stopped", "\(last ?? "nothing")")
        let made = "SELECT id FROM stores WHERE tenant_id = \(tenant.id.uuid) AND name = 'Last'" as SQL
        #expect(try await tenant.rows(made).count == 1)
    }

    // MARK: dev

    @Test func `dev says how to reach it, goes on with its data, and leaves no server behind`() async throws {
        let folder = "/tmp/aftercare-tests-dev-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var tenants: Set<String> = []
        for _ in 1...2 {
            let child = try start(["dev", "--data", folder, "--port", "0"], [:])
            defer { child.signal(SIGKILL) }
            var said: [String] = []
            while let line = await child.nextLine() {
                said.append(line)
                if line.hasPrefix("Stop with Ctrl-C") { break }
            }
            let contents = try #require(FileManager.default.contents(atPath: "\(folder)/dev.json"), "\(said)")
            let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/dev.json")[.posixPermissions] as? Int
            #expect(mode == 0o600, "tokens are in it")
            let development = try JSON(parsing: Array(contents))
            #expect(
                development.objectValue?.map(\.name) == [
                    "base_url", "database_url", "app_database_url", "tenant_id", "store_id", "admin_user_id",
                    "admin_token", "reviewer_user_id", "reviewer_token", "api_key", "connections", "mail_dir",
                ]
            )
            tenants.insert(try #require(development["tenant_id"]?.stringValue))
            let server = try await TestServer.shared()
            let base = try #require(development["base_url"]?.stringValue)
            for (name, path) in [("admin_token", "/v1/me"), ("reviewer_token", "/v1/me"), ("api_key", "/v1/orders")] {
                let token = try #require(development[name]?.stringValue)
                #expect(try await server.send("GET", path, token: token, baseURL: base).status == 200, "\(name)")
            }
            child.signal(SIGTERM)
            #expect(await child.status() == 0)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/dev.json"))
            let urls = ["database_url", "app_database_url"].compactMap { development[$0]?.stringValue }
            #expect(urls.count == 2)
            for url in urls {
                try await TestCluster.shared.withPool(url, maximum: 1) { pool in
                    let error = await #expect(throws: PostgresError.self) { _ = try await pool.execute("SELECT 1") }
                    #expect(error?.kind == .connectFailed)
                }
            }
        }
        #expect(tenants.count == 1)
    }
}

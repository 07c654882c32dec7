import Configuration
import Foundation
import JSON
import Logging
import Postgres
import Schema

/// `aftercare dev`: a private PostgreSQL, migrated, with a demo store; API and scheduler in this process; mail as
/// .eml files. Nothing in it is secret or meant to be reached from outside.
public struct Development: Sendable {
    private let directory: String
    private let port: Int
    private let cluster: PrivateCluster
    private let file: DevelopmentFile

    private static let database = "aftercare"

    public init(directory: String, port: Int) throws {
        let url = URL(filePath: directory).standardizedFileURL
        self.directory = url.path(percentEncoded: false).trimmingSuffix("/")
        self.port = port == 0 ? try FreePort.find() : port
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        cluster = try PrivateCluster(in: self.directory)
        file = DevelopmentFile(in: self.directory)
    }

    public func run(_ say: @escaping @Sendable (String) -> Void) async throws {
        // What an earlier start left, perhaps in a crash, says which demo to go on with.
        let before = file.read()
        file.retire()
        try cluster.start()
        let outcome: Result<Void, any Error>
        do {
            try await prepareDatabase()
            outcome = .success(try await serve(before, say))
        } catch {
            outcome = .failure(error)
        }
        file.retire()
        try cluster.stop()
        try outcome.get()
    }

    private func prepareDatabase() async throws {
        let superuser = Pool(
            Pool.Settings(
                connection: ConnectionSettings(url: cluster.url("postgres", database: "postgres")),
                maximumConnections: 1
            )
        )
        try await superuser.script(Roles.script)
        if try await superuser.execute(DevelopmentStore.databases(named: Self.database)).isEmpty {
            try await superuser.script(Roles.createDatabase("aftercare"))
        }
        await superuser.shutDown()
        let migrator = Pool(
            Pool.Settings(
                connection: ConnectionSettings(url: cluster.url(Roles.migrator, database: Self.database)),
                maximumConnections: 2
            )
        )
        _ = try await Migrator(migrator).run()
        await migrator.shutDown()
    }

    private func serve(_ before: JSON?, _ say: @escaping @Sendable (String) -> Void) async throws {
        let program = try Program(try configuration())
        let pool = program.pool()
        let environment = try program.environment(pool, try await DatabaseClock(pool))
        let demo = try await demo(before, environment)
        let tokens = try await (demo.signIn(demo.owner, environment), demo.signIn(demo.reviewer, environment))
        await pool.shutDown()
        try await program.run([.serve, .work]) { port in
            let baseURL = "http://127.0.0.1:\(port)"
            try file.write(members(demo, baseURL, tokens))
            for line in introduction(baseURL) { say(line) }
        }
    }

    /// The demo of the last start, if its database is still there; a new one otherwise.
    private func demo(_ before: JSON?, _ environment: Environment) async throws -> DemoStore {
        guard let before, let demo = DemoStore(before) else { return try await DemoStore.create(environment) }
        let rows = try await environment.pool.transaction(
            environment.settings(for: demo.tenant.uuid),
            TenantStore.store(demo.store, tenant: demo.tenant)
        )
        return rows[0].isEmpty ? try await DemoStore.create(environment) : demo
    }

    private func members(_ demo: DemoStore, _ baseURL: String, _ tokens: (String, String)) -> [(String, JSON)] {
        let hook = "\(baseURL)/v1/hooks/\(demo.tenant)/\(demo.connection)"
        return [
            ("base_url", .string(baseURL)),
            ("database_url", .string(cluster.url("postgres", database: Self.database))),
            ("app_database_url", .string(cluster.url(Roles.worker, database: Self.database))),
            ("tenant_id", .string(demo.tenant.description)),
            ("store_id", .string(demo.store.description)),
            ("admin_user_id", .string(demo.owner.description)),
            ("admin_token", .string(tokens.0)),
            ("reviewer_user_id", .string(demo.reviewer.description)),
            ("reviewer_token", .string(tokens.1)),
            ("api_key", .string(demo.apiKey)),
            ("connections", ["shopify": ["url": .string(hook), "secret": .string(demo.webhookSecret)]]),
            ("mail_dir", .string("\(directory)/mail")),
        ]
    }

    private func introduction(_ baseURL: String) -> [String] {
        [
            "Aftercare answers at \(baseURL); \(file.path) has the tokens. Some commands to try:",
            "  deploy/demo/post              an order is placed, shipped and delivered: three signed webhooks",
            "  deploy/demo/advance 30        thirty days later: the follow-up falls due and is sent",
            "  deploy/demo/post 1001 refund  a part of it is refunded: a notice is sent at once",
            "  deploy/demo/show              the mails, and the decisions that sent them with their reasons",
            "Stop with Ctrl-C.",
        ]
    }

    // MARK: Configuration

    private func configuration() throws -> ConfigReader {
        let values = [
            "AFTERCARE_DATABASE_URL": cluster.url(Roles.worker, database: Self.database),
            "AFTERCARE_SECRET_KEY": try secretKey(),
            "AFTERCARE_HTTP_HOST": "127.0.0.1",
            "AFTERCARE_HTTP_PORT": String(port),
            "AFTERCARE_MAIL_DIRECTORY": "\(directory)/mail",
            "AFTERCARE_MAIL_FROM": "no-reply@demo.example",
            // Shops and receivers that people try run on this machine too.
            "AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES": "allow",
            // People try things here, and the contract test sends thousands of requests.
            "AFTERCARE_RATE_KEY_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_TENANT_PER_MINUTE": "1000000",
            "AFTERCARE_RATE_ADDRESS_PER_MINUTE": "1000000",
        ]
        // What is set in the environment wins, so that a setting can be tried.
        let environment = ProcessInfo.processInfo.environment.filter { $0.key.hasPrefix("AFTERCARE_") }
        return ConfigReader(
            provider: EnvironmentVariablesProvider(
                environmentVariables: values.merging(environment) { _, set in set }
            )
        )
    }

    /// Made at the first start and kept: without it the sealed secrets and the tokens of the database are worthless.
    private func secretKey() throws -> String {
        let path = "\(directory)/secret.key"
        if let text = try? String(contentsOfFile: path, encoding: .utf8) { return text.trimmingSuffix("\n") }
        let key = Data((0..<32).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
        try Data("\(key)\n".utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        return key
    }
}

extension DemoStore {
    /// From the `dev.json` of an earlier start.
    init?(_ json: JSON) {
        guard let tenant = json["tenant_id"]?.stringValue.flatMap({ TenantID($0) }),
            let store = json["store_id"]?.stringValue.flatMap({ StoreID($0) }),
            let owner = json["admin_user_id"]?.stringValue.flatMap({ UserID($0) }),
            let reviewer = json["reviewer_user_id"]?.stringValue.flatMap({ UserID($0) }),
            let apiKey = json["api_key"]?.stringValue,
            let shopify = json["connections"]?["shopify"],
            let secret = shopify["secret"]?.stringValue,
            let connection = shopify["url"]?.stringValue?.split(separator: "/").last.flatMap({ ConnectionID($0) })
        else { return nil }
        self.init(
            tenant: tenant,
            store: store,
            owner: owner,
            reviewer: reviewer,
            connection: connection,
            webhookSecret: secret,
            apiKey: apiKey
        )
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}

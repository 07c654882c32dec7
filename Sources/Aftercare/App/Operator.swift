import Configuration
import FoundationEssentials
import Logging
import Postgres
import Schema

/// What the person who runs the program does from a shell.
public enum Operator {
    private static var reader: ConfigReader { ConfigReader(provider: EnvironmentVariablesProvider()) }
    private static var logger: Logger { Logger(label: "aftercare") }

    /// Applies missing migrations, as the role of `AFTERCARE_MIGRATION_DATABASE_URL`; returns their names.
    public static func migrate() async throws -> [String] {
        let name = "AFTERCARE_MIGRATION_DATABASE_URL"
        guard let url = reader.string(forKey: "aftercare.migration.database.url", isSecret: true), !url.isEmpty else {
            throw Config.Invalid(name: name, reason: "is not set: the login of a member of aftercare_owner")
        }
        let pool = Pool(Pool.Settings(connection: ConnectionSettings(url: url), maximumConnections: 2))
        return try await Migrator(pool).run()
    }

    /// Makes a tenant with its first owner, and returns the tenant's id.
    public static func createTenant(
        name: String,
        email: String,
        owner: String,
        password: String
    ) async throws -> String {
        guard (1...200).contains(name.unicodeScalars.count), (1...200).contains(owner.unicodeScalars.count) else {
            throw Config.Invalid(name: "--name and --owner", reason: "have to be 1 to 200 characters long")
        }
        guard MailAddress.isValid(email) else { throw Config.Invalid(name: "--email", reason: "is no e-mail address") }
        guard password.unicodeScalars.count >= 12 else {
            throw Config.Invalid(name: "the password", reason: "has to be at least 12 characters long")
        }
        let program = Program(try Config(reader), logger: logger)
        let pool = program.pool()
        let environment = try program.environment(pool, try await DatabaseClock(pool))
        let now = environment.clock.now()
        let tenant = TenantID.new()
        let user = User(
            id: .new(),
            tenant: tenant,
            email: email,
            name: owner,
            role: .owner,
            disabledAt: nil,
            version: 1,
            createdAt: now,
            updatedAt: now
        )
        let hash = try await environment.passwords.hash(password)
        do {
            _ = try await pool.transaction(
                environment.settings(for: tenant.uuid),
                [TenantStore.insertTenant(tenant, name: name, now: now)] + UserStore.insert(user, passwordHash: hash)
            )
        } catch {
            guard let problem = UserStore.problem(error) else { throw error }
            throw Config.Invalid(name: "--email", reason: "is taken: \(problem.detail)")
        }
        return tenant.description
    }

    /// One check of `examine`.
    public struct Finding: Sendable {
        public let text: String
        public let isHealthy: Bool
    }

    /// Looks at everything a process needs to start, and goes on after a failure where that makes sense.
    public static func examine() async -> [Finding] {
        var findings: [Finding] = []
        func check(_ name: String, _ body: () async throws -> Void) async -> Bool {
            do {
                try await body()
                findings.append(Finding(text: name, isHealthy: true))
                return true
            } catch {
                findings.append(Finding(text: "\(name): \(explanation(of: error))", isHealthy: false))
                return false
            }
        }
        var config: Config?
        guard await check("configuration", { config = try Config(reader) }), let config else { return findings }
        let pool = Program(config, logger: logger).pool()
        guard await check("database", { _ = try await pool.execute(DatabaseStore.ping) }) else { return findings }
        _ = await check("role") { try await StartChecks.role(pool) }
        _ = await check("schema") { try await Migrator(pool).verify() }
        return findings
    }

    /// What to tell the person at the shell, in one line. A database error's own words are theirs to see, unlike a client's.
    public static func explanation(of error: any Error) -> String {
        let words = (error as? PostgresError)?.message ?? "\(error)"
        return words.split(whereSeparator: \.isNewline).map(\.trimmingSpaces).joined(separator: " ")
    }
}

extension Program {
    /// The program as its environment variables describe it.
    public static func fromEnvironment() throws -> Program {
        try Program(ConfigReader(provider: EnvironmentVariablesProvider()))
    }
}

import Configuration
import Foundation
import NIOCore
import Observability
import Support
import Testing

@testable import Aftercare

/// `deploy/config.example.env` says what `Config` reads: every setting, and the value it has by default.
@Suite struct `The example configuration` {
    private static let required = [
        "AFTERCARE_DATABASE_URL": "postgresql://aftercare_app:change-me@localhost/aftercare",
        "AFTERCARE_SECRET_KEY": "YSBzZWNyZXQgZm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIQ==",
    ]
    /// Read by `aftercare migrate` alone, outside of `Config`.
    private static let migration = "AFTERCARE_MIGRATION_DATABASE_URL"

    private let example: [(name: String, value: String)]

    init() throws { example = try Self.lines().filter { !$0.hasPrefix("#") && !$0.isEmpty }.map(Self.assignment) }

    private static func lines() throws -> [String] {
        try String(contentsOfFile: "\(TestCluster.repository)/deploy/config.example.env", encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func assignment(_ line: String) throws -> (name: String, value: String) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        try #require(parts.count == 2 && parts[0].hasPrefix("AFTERCARE_"), "\(line)")
        return (String(parts[0]), String(parts[1]))
    }

    private func config(_ values: [String: String]) throws -> Config {
        try Config(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values)))
    }

    /// Every stored property by name, secrets revealed.
    private func description(of config: Config) -> [String: String] {
        var values = Dictionary(
            uniqueKeysWithValues: Mirror(reflecting: config).children.map { ($0.label ?? "", "\($0.value)") }
        )
        values["databaseURL"] = config.databaseURL.reveal()
        values["secretKey"] = "\(config.secretKey.reveal())"
        values["previousSecretKey"] = config.previousSecretKey.map { "\($0.reveal())" }
        values["smtpPassword"] = config.smtpPassword?.reveal()
        return values
    }

    @Test func `gives every setting its default`() throws {
        let values = Dictionary(uniqueKeysWithValues: example.map { ($0.name, $0.value) })
        let defaults = try config(Self.required)
        #expect(
            description(of: try config(values.merging(Self.required) { _, given in given }))
                == description(of: defaults)
        )
        // And a value that is no default makes a difference, so that the comparison is one.
        let other = try config(Self.required.merging(["AFTERCARE_HTTP_PORT": "8081"]) { _, changed in changed })
        #expect(description(of: other) != description(of: defaults))
    }

    @Test func `has a connection for each processor, and neither few nor very many`() throws {
        let connections = try config(Self.required).databaseConnections
        #expect(connections == min(max(4, System.coreCount), 32))
    }

    @Test func `does not start before it has a secret of its own`() throws {
        let values = Dictionary(uniqueKeysWithValues: example.map { ($0.name, $0.value) })
        let error = #expect(throws: Config.Invalid.self) { try config(values) }
        #expect(error?.name == "AFTERCARE_SECRET_KEY")
    }

    @Test func `has every name the program mentions, and no other`() throws {
        let folder = "\(TestCluster.repository)/Sources/Aftercare/App"
        var mentioned: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            for match in text.matches(of: /AFTERCARE_[A-Z]+(?:_[A-Z]+)*/) { mentioned.insert(String(match.output)) }
        }
        let names = example.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(mentioned.subtracting(names).sorted() == [])
        #expect(Set(names).subtracting(mentioned).sorted() == [])
    }

    @Test func `says why each setting is there`() throws {
        var previous = ""
        for line in try Self.lines() {
            // The password belongs to the name above it.
            if line.hasPrefix("AFTERCARE_"), !line.hasPrefix("AFTERCARE_SMTP_PASSWORD") {
                #expect(previous.hasPrefix("# "), "\(line) has no line that explains it")
            }
            previous = line
        }
    }

    /// Values no setting can have; for text, that is where it matters how it looks.
    private static let bad: [(name: String, value: String)] = [
        ("AFTERCARE_DATABASE_URL", ""),
        ("AFTERCARE_SECRET_KEY", ""), ("AFTERCARE_SECRET_KEY", "not base64!"), ("AFTERCARE_SECRET_KEY", "c2hvcnQ="),
        ("AFTERCARE_SECRET_KEY_PREVIOUS", "c2hvcnQ="), ("AFTERCARE_PULL_RECONCILE_SECONDS", "0"),
        ("AFTERCARE_PULL_SWEEP_SECONDS", "59"), ("AFTERCARE_PULL_OVERLAP_SECONDS", "-1"),
        ("AFTERCARE_DATABASE_CONNECTIONS", "0"), ("AFTERCARE_DATABASE_CONNECTIONS", "many"),
        ("AFTERCARE_DATABASE_PREPARED_STATEMENTS", "perhaps"), ("AFTERCARE_DATABASE_DISTRIBUTION", "sharded"),
        ("AFTERCARE_HTTP_PORT", "65536"), ("AFTERCARE_HTTP_PORT", "-1"), ("AFTERCARE_HTTP_PORT", "80.5"),
        ("AFTERCARE_PUBLIC_URL", "api.example.com"), ("AFTERCARE_PUBLIC_URL", "https://"),
        ("AFTERCARE_PUBLIC_URL", "https://a b"), ("AFTERCARE_PUBLIC_URL", "https://api.example.com?x=1"),
        ("AFTERCARE_HTTP_CONNECTIONS", "0"), ("AFTERCARE_HTTP_IDLE_SECONDS", "0"),
        ("AFTERCARE_HTTP_BODY_SECONDS", "0"), ("AFTERCARE_RATE_TENANT_IN_FLIGHT", "0"),
        ("AFTERCARE_HTTP_TRUSTED_PROXIES", "-1"), ("AFTERCARE_RATE_KEY_PER_MINUTE", "0"),
        ("AFTERCARE_RATE_TENANT_PER_MINUTE", "1e3"), ("AFTERCARE_RATE_ADDRESS_PER_MINUTE", "99999999999999999999"),
        ("AFTERCARE_MAIL_FROM", "Help <help@shop.example>"), ("AFTERCARE_MAIL_FROM", "help"),
        ("AFTERCARE_SMTP_PORT", "0"), ("AFTERCARE_SMTP_SECURITY", "ssl"), ("AFTERCARE_WORK_CAPACITY", "0"),
        ("AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES", "yes"), ("AFTERCARE_SMTP_CONNECTIONS", "0"),
        ("AFTERCARE_WORK_LEASE_SECONDS", "0"), ("AFTERCARE_WORK_BODY_DAYS", "0"),
        ("AFTERCARE_FAILPOINT", "mail_marked"), ("AFTERCARE_FAILPOINT", "nowhere:1"),
        ("AFTERCARE_FAILPOINT", "mail_marked:0"), ("AFTERCARE_LOG_LEVEL", "loud"),
    ]

    @Test func `names the setting that has a bad value`() throws {
        for (name, value) in Self.bad {
            let error = #expect(throws: Config.Invalid.self, "\(name)=\(value)") {
                try config(Self.required.merging([name: value]) { _, bad in bad })
            }
            #expect(error?.description.hasPrefix("\(name) ") == true, "\(name)=\(value): \(error?.description ?? "")")
        }
        // These may be any text at all.
        let free: Set = [
            "AFTERCARE_HTTP_HOST", "AFTERCARE_MAIL_DIRECTORY", "AFTERCARE_SMTP_HOST", "AFTERCARE_SMTP_USERNAME",
            "AFTERCARE_SMTP_PASSWORD", Self.migration,
        ]
        #expect(Set(example.map(\.name)) == free.union(Self.bad.map(\.name)))
    }

    @Test func `takes every way to say yes and no, and a URL with a slash`() throws {
        for (text, prepares) in [
            ("TRUE", true), ("on", true), ("yes", true), ("1", true), ("Off", false), ("0", false),
        ] {
            let values = Self.required.merging(["AFTERCARE_DATABASE_PREPARED_STATEMENTS": text]) { _, new in new }
            #expect(try config(values).preparesStatements == prepares)
        }
        let values = Self.required.merging(["AFTERCARE_PUBLIC_URL": "https://api.example.com/aftercare/"]) { $1 }
        #expect(try config(values).publicURL == "https://api.example.com/aftercare")
    }
}

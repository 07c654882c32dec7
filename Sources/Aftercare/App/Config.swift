import Configuration
import FoundationEssentials
import Logging
import NIOCore
import Observability

/// Every setting of the program. Read from the environment once, at the start; a missing or bad one stops it with a
/// line that names it. `deploy/config.example.env` lists them all, and a test compares the two.
struct Config: Sendable {
    /// A setting that is missing or cannot be read.
    struct Invalid: Error, CustomStringConvertible {
        let name: String
        let reason: String

        var description: String { "\(name) \(reason)" }
    }

    /// `AFTERCARE_DATABASE_URL`: a libpq connection string or URI, for a role that is neither superuser nor owner.
    var databaseURL: Secret<String>
    /// `AFTERCARE_DATABASE_CONNECTIONS`: how many connections a process holds at most, and one more that `work` keeps for
    /// its heartbeats. Else one for each processor, from 4 to 32: what more connections have going at once only takes turns.
    var databaseConnections: Int
    /// `AFTERCARE_DATABASE_PREPARED_STATEMENTS`: off behind PgBouncer below 1.21 in transaction mode.
    var preparesStatements: Bool
    /// `AFTERCARE_DATABASE_DISTRIBUTION`: `single`, or `citus` where the tables are distributed.
    var distribution: String
    /// `AFTERCARE_SECRET_KEY`: base64 of 32 random bytes or more; every key of the program is derived from it.
    var secretKey: Secret<[UInt8]>
    /// `AFTERCARE_SECRET_KEY_PREVIOUS`: the key before, while one replaces the other.
    var previousSecretKey: Secret<[UInt8]>?
    /// `AFTERCARE_PUBLIC_URL`: where the API is reached from outside; a slash at its end is dropped.
    var publicURL: String
    /// `AFTERCARE_HTTP_HOST`, `AFTERCARE_HTTP_PORT`: where to listen.
    var httpHost: String
    var httpPort: Int
    /// `AFTERCARE_HTTP_CONNECTIONS`: open at once, at most.
    var httpConnections: Int
    /// `AFTERCARE_HTTP_IDLE_SECONDS`: until a connection is closed on which no whole head of a request comes, or no whole
    /// answer is taken.
    var httpIdleSeconds: Int
    /// `AFTERCARE_HTTP_BODY_SECONDS`: until a request whose body is not whole is refused, and its connection closed.
    var httpBodySeconds: Int
    /// `AFTERCARE_HTTP_TRUSTED_PROXIES`: proxies in front that append to X-Forwarded-For.
    var trustedProxies: Int
    /// `AFTERCARE_RATE_KEY_PER_MINUTE`, `AFTERCARE_RATE_TENANT_PER_MINUTE`, `AFTERCARE_RATE_ADDRESS_PER_MINUTE`:
    /// requests per minute of a credential, of a tenant, and of an address without a credential.
    var keyPerMinute: Int
    var tenantPerMinute: Int
    var addressPerMinute: Int
    /// `AFTERCARE_RATE_TENANT_IN_FLIGHT`: requests of one tenant that are worked on at once.
    var tenantInFlight: Int
    /// `AFTERCARE_MAIL_FROM`: the sender for stores that name none.
    var mailFrom: String
    /// `AFTERCARE_MAIL_DIRECTORY`: mail is written there as .eml files instead of being sent.
    var mailDirectory: String?
    /// `AFTERCARE_SMTP_HOST`, `AFTERCARE_SMTP_PORT`, `AFTERCARE_SMTP_SECURITY` (`tls`, `starttls`, `none`),
    /// `AFTERCARE_SMTP_USERNAME`, `AFTERCARE_SMTP_PASSWORD`: the mail server that sends.
    var smtpHost: String?
    var smtpPort: Int
    var smtpSecurity: String
    var smtpUsername: String?
    var smtpPassword: Secret<String>?
    /// `AFTERCARE_SMTP_CONNECTIONS`: mails on their way at once, in a process: as many as one crash may leave in doubt.
    var smtpConnections: Int
    /// `AFTERCARE_OUTBOUND_PRIVATE_ADDRESSES` (`refuse`, `allow`): whether addresses that tenants name may lie in a
    /// private network, and be reached without TLS.
    var allowsPrivateAddresses: Bool
    /// `AFTERCARE_WORK_CAPACITY`: jobs a worker holds at once.
    var workCapacity: Int
    /// `AFTERCARE_WORK_LEASE_SECONDS`: until the jobs of a worker that died are taken over. Extended four times as
    /// often, and looked for ten times as often.
    var workLeaseSeconds: Int
    /// `AFTERCARE_PULL_RECONCILE_SECONDS`, `AFTERCARE_PULL_SWEEP_SECONDS`, `AFTERCARE_PULL_OVERLAP_SECONDS`: how often a
    /// shop is asked for what has changed, and for everything; and how far before the last change a run begins.
    var pulls: PullSettings
    /// Where a shop's address is reached. Not a setting: the tests name their doubles.
    var shopOrigin: @Sendable (String) -> String = { $0 }
    /// `AFTERCARE_WORK_BODY_DAYS`: how long the bodies of webhooks are kept that were read.
    var bodyDays: Int
    /// `AFTERCARE_FAILPOINT`: where the process kills itself, for tests of crashes.
    var failpoint: Failpoint.Setting?
    /// What a password costs to hash, and how many may wait for it. Not settings: the tests, which sign in many people
    /// at once, set others.
    var passwordCost = Passwords.Cost()
    var passwordsWaiting = 32
    /// `AFTERCARE_LOG_LEVEL`: trace, debug, info, notice, warning, error, critical.
    var logLevel: Logger.Level

    init(_ reader: ConfigReader) throws(Invalid) {
        let values = Values(reader: reader)
        databaseURL = Secret(try values.required("database.url"))
        databaseConnections = try values.int("database.connections", min(max(4, System.coreCount), 32), in: 1...200)
        preparesStatements = try values.bool("database.preparedStatements", true)
        distribution = try values.choice("database.distribution", "single", of: ["single", "citus"])
        secretKey = try values.secretKey("secretKey")
        previousSecretKey = try values.optionalSecretKey("secretKeyPrevious")
        httpHost = try values.string("http.host", "127.0.0.1")
        httpPort = try values.int("http.port", 8080, in: 0...65_535)
        publicURL = try values.url("public.url", "http://localhost:\(httpPort)")
        httpConnections = try values.int("http.connections", 1000, in: 1...100_000)
        httpIdleSeconds = try values.int("http.idleSeconds", 60, in: 1...3600)
        httpBodySeconds = try values.int("http.bodySeconds", 30, in: 1...3600)
        trustedProxies = try values.int("http.trustedProxies", 0, in: 0...10)
        keyPerMinute = try values.int("rate.keyPerMinute", 600, in: 1...1_000_000_000)
        tenantPerMinute = try values.int("rate.tenantPerMinute", 3000, in: 1...1_000_000_000)
        addressPerMinute = try values.int("rate.addressPerMinute", 120, in: 1...1_000_000_000)
        tenantInFlight = try values.int("rate.tenantInFlight", 64, in: 1...1_000_000)
        mailFrom = try values.string("mail.from", "no-reply@localhost.localdomain")
        mailDirectory = values.optional("mail.directory")
        smtpHost = values.optional("smtp.host")
        smtpPort = try values.int("smtp.port", 587, in: 1...65_535)
        smtpSecurity = try values.choice("smtp.security", "starttls", of: ["tls", "starttls", "none"])
        smtpUsername = values.optional("smtp.username")
        smtpPassword = values.optional("smtp.password").map { Secret($0) }
        smtpConnections = try values.int("smtp.connections", 16, in: 1...100)
        let privateAddresses = try values.choice("outbound.privateAddresses", "refuse", of: ["refuse", "allow"])
        allowsPrivateAddresses = privateAddresses == "allow"
        workCapacity = try values.int("work.capacity", 200, in: 1...5000)
        workLeaseSeconds = try values.int("work.leaseSeconds", 20, in: 1...600)
        pulls = PullSettings(
            reconcile: .seconds(try values.int("pull.reconcileSeconds", 900, in: 1...86_400)),
            sweep: .seconds(try values.int("pull.sweepSeconds", 86_400, in: 60...2_592_000)),
            overlap: .seconds(try values.int("pull.overlapSeconds", 600, in: 0...86_400))
        )
        bodyDays = try values.int("work.bodyDays", 90, in: 1...3650)
        failpoint = try values.failpoint("failpoint")
        let level = try values.choice("log.level", "info", of: Logger.Level.allCases.map(\.rawValue))
        logLevel = Logger.Level(rawValue: level) ?? .info
        guard MailAddress.isValid(mailFrom) else {
            throw Invalid(name: Values.variable("mail.from"), reason: "is not an e-mail address")
        }
    }
}

/// Reads and checks single settings. A setting's key `http.idleSeconds` is the variable AFTERCARE_HTTP_IDLE_SECONDS.
private struct Values {
    let reader: ConfigReader

    static func variable(_ key: String) -> String {
        var name = "AFTERCARE_"
        for character in key {
            if character == "." {
                name += "_"
            } else {
                if character.isUppercase { name += "_" }
                name += character.uppercased()
            }
        }
        return name
    }

    func optional(_ key: String) -> String? {
        let value = reader.string(forKey: ConfigKey("aftercare.\(key)"))
        return value == "" ? nil : value
    }

    func string(_ key: String, _ standard: String) throws(Config.Invalid) -> String { optional(key) ?? standard }

    func required(_ key: String) throws(Config.Invalid) -> String {
        guard let value = optional(key) else { throw invalid(key, "is not set") }
        return value
    }

    func int(_ key: String, _ standard: Int, in range: ClosedRange<Int>) throws(Config.Invalid) -> Int {
        guard let text = optional(key) else { return standard }
        guard let value = Int(text), range.contains(value) else {
            throw invalid(key, "has to be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func bool(_ key: String, _ standard: Bool) throws(Config.Invalid) -> Bool {
        switch optional(key)?.lowercased() {
        case nil: standard
        case "true", "on", "yes", "1": true
        case "false", "off", "no", "0": false
        default: throw invalid(key, "has to be true or false")
        }
    }

    /// Without a slash at its end, as paths are appended to it.
    func url(_ key: String, _ standard: String) throws(Config.Invalid) -> String {
        var url = try string(key, standard)
        while url.hasSuffix("/") { url.removeLast() }
        let isWeb = ["https://", "http://"].contains { url.hasPrefix($0) && url.utf8.count > $0.utf8.count }
        guard isWeb, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !url.contains("?"), !url.contains("#") else {
            throw invalid(key, "has to begin with https:// or http:// and name a host, such as https://api.example.com")
        }
        return url
    }

    func choice(_ key: String, _ standard: String, of choices: [String]) throws(Config.Invalid) -> String {
        let value = optional(key) ?? standard
        guard choices.contains(value) else { throw invalid(key, "has to be one of \(choices.joined(separator: ", "))") }
        return value
    }

    func secretKey(_ key: String) throws(Config.Invalid) -> Secret<[UInt8]> {
        guard let bytes = Data(base64Encoded: try required(key)), bytes.count >= 32 else {
            throw invalid(key, "has to be base64 of at least 32 random bytes (head -c 32 /dev/urandom | base64)")
        }
        return Secret(Array(bytes))
    }

    func optionalSecretKey(_ key: String) throws(Config.Invalid) -> Secret<[UInt8]>? {
        optional(key) == nil ? nil : try secretKey(key)
    }

    func failpoint(_ key: String) throws(Config.Invalid) -> Failpoint.Setting? {
        guard let text = optional(key) else { return nil }
        guard let setting = Failpoint.Setting(text) else {
            let points = Failpoint.Point.allCases.map(\.rawValue).joined(separator: ", ")
            throw invalid(key, "has to be a point and a count, such as mail_marked:3; the points are \(points)")
        }
        return setting
    }

    private func invalid(_ key: String, _ reason: String) -> Config.Invalid {
        Config.Invalid(name: Self.variable(key), reason: reason)
    }
}

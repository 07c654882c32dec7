/// How to reach a database.
public struct ConnectionSettings: Sendable {
    /// A libpq connection string or `postgresql://` URI. TLS, certificates, hosts and timeouts are libpq's own
    /// settings, given here or in its environment variables (`sslmode`, `sslrootcert`, `target_session_attrs`, …).
    public var url: String
    /// Shown in `pg_stat_activity`.
    public var applicationName: String
    /// Named server-side prepared statements. Turn off behind PgBouncer below 1.21 in transaction mode, where the next
    /// transaction may run in a session that never saw them.
    public var preparesStatements: Bool
    /// How long connecting may take, host name look-up not counted.
    public var connectTimeout: Duration

    public init(
        url: String,
        applicationName: String = "aftercare",
        preparesStatements: Bool = true,
        connectTimeout: Duration = .seconds(5)
    ) {
        self.url = url
        self.applicationName = applicationName
        self.preparesStatements = preparesStatements
        self.connectTimeout = connectTimeout
    }
}

/// The instant a call has to be over by.
struct Deadline: Comparable, Sendable {
    let instant: ContinuousClock.Instant

    static func < (a: Deadline, b: Deadline) -> Bool { a.instant < b.instant }

    init(in duration: Duration) {
        instant = ContinuousClock.now + duration
    }

    /// Whole milliseconds left for `poll`, rounded up so that it does not spin through the last one; 0 when passed.
    var pollTimeout: Int32 {
        let left = ContinuousClock.now.duration(to: instant)
        guard left > .zero else { return 0 }
        let (seconds, attoseconds) = left.components
        let milliseconds = seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}

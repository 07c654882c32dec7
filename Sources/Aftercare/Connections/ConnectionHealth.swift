import FoundationEssentials
import Time

/// How well a connection does, and why it is thought so. Pure: everything comes from what is kept of it.
///
/// What each reason goes by is said in the documentation (`Connections.md`). A connection is compared with its own past
/// and with no number that somebody would have to set.
struct ConnectionHealth: Hashable, Sendable {
    /// From good to bad, but for the first two.
    enum State: String, CaseIterable, Sendable {
        /// Too little has come to say.
        case unknown
        /// Not in use.
        case disabled
        case healthy
        /// Something is wrong, and what it tells still comes in.
        case degraded
        /// What it tells does not come in, or cannot be read.
        case unhealthy
    }

    enum Reason: String, CaseIterable, Sendable {
        case neverHeard = "never_heard"
        case silent
        case quarantinedEvents = "quarantined_events"
        case badSignatures = "bad_signatures"
        case appUninstalled = "app_uninstalled"
        case disabledByUser = "disabled_by_user"
        /// Of its pulls (`Pull.Failure`).
        case credentialsRefused = "credentials_refused"
        case accessDenied = "access_denied"
        case missingScope = "missing_scope"
        case apiSunset = "api_sunset"
        case throttled, unreachable, unreadable
    }

    /// One thing that is wrong.
    struct Finding: Hashable, Sendable {
        let reason: Reason
        /// What it makes of the connection by itself.
        let state: State
        let since: Instant
        /// A sentence for a person.
        let detail: String
    }

    /// What an hour brought.
    struct Hour: Hashable, Sendable {
        let start: Instant
        let received: Int
        let refused: Int
    }

    /// What is kept of a connection.
    struct Evidence: Hashable, Sendable {
        /// The first one first: since four weeks before the last event.
        var hours: [Hour]
        var lastEventAt: Instant?
        /// Of the last day, the newest first, so many at most.
        var latest: [Latest]
        var pulls: [Pull] = []

        struct Latest: Hashable, Sendable {
            let isQuarantined: Bool
            let receivedAt: Instant
        }

        static let latestCount = 200
    }

    let state: State
    let findings: [Finding]
    let lastEventAt: Instant?
    /// Nil where too little has come to know one.
    let rhythm: Rhythm?
    let refusedLastDay: Int

    init(_ connection: Connection, _ evidence: Evidence, now: Instant) {
        rhythm = Rhythm(evidence.hours)
        lastEventAt = evidence.lastEventAt
        let refused = evidence.hours.filter { $0.refused > 0 && $0.start > now - Self.day }
        refusedLastDay = refused.reduce(0) { $0 + $1.refused }
        switch connection.state {
        case .disabled:
            findings = [.disabled(connection)]
            state = .disabled
        case .active:
            let own = [
                Finding.silence(connection, evidence.lastEventAt, rhythm, now: now),
                Finding.quarantined(evidence.latest),
                Finding.badSignatures(refusedLastDay, since: refused.first?.start),
            ]
            findings = own.compactMap { $0 } + Self.findings(evidence.pulls)
            let worst: State = findings.contains { $0.state == .unhealthy } ? .unhealthy : .degraded
            state = findings.isEmpty ? (evidence.lastEventAt == nil ? .unknown : .healthy) : worst
        }
    }

    static let day = Duration.seconds(86_400)
}

extension ConnectionHealth {
    /// How a connection usually sounds: worked out from the hours of the four weeks before its last event, so that it
    /// stays what it was while it is silent.
    struct Rhythm: Hashable, Sendable {
        /// On the days on which anything came.
        let eventsPerDay: Int
        /// The third longest pause of those weeks. Nights and weekends come back each week, and are pauses as usual; two
        /// that were longer, such as a holiday or a day on which the shop was down, do not make the next one usual.
        let usualPause: Duration
        /// After this long a silence is none of its usual ones.
        var silentAfter: Duration { max(.seconds(4 * 3600), usualPause + usualPause / 2) }

        /// Nil unless at least 20 events came, on seven days or more.
        init?(_ hours: [Hour]) {
            let heard = hours.filter { $0.received > 0 }
            let events = heard.reduce(0) { $0 + $1.received }
            let days = Set(heard.map { $0.start.microseconds / 86_400_000_000 }).count
            guard events >= 20, days >= 7 else { return nil }
            eventsPerDay = events / days
            let pauses = zip(heard, heard.dropFirst()).map { $1.start - $0.start }.sorted(by: >)
            usualPause = pauses[min(2, pauses.count - 1)]
        }
    }
}

// MARK: What may be wrong

extension ConnectionHealth.Finding {
    fileprivate static func disabled(_ connection: Connection) -> Self {
        let since = connection.stateChangedAt ?? connection.updatedAt
        return switch connection.stateReason {
        case .appUninstalled:
            Self(reason: .appUninstalled, state: .disabled, since: since, detail: "The shop took the app out.")
        case .disabledByUser, nil:
            Self(reason: .disabledByUser, state: .disabled, since: since, detail: "Somebody disabled it here.")
        }
    }

    /// It is silent since its last event, or since it was put to use again after that.
    fileprivate static func silence(
        _ connection: Connection,
        _ lastEventAt: Instant?,
        _ rhythm: ConnectionHealth.Rhythm?,
        now: Instant
    ) -> Self? {
        let inUse = connection.stateChangedAt ?? connection.createdAt
        guard let lastEventAt else {
            guard now - inUse >= ConnectionHealth.day else { return nil }
            return Self(
                reason: .neverHeard,
                state: .degraded,
                since: inUse,
                detail: "No webhook has come yet. Is its address registered at the provider, with the right secret?"
            )
        }
        let since = max(lastEventAt, inUse)
        guard let rhythm, now - since > rhythm.silentAfter else { return nil }
        return Self(
            reason: .silent,
            state: .unhealthy,
            since: since,
            detail:
                "No webhook has come for \((now - since).hours) hours. On a day there are \(rhythm.eventsPerDay), and "
                + "its longest usual pause is \(rhythm.usualPause.hours) hours."
        )
    }

    /// Of the latest events, at least a tenth: degraded; half: unhealthy. A few are never enough for that.
    fileprivate static func quarantined(_ latest: [ConnectionHealth.Evidence.Latest]) -> Self? {
        let quarantined = latest.filter(\.isQuarantined)
        guard let first = quarantined.last, quarantined.count >= 3, quarantined.count * 10 >= latest.count else {
            return nil
        }
        let isMost = quarantined.count >= 10 && quarantined.count * 2 >= latest.count
        return Self(
            reason: .quarantinedEvents,
            state: isMost ? .unhealthy : .degraded,
            since: first.receivedAt,
            detail: "Of its latest \(latest.count) webhooks \(quarantined.count) could not be read. They are kept: "
                + "replay them once they can be."
        )
    }

    /// Anybody can send such, so they alone never make a connection worse than degraded.
    fileprivate static func badSignatures(_ count: Int, since: Instant?) -> Self? {
        guard let since, count >= 10 else { return nil }
        return Self(
            reason: .badSignatures,
            state: .degraded,
            since: since,
            detail:
                "\(count) webhooks of the last day had a wrong signature and were refused. Has the provider another "
                + "secret? Or somebody tries the address."
        )
    }
}

extension Duration {
    /// Whole ones.
    fileprivate var hours: Int64 { components.seconds / 3600 }
}

import CoreMetrics
import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// An hour of a connection is over: counts what came in it, looks at how the connection does, tells people if it has
/// become unhealthy, and schedules the next look.
///
/// Once for each time it becomes so: the ticket is named by the instant since when it is.
struct CheckConnection {
    static let kind = "check_connection"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    /// Of a new connection: when an hour of it is over.
    static func first(for connection: Connection, now: Instant) -> ScheduledJob {
        scheduled(for: connection, after: now + .seconds(3600))
    }

    /// By real time, as nights are. At a minute of the connection's own, so that not all come at once, and some minutes
    /// after the hour: what is being stored at its end is there by then.
    static func scheduled(for connection: Connection, after now: Instant) -> ScheduledJob {
        let minute = Int64(5 + Int(connection.id.uuid.uuid.15) % 50)
        let thisHour = now.startOfHour + .seconds(minute * 60)
        let due = thisHour > now ? thisHour : thisHour + .seconds(3600)
        return ScheduledJob(
            tenant: connection.tenant.uuid,
            id: .v7(),
            store: connection.store.uuid,
            kind: kind,
            rule: connection.id.uuid,
            subject: connection.id.uuid,
            occurrence: due.rfc3339,
            dueAt: due,
            intent: nil,
            notAfter: nil,
            isOnTestClock: false
        )
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let tenant = TenantID(job.tenant)
        let found = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let rows = try await transaction.query(
                JobStore.hold(job),
                JobStore.fired(tenant: job.tenant, schedule: job.subject)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            guard let fired = rows[1].first else { return ConnectionHealth.State?.none }
            let (subject, due, occurrence): (UUID, Instant, String) =
                try (fired("subject_id"), fired("due_at"), fired("occurrence"))
            // It is due by the server's clock, which may be a moment ahead of ours.
            let hour = max(due, Instant(rfc3339: occurrence) ?? due)
            return try await check(ConnectionID(subject), tenant, hour: hour, in: transaction)
        }
        if let found {
            Counter(label: "connection_checks", dimensions: [("state", found.rawValue)]).increment()
            if found == .unhealthy { environment.wakeWorker() }
        }
        return .done
    }

    private func check(
        _ id: ConnectionID,
        _ tenant: TenantID,
        hour: Instant,
        in transaction: Transaction
    ) async throws -> ConnectionHealth.State? {
        let now = environment.clock.now()
        let rows = try await transaction.query(
            ConnectionStore.connection(id, tenant: tenant),
            ConnectionHealthStore.check(of: id, tenant: tenant)
        )
        guard let connection = try rows[0].first.map(ConnectionStore.decode) else { return nil }
        let before = try rows[1].first.map(ConnectionHealthStore.decodeCheck)
        // What came longer ago than four weeks before it was first looked at tells nothing any more.
        let start = before?.countedUntil ?? max(connection.createdAt, now - .seconds(28 * 86_400)).startOfHour
        let end = max(start, now.startOfHour)
        let count = ConnectionHealthStore.count(id, of: connection.store, tenant: tenant, from: start, until: end)
        let counted = try await transaction.query(
            [count] + ConnectionHealthStore.evidence(of: id, tenant: tenant, now: now)
        )
        let evidence = try ConnectionHealthStore.decodeEvidence(counted.dropFirst())
        let health = ConnectionHealth(connection, evidence, now: now)
        let since = before?.state == health.state ? before?.since ?? now : now
        transaction.add(
            ConnectionHealthStore.save(
                .init(state: health.state, since: since, checkedAt: now, countedUntil: end),
                of: id,
                store: connection.store,
                tenant: tenant
            )
        )
        let escalation = before?.state == health.state ? nil : Escalation(health, of: connection, since: since)
        if let escalation {
            for statement in EscalationStore.open(escalation, tenant: tenant, now: now) { transaction.add(statement) }
            environment.logger.notice("a connection became unhealthy", metadata: ["connection": "\(id)"])
        }
        transaction.add(JobStore.schedule(Self.scheduled(for: connection, after: max(now, hour)), now: now))
        if let escalation { transaction.add(EscalationStore.announce(escalation, tenant: tenant, now: now)) }
        return health.state
    }
}

extension Escalation {
    /// Nil unless it is unhealthy.
    init?(_ health: ConnectionHealth, of connection: Connection, since: Instant) {
        guard health.state == .unhealthy else { return nil }
        let name = "\(connection.provider.rawValue) \(connection.account.singleLine(limit: 100))"
        kind = .connectionUnhealthy
        origin = .connection(connection.id)
        effectKey = "\(Ticket.Kind.connectionUnhealthy.rawValue):\(connection.id):\(since.rfc3339)"
        evidenceKey = "\(connection.id):\(since.rfc3339)"
        subject = "A connection is unhealthy: \(name)"
        let findings = health.findings.map { "\($0.reason.rawValue), since \($0.since.rfc3339): \($0.detail)" }
        let last = health.lastEventAt.map { "Its last webhook came at \($0.rfc3339)." } ?? "No webhook has come yet."
        summary =
            (["The connection \(connection.id) (\(name)) is unhealthy.", ""] + findings + [
                "", last,
                "Until it is well again, what is known of its orders may be too old. Look whether the webhooks are still "
                    + "registered at the provider, and whether they are sent here.",
            ]).joined(separator: "\n")
    }
}

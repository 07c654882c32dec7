import FoundationEssentials
import Jobs
import Postgres
import Time

/// Reads an order again from its shop before a command and after it, so that nothing is decided on what a webhook said
/// some time ago. What the shop answers becomes an event as any other, and is waited for.
struct CommandReading {
    enum Outcome: Hashable, Sendable {
        /// The mirror is what the shop said, a moment ago.
        case fresh
        /// It is being asked, or cannot be for the moment.
        case waits(until: Instant)
        /// It will not answer, for this reason.
        case failed(Refresh.Failure)
    }

    /// How old an answer may be.
    private static let freshness = Duration.seconds(60)

    let environment: Environment

    func read(_ command: Command, through connection: ConnectionID, _ tenant: TenantID) async throws -> Outcome {
        let outcome = try await environment.pool.withTransaction(environment.settings(for: tenant.uuid)) {
            transaction -> Outcome in
            let now = environment.clock.now()
            let rows = try await transaction.query(RefreshStore.refresh(command.order, tenant: tenant))
            let known = try rows[0].first.map(RefreshStore.decode)
            if let known, known.isUnderWay(now) { return .waits(until: known.nextLook(now)) }
            // After what last happened to the command, too.
            if let known, known.requestedAt >= command.updatedAt,
                let finished = known.finishedAt, finished >= now - Self.freshness
            {
                switch known.failure {
                case nil: return .fresh
                case .throttled?, .unreachable?: return .waits(until: finished + Self.freshness)
                case let failure?: return .failed(failure)
                }
            }
            let asked = Refresh(order: command.order, store: command.store, connection: connection, requestedAt: now)
            transaction.add(RefreshStore.begin(asked, tenant: tenant))
            let job = RefreshOrder.job(asked, tenant: tenant, at: now)
            transaction.add(JobStore.enqueueCoalescing(job, now: now))
            return .waits(until: asked.nextLook(now))
        }
        if case .waits = outcome { environment.wakeWorker() }
        return outcome
    }

    /// The command, and by which connector it goes; nil where it does not go by one.
    func command(_ id: CommandID, _ tenant: TenantID) async throws -> (Command, through: ConnectionID)? {
        let rows = try await environment.pool.transaction(
            environment.settings(for: tenant.uuid),
            CommandStore.command(id, tenant: tenant)
        )
        guard let command = try rows[0].first.map(CommandStore.decode), let connection = command.connection
        else { return nil }
        return (command, connection)
    }

    /// Nil where it is not in use, or has no credentials any more.
    func shop(_ connection: ConnectionID, _ tenant: TenantID) async throws -> (any CommandedShop)? {
        let rows = try await environment.pool.transaction(
            environment.settings(for: tenant.uuid),
            ConnectionStore.asked(connection, tenant: tenant)
        )
        do {
            return try Shop(rows[0].first, environment).source as? any CommandedShop
        } catch is Shop.Absence {
            return nil
        }
    }
}

import FoundationEssentials
import Jobs
import Postgres
import Time

/// Looks whether a command that the shop has was carried out: in the mirror, read again from the shop where a connector
/// can; and ends the waiting when nobody said so in time. The job's subject is the command.
struct FollowCommand {
    static let kind = "follow_command"
    /// How long one in doubt is looked for. A person may find out later, and a shop's program may say so.
    static let patience = Duration.seconds(7 * 86_400)

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    /// Soon after something happened to the command; nil where there is nothing to wait for.
    static func firstLook(at command: Command, tenant: TenantID, now: Instant) -> NewJob? {
        guard command.state.isAwaited, command.state == .accepted || command.kind.isSeenInMirror else { return nil }
        return NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: command.store.uuid,
            kind: kind,
            subject: command.id.uuid,
            runAt: now + .seconds(2)
        )
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let (tenant, id) = (TenantID(job.tenant), CommandID(job.subject))
        try await readAgain(job)
        return try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let held = try await transaction.query(
                JobStore.hold(job),
                CommandStore.holdOrder(of: id, tenant: tenant),
                CommandStore.lock(id, tenant: tenant)
            )
            guard try JobStore.isHeld(held[0]) else { throw StaleLease() }
            guard var command = try held[2].first.map(CommandStore.decode), command.state.isAwaited else {
                try await JobStore.finish(job, in: transaction, now: now)
                return .finished
            }
            let rows = try await transaction.query(CommandStore.question(about: command.order, tenant: tenant))
            guard let question = try CommandStore.decodeQuestion(rows[...]) else {
                throw UnreadableRow(table: "orders")
            }
            switch Self.look(&command, question, now: now) {
            case .waits(let instant):
                return .again(at: instant)
            case .changed:
                try await JobStore.finish(job, in: transaction, now: now)
                for statement in command.save(tenant: tenant, now: now) { transaction.add(statement) }
            case .over:
                try await JobStore.finish(job, in: transaction, now: now)
            }
            return .finished
        }
    }

    private func readAgain(_ job: Job) async throws {
        let (tenant, id) = (TenantID(job.tenant), CommandID(job.subject))
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            CommandStore.command(id, tenant: tenant),
            CommandStore.connection(of: id, tenant: tenant)
        )
        guard let command = try rows[0].first.map(CommandStore.decode), command.state.isAwaited,
            case .connection(let connection, let provider)? = try rows[1].first.map(CommandStore.decodeChannel)
        else { return }
        _ = await provider.readAgain(command.order, connection, environment)
    }

    // MARK: What is seen

    enum Look: Hashable, Sendable {
        case changed
        case waits(until: Instant)
        /// Nothing is to be seen any more.
        case over
    }

    /// Pure. Often at first, and then less and less.
    static func look(_ command: inout Command, _ question: CommandQuestion, now: Instant) -> Look {
        if question.shows(command) == true { return command.apply(.shown, at: now) ? .changed : .over }
        switch command.state {
        case .accepted where now >= command.deadline:
            let reason: CommandReason = command.connection == nil ? .noAcknowledgement : .notSeen
            return command.apply(.doubted, because: reason, at: now) ? .changed : .over
        case .acknowledged where !command.kind.isSeenInMirror:
            return .over
        case .acknowledged where now >= command.deadline:
            return command.apply(.doubted, because: .notSeen, at: now) ? .changed : .over
        case .unknown where !command.kind.isSeenInMirror || now - command.createdAt >= patience:
            return .over
        case .accepted, .acknowledged, .unknown:
            let next = now + min(max((now - command.updatedAt) / 2, .seconds(2)), .seconds(3600))
            return .waits(until: command.state == .unknown ? next : min(next, command.deadline))
        case .requested, .sending, .verified, .refused, .failed:
            return .over
        }
    }
}

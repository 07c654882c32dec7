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

    /// A command is looked at for up to a week, and what fails on the way adds up.
    var handler: JobHandler { JobHandler(Self.kind, maximumAttempts: 1000, maximumRescues: 1000, run: run) }

    /// The job of a command, where there is one, before its order and itself: whoever changes the command may ask for a
    /// look, and the look that is under way has its job first.
    static func hold(of command: CommandID, tenant: TenantID) -> SQL {
        JobStore.hold(kind, subject: command.uuid, tenant: tenant.uuid)
    }

    /// Soon after something happened to the command; nil where there is nothing to wait for.
    static func firstLook(at command: Command, tenant: TenantID, now: Instant) -> NewJob? {
        guard command.state.isAwaited, command.state == .accepted || command.canBeSeen else { return nil }
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
        let seen: Bool?
        switch try await readAgain(job) {
        case .waits(let instant): return .again(at: instant)
        case .seen(let known): seen = known
        }
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
            switch Self.look(&command, question, seen: seen, now: now) {
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

    /// What only the shop shows, once the mirror is what the shop says.
    private enum Reading { case seen(Bool?), waits(until: Instant) }

    private func readAgain(_ job: Job) async throws -> Reading {
        let (tenant, reading) = (TenantID(job.tenant), CommandReading(environment: environment))
        guard let (command, connection) = try await reading.command(CommandID(job.subject), tenant),
            command.state.isAwaited
        else { return .seen(nil) }
        // The last look is the one that decides, and so has its time too.
        let end = command.state == .unknown ? command.createdAt + Self.patience : command.deadline + .seconds(60)
        switch try await reading.read(command, through: connection, tenant) {
        case .waits(let instant) where end > environment.clock.now():
            return .waits(until: min(instant, end))
        case .waits, .failed:
            return .seen(nil)
        case .fresh:
            let rows = try await environment.pool.transaction(
                environment.settings(for: job.tenant),
                CommandStore.externalID(of: command.order, tenant: tenant)
            )
            guard let externalID = try rows[0].first?.decode(String.self),
                let shop = try await reading.shop(connection, tenant)
            else { return .seen(nil) }
            return .seen(await shop.shows(command, on: externalID))
        }
    }

    // MARK: What is seen

    enum Look: Hashable, Sendable {
        case changed
        case waits(until: Instant)
        /// Nothing is to be seen any more.
        case over
    }

    /// Pure. Often at first, and then less and less.
    ///
    /// - Parameter seen: whether the shop itself shows what the mirror may not.
    static func look(
        _ command: inout Command,
        _ question: CommandQuestion,
        seen: Bool? = nil,
        now: Instant
    ) -> Look {
        if question.shows(command) == true || seen == true {
            // The label has the address that the order had when it was printed, and nobody knows which that was.
            if command.kind == .changeShippingAddress, let parameters = command.parameters,
                let obstacle = question.obstacle(to: parameters), obstacle.concernsLabel
            {
                return command.apply(.doubted, because: obstacle.reason, at: now) ? .changed : .over
            }
            return command.apply(.shown, at: now) ? .changed : .over
        }
        switch command.state {
        case .accepted where now >= command.deadline:
            let reason: CommandReason = command.connection == nil ? .noAcknowledgement : .notSeen
            return command.apply(.doubted, because: reason, at: now) ? .changed : .over
        case .acknowledged where !command.canBeSeen:
            return .over
        case .acknowledged where now >= command.deadline:
            return command.apply(.doubted, because: .notSeen, at: now) ? .changed : .over
        case .unknown where !command.canBeSeen || now - command.createdAt >= patience:
            return .over
        case .accepted, .acknowledged, .unknown:
            let next = now + min(max((now - command.updatedAt) / 2, .seconds(2)), .seconds(3600))
            return .waits(until: command.state == .unknown ? next : min(next, command.deadline))
        case .requested, .sending, .verified, .refused, .failed:
            return .over
        }
    }
}

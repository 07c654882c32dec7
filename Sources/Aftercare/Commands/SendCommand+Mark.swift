import FoundationEssentials
import Jobs
import Postgres
import Time

extension SendCommand {
    enum Marking: Sendable {
        case marked(Try)
        case waits(until: Instant)
        /// Nothing is to be sent, and the job is finished.
        case settled
    }

    /// One transaction: the lease is proven, the order is looked at once more under its lock, the command goes from
    /// `requested` to `sending`, and the try gets its number.
    ///
    /// - Parameter own: the number of the try this run has perhaps begun already; of the one it begins now.
    func mark(_ job: Job, own: inout Int?) async throws -> Marking {
        let (tenant, id) = (TenantID(job.tenant), CommandID(job.subject))
        return try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let held = try await transaction.query(
                JobStore.hold(job),
                FollowCommand.hold(of: id, tenant: tenant),
                CommandStore.holdOrder(of: id, tenant: tenant),
                CommandStore.lock(id, tenant: tenant)
            )
            guard try JobStore.isHeld(held[0]) else { throw StaleLease() }
            var marking = Marking.settled
            if var command = try held[3].first.map(CommandStore.decode) {
                // After the lock: they see what its last holder wrote.
                let rows = try await transaction.query(
                    [CommandStore.doubts(id, tenant: tenant)]
                        + CommandStore.question(about: command.order, tenant: tenant)
                )
                guard let question = try CommandStore.decodeQuestion(rows[1...]) else {
                    throw UnreadableRow(table: "orders")
                }
                let found = Found(
                    job: job,
                    question: question,
                    endpoint: try CommandStore.decodeWays(rows[1...]).endpoint,
                    hasDoubts: !rows[0].isEmpty,
                    now: now
                )
                marking = try begin(&command, found, own: &own, in: transaction)
            }
            if case .settled = marking { try await JobStore.finish(job, in: transaction, now: now) }
            return marking
        }
    }

    /// What the mark is decided by.
    private struct Found {
        let job: Job
        let question: CommandQuestion
        let endpoint: CommandEndpoint?
        let hasDoubts: Bool
        let now: Instant

        var tenant: TenantID { TenantID(job.tenant) }
    }

    private func begin(
        _ command: inout Command,
        _ found: Found,
        own: inout Int?,
        in transaction: Transaction
    ) throws -> Marking {
        func marked() -> Marking {
            .marked(
                Try(
                    job: found.job,
                    command: command,
                    order: found.question.order,
                    endpoint: command.channel == .webhook ? found.endpoint : nil
                )
            )
        }
        func save() {
            for statement in command.save(tenant: found.tenant, now: found.now) { transaction.add(statement) }
        }
        switch command.state {
        case .sending where command.attempts == own:
            return marked()
        case .sending where command.channel == .webhook:
            // Its receiver may have it, and will know it again.
            endInterrupted(command, found, in: transaction)
            _ = command.apply(.retried, at: found.now)
        case .sending:
            endInterrupted(command, found, in: transaction)
            _ = command.apply(.doubted, because: .interrupted, at: found.now)
            save()
            return .settled
        case .requested:
            break
        case .accepted, .acknowledged, .verified, .refused, .failed, .unknown:
            return .settled
        }
        if let (event, reason) = end(of: command, found) {
            _ = command.apply(event, because: reason, at: found.now)
            save()
            return .settled
        }
        guard command.begin(at: found.now) else { return .settled }
        own = command.attempts
        transaction.add(CommandStore.update(command, tenant: found.tenant))
        transaction.add(CommandStore.beginAttempt(of: command, tenant: found.tenant, now: found.now))
        return marked()
    }

    /// Why it is not sent, if it is not: it is done, it may not be any more, or there is no way. What an earlier try may
    /// have done is in doubt then.
    private func end(of command: Command, _ found: Found) -> (Command.State.Event, CommandReason?)? {
        let failed: Command.State.Event = found.hasDoubts ? .doubted : .failed
        guard let parameters = command.parameters else { return (failed, .redacted) }
        if command.attempts > 0, found.question.shows(command) == true { return (.shown, nil) }
        if let obstacle = found.question.obstacle(to: parameters) {
            return (failed == .doubted ? .doubted : .refused, obstacle.reason)
        }
        if found.now >= command.deadline { return (failed, failed == .doubted ? .noAnswer : .unreachable) }
        if command.channel == .webhook, found.endpoint?.takes(command.kind) != true {
            return (failed, .endpointDisabled)
        }
        return nil
    }

    /// Ends the command where it was not sent, or not again: its job failed for the last time, on our side, or there is
    /// nothing to decide by.
    ///
    /// - Parameter ending: the job too.
    func giveUp(
        _ job: Job,
        because reason: CommandReason,
        detail: String? = nil,
        ending: Bool = false
    ) async throws {
        let (tenant, id) = (TenantID(job.tenant), CommandID(job.subject))
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(job),
                FollowCommand.hold(of: id, tenant: tenant),
                CommandStore.holdOrder(of: id, tenant: tenant),
                CommandStore.lock(id, tenant: tenant),
                CommandStore.doubts(id, tenant: tenant)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            if ending { try await JobStore.finish(job, in: transaction, now: now) }
            guard var command = try rows[3].first.map(CommandStore.decode),
                command.state == .requested,
                command.apply(rows[4].isEmpty ? .failed : .doubted, because: reason, detail: detail, at: now)
            else { return }
            for statement in command.save(tenant: tenant, now: now) { transaction.add(statement) }
        }
    }

    private func endInterrupted(_ command: Command, _ found: Found, in transaction: Transaction) {
        transaction.add(
            CommandStore.endAttempt(
                command.attempts,
                of: command.id,
                tenant: found.tenant,
                .unknown,
                detail: "the program was interrupted",
                now: found.now
            )
        )
    }
}

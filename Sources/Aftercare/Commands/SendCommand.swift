import Curl
import FoundationEssentials
import JSON
import Jobs
import Postgres
import Time

/// Sends one command to its shop: reads the order again, marks the command, sends it outside any transaction, records
/// what became of it. The job's subject is the command.
///
/// As with messages, what is found marked by another run may have reached the shop. A connector's is then `unknown` and is
/// not sent again by itself. A webhook is, under the same id: its receiver takes the second for the first.
struct SendCommand {
    static let kind = "send_command"
    /// Tries that failed on our own side, before the shop was told.
    static let maximumAttempts = 12
    /// Sent at once, in a process: slow receivers hold up no more.
    static let maximumSends = 16

    let environment: Environment
    private let slots = SendSlots(Self.maximumSends)

    init(environment: Environment) { self.environment = environment }

    /// Whoever dies while it is sent leaves it in doubt: that it is looked at once more hurts nobody.
    var handler: JobHandler {
        JobHandler(Self.kind, maximumAttempts: Self.maximumAttempts, maximumRescues: 1000, run: run)
    }

    static func job(for command: Command, tenant: TenantID, at instant: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: command.store.uuid,
            kind: kind,
            subject: command.id.uuid,
            runAt: instant
        )
    }

    /// A try that was marked.
    struct Try: Sendable {
        let job: Job
        let command: Command
        let order: Order
        let endpoint: CommandEndpoint?

        var tenant: TenantID { TenantID(job.tenant) }
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        // Before the mark: a command that waits here is still `requested`.
        try await slots.withSlot {
            switch try await prepare(job) {
            case .waits(let instant): return .again(at: instant)
            case .settled: return .finished
            case .marked(let sent):
                environment.failpoint.pass(.commandMarked)
                let outcome = await send(sent)
                environment.failpoint.pass(.commandAnswered)
                // A connector cannot be asked again.
                return try await environment.patiently { try await record(outcome, of: sent) }
            }
        }
    }

    /// Reads the order again and marks the command. It must not stay `requested` for ever, with no job to send it.
    private func prepare(_ job: Job) async throws -> Marking {
        do {
            if let early = try await readAgain(job) { return early }
            return try await markPatiently(job)
        } catch {
            if job.attempt >= Self.maximumAttempts, !(error is StaleLease) {
                try await giveUp(job, because: .failedOnOurSide)
            }
            throw error
        }
    }

    /// What is decided by is at most a minute old, where a connector can ask the shop. Nothing is to be read of a
    /// command that is not about to be sent. Nil where it may be marked.
    private func readAgain(_ job: Job) async throws -> Marking? {
        let (tenant, reading) = (TenantID(job.tenant), CommandReading(environment: environment))
        guard let (command, connection) = try await reading.command(CommandID(job.subject), tenant),
            command.state == .requested, command.deadline > environment.clock.now()
        else { return nil }
        switch try await reading.read(command, through: connection, tenant) {
        case .fresh: return nil
        case .waits(let instant): return .waits(until: min(instant, command.deadline))
        case .failed(let failure):
            try await giveUp(job, because: .orderNotRead, detail: failure.rawValue, ending: true)
            return .settled
        }
    }

    private func markPatiently(_ job: Job) async throws -> Marking {
        // As `DeliverMessage` does: a COMMIT without an answer may have begun this run's own try, and nothing has left.
        var own: Int?
        do {
            return try await mark(job, own: &own)
        } catch let error as PostgresError where error.kind == .outcomeUnknown && own != nil {
            return try await environment.patiently { try await mark(job, own: &own) }
        }
    }

    // MARK: Send

    private func send(_ sent: Try) async -> CommandOutcome {
        switch sent.command.channel {
        case .connection(let connection):
            let shop: (any CommandedShop)?
            do {
                shop = try await CommandReading(environment: environment).shop(connection, sent.tenant)
            } catch {
                return .passing("the connection could not be read", mayHaveActed: false, after: nil)
            }
            guard let shop, let parameters = sent.command.parameters else {
                return .failed(.noWayToCommand, detail: "the connection is not in use, or has no credentials")
            }
            return await shop.carryOut(parameters, on: sent.order.externalID)
        case .webhook:
            guard let endpoint = sent.endpoint else { return .failed(.endpointDisabled, detail: "there is none") }
            let now = environment.clock.now()
            // Sealed with another key of the program.
            guard let secrets = try? endpoint.secrets(sent.tenant, environment.masterKey, now: now) else {
                return .failed(.failedOnOurSide, detail: "the endpoint's secret cannot be read; replace it")
            }
            let webhook = CommandWebhook(command: sent.command, order: sent.order, publicURL: environment.publicURL)
            let body = webhook.body
            let signed = StandardWebhook.headers(
                id: sent.command.id.description,
                at: now,
                body: body,
                secrets: secrets
            )
            let request = HTTPClient.Request(
                "POST",
                endpoint.url,
                headers: [("Content-Type", "application/json"), ("User-Agent", "Aftercare")] + signed,
                body: body,
                maximumResponseBytes: CommandWebhook.maximumAnswer
            )
            do throws(Outbound.Failure) {
                return CommandWebhook.outcome(
                    of: try await environment.outbound.send(request, deadline: CommandWebhook.deadline)
                )
            } catch {
                return CommandWebhook.outcome(of: error)
            }
        }
    }

    // MARK: Record

    /// The try's evidence is written whoever holds the job by now. The command changes where this was its last try, and
    /// the job ends, or runs again, where it is still this run's.
    private func record(_ outcome: CommandOutcome, of sent: Try) async throws -> JobOutcome {
        let (tenant, id) = (sent.tenant, sent.command.id)
        var random = SystemRandomNumberGenerator()
        let pause = Retry.delay(after: sent.command.attempts, using: &random)
        return try await environment.pool.withTransaction(environment.settings(for: sent.job.tenant)) { transaction in
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(sent.job),
                FollowCommand.hold(of: id, tenant: tenant),
                CommandStore.holdOrder(of: id, tenant: tenant),
                CommandStore.lock(id, tenant: tenant),
                CommandStore.doubts(id, tenant: tenant, except: sent.command.attempts)
            )
            guard var command = try rows[3].first.map(CommandStore.decode) else { return .finished }
            let isHeld = try JobStore.isHeld(rows[0])
            note(outcome, of: sent, isErased: command.parameters == nil, now, in: transaction)
            var again: Instant?
            if command.attempts == sent.command.attempts {
                let settled = settle(&command, outcome, hasDoubts: !rows[4].isEmpty, pause: pause, now: now)
                again = settled.again
                if isHeld, again == nil { try await JobStore.finish(sent.job, in: transaction, now: now) }
                if settled.isChanged {
                    for statement in command.save(tenant: tenant, now: now) { transaction.add(statement) }
                }
            } else if isHeld {
                try await JobStore.finish(sent.job, in: transaction, now: now)
            }
            return isHeld ? again.map { .again(at: $0) } ?? .finished : .finished
        }
    }

    private func note(
        _ outcome: CommandOutcome,
        of sent: Try,
        isErased: Bool,
        _ now: Instant,
        in transaction: Transaction
    ) {
        let (tenant, store, id) = (sent.tenant, sent.command.store, sent.command.id)
        let evidence = outcome.evidence
        transaction.add(
            CommandStore.endAttempt(
                sent.command.attempts,
                of: id,
                tenant: tenant,
                evidence.outcome,
                // Once erased, nothing that the shop wrote comes back.
                detail: isErased ? nil : evidence.detail,
                now: now
            )
        )
        guard let endpoint = sent.endpoint else { return }
        switch outcome {
        case .accepted, .acknowledged:
            transaction.add(CommandEndpointStore.noteSuccess(of: store, tenant: tenant, now: now))
        case .refused, .failed, .passing, .gone, .unknown:
            transaction.add(CommandEndpointStore.noteFailure(evidence.detail, of: store, tenant: tenant, now: now))
        }
        if case .gone = outcome {
            transaction.add(CommandEndpointStore.disable(store, at: endpoint.url, tenant: tenant, now: now))
        }
    }

    /// - Parameter hasDoubts: the shop may have it from an earlier try.
    /// - Returns: whether the command changed, and when it is to be sent again, if it is.
    private func settle(
        _ command: inout Command,
        _ outcome: CommandOutcome,
        hasDoubts: Bool,
        pause: Duration,
        now: Instant
    ) -> (isChanged: Bool, again: Instant?) {
        switch outcome {
        case .accepted(let detail, let reference):
            return (command.apply(.accepted, detail: detail, reference: reference, at: now), nil)
        case .acknowledged(let word):
            return (command.apply(word, at: now), nil)
        case .refused(let reason, let detail):
            // Perhaps because an earlier try has done it.
            return (command.apply(hasDoubts ? .doubted : .refused, because: reason, detail: detail, at: now), nil)
        case .failed(let reason, let detail):
            return (command.apply(hasDoubts ? .doubted : .failed, because: reason, detail: detail, at: now), nil)
        case .gone:
            let event: Command.State.Event = hasDoubts ? .doubted : .failed
            return (command.apply(event, because: .endpointGone, at: now), nil)
        case .unknown(let reason, let detail):
            return (command.apply(.doubted, because: reason, detail: detail, at: now), nil)
        case .passing(let detail, let mayHaveActed, let wait):
            let next = now + max(pause, wait ?? .zero)
            if next < command.deadline {
                // Not where the receiver has said what it did meanwhile.
                guard command.state == .sending, command.apply(.retried, detail: detail, at: now) else {
                    return (false, nil)
                }
                return (true, next)
            }
            return hasDoubts || mayHaveActed
                ? (command.apply(.doubted, because: .noAnswer, detail: detail, at: now), nil)
                : (command.apply(.failed, because: .unreachable, detail: detail, at: now), nil)
        }
    }
}

extension CommandOutcome {
    /// What is kept of the try.
    fileprivate var evidence: (outcome: Command.Attempt.Outcome, detail: String) {
        switch self {
        case .accepted(let detail, _): (.accepted, detail)
        case .acknowledged(let word): (.accepted, "it says \(word.outcome.rawValue)")
        case .refused(let reason, let detail), .failed(let reason, let detail):
            (.refused, "\(reason.rawValue): \(detail)".singleLine(limit: 500))
        case .passing(let detail, let mayHaveActed, _): (mayHaveActed ? .unknown : .refused, detail)
        case .gone: (.refused, "it answered 410")
        case .unknown(let reason, let detail):
            (.unknown, "\(reason.rawValue): \(detail)".singleLine(limit: 500))
        }
    }
}

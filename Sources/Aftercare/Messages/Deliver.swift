import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Sends one message: leases it, marks it, sends it outside any transaction, records what became of it. The job's
/// subject is the message.
///
/// Between mark and record the message may or may not have left. Whoever finds it there later, after a crash, calls it
/// `unknown` and does not send it again; only the transport's own word decides otherwise.
struct DeliverMessage {
    static let kind = "deliver_message"
    /// Tries that were refused for the moment; over about seven hours.
    static let maximumTries = 12

    private let environment: Environment
    private let transport: any MailTransport
    private let slots: SendSlots

    init(_ environment: Environment, transport: any MailTransport) {
        self.environment = environment
        self.transport = transport
        slots = SendSlots(transport.maximumSends)
    }

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        // Before the mark: a message that waits here is still `queued`.
        try await slots.withSlot {
            switch try await mark(job) {
            case .settled: return .finished
            case .marked(let mail, let attempt):
                let outcome = await transport.send(mail)
                return try await recordPatiently(outcome, of: Try(job: job, attempt: attempt))
            }
        }
    }

    /// One try that has been marked.
    private struct Try {
        let job: Job
        let attempt: Int

        var tenant: TenantID { TenantID(job.tenant) }
        var message: MessageID { MessageID(job.subject) }
    }

    // MARK: Mark

    private enum Marking {
        case marked(MailMessage, attempt: Int)
        /// Nothing is to be sent, and the job is finished.
        case settled
    }

    /// One transaction: the lease is proven, the message goes from `queued` to `sending`, the try gets its number.
    private func mark(_ job: Job) async throws -> Marking {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let (tenant, id) = (TenantID(job.tenant), MessageID(job.subject))
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(job),
                MessageStore.lock(id, tenant: tenant),
                MessageStore.request(id, tenant: tenant)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            guard let message = try rows[1].first.map(MessageStore.decode) else {
                try await JobStore.finish(job, in: transaction, now: now)
                return .settled
            }
            switch message.state {
            case .queued:
                let request = try rows[2].first.map(MessageStore.decodeRequest)
                switch compose(message, request) {
                case .success(let mail):
                    let attempt = message.attempts + 1
                    for statement in MessageStore.beginAttempt(attempt, of: message, tenant: tenant, now: now) {
                        transaction.add(statement)
                    }
                    return .marked(mail, attempt: attempt)
                case .failure(let reason):
                    transaction.add(MessageStore.fail(message, tenant: tenant, reason: reason.rawValue, now: now))
                }
            case .sending:
                // Marked before, and nobody has recorded what became of it.
                let interrupted = "the program was interrupted while sending"
                let ended = MessageStore.endAttempt(
                    message.attempts,
                    of: id,
                    tenant: tenant,
                    .unknown,
                    detail: interrupted,
                    now: now
                )
                transaction.add(ended)
                transaction.add(settle(message.attempts, of: job, as: .unknown, reason: interrupted, now: now))
            case .accepted, .delivered, .bounced, .failed, .unknown, .suppressed, .expired:
                break
            }
            try await JobStore.finish(job, in: transaction, now: now)
            return .settled
        }
    }

    private func compose(
        _ message: Message,
        _ request: Message.Request?
    ) -> Result<MailMessage, MailMessage.Invalid> {
        guard let request else { return .failure(.deleted) }
        return Result { () throws(MailMessage.Invalid) in
            try MailMessage(message.id, request, date: message.createdAt)
        }
    }

    // MARK: Record

    /// What the transport said is not to be lost to a database that is away for a moment: it cannot be asked again.
    private func recordPatiently(_ outcome: SendOutcome, of sent: Try) async throws -> JobOutcome {
        var pause = Duration.milliseconds(200)
        for _ in 0..<6 {
            do {
                return try await record(outcome, of: sent)
            } catch let error as PostgresError where !Task.isCancelled {
                environment.logger.warning(
                    "what became of a message could not be recorded yet",
                    metadata: ["message": "\(sent.message)", "error": "\(String(reflecting: error))"]
                )
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        return try await record(outcome, of: sent)
    }

    private func record(_ outcome: SendOutcome, of sent: Try) async throws -> JobOutcome {
        switch outcome {
        case .accepted(let reply):
            try await end(sent, .accepted, reply, as: .accepted)
        case .unknown(let doubt):
            try await end(sent, .unknown, doubt, as: .unknown)
        case .refused(let refusal, let isPermanent) where isPermanent || sent.attempt >= Self.maximumTries:
            try await end(sent, .refused, refusal, as: .failed)
        case .refused(let refusal, _):
            return try await queueAgain(sent, refusal)
        }
        return .finished
    }

    /// The evidence is written whether or not the lease is still held, and the job is ended if it is: a late answer
    /// turns `unknown` into what really happened.
    private func end(
        _ sent: Try,
        _ outcome: Message.Attempt.Outcome,
        _ text: String,
        as state: Message.State
    ) async throws {
        let now = environment.clock.now()
        let detail = text.singleLine(limit: 500)
        _ = try await environment.pool.transaction(
            environment.settings(for: sent.job.tenant),
            JobStore.finishIfHeld(sent.job, now: now),
            MessageStore.endAttempt(
                sent.attempt,
                of: sent.message,
                tenant: sent.tenant,
                outcome,
                detail: detail,
                now: now
            ),
            settle(sent.attempt, of: sent.job, as: state, reason: detail, now: now)
        )
    }

    private func settle(
        _ attempt: Int,
        of job: Job,
        as state: Message.State,
        reason: String,
        now: Instant
    ) -> SQL {
        MessageStore.settle(
            MessageID(job.subject),
            tenant: TenantID(job.tenant),
            after: attempt,
            as: state,
            reason: reason,
            now: now
        )
    }

    /// Refused for the moment: certainly not sent, so it may be tried again.
    private func queueAgain(_ sent: Try, _ refusal: String) async throws -> JobOutcome {
        var random = SystemRandomNumberGenerator()
        let delay = Retry.delay(after: sent.attempt, using: &random)
        return try await environment.pool.withTransaction(environment.settings(for: sent.job.tenant)) { transaction in
            let now = environment.clock.now()
            let detail = refusal.singleLine(limit: 500)
            let rows = try await transaction.query(
                JobStore.hold(sent.job),
                MessageStore.lock(sent.message, tenant: sent.tenant)
            )
            guard let message = try rows[1].first.map(MessageStore.decode) else { return .finished }
            let ended = MessageStore.endAttempt(
                sent.attempt,
                of: sent.message,
                tenant: sent.tenant,
                .refused,
                detail: detail,
                now: now
            )
            transaction.add(ended)
            transaction.add(settle(sent.attempt, of: sent.job, as: .queued, reason: detail, now: now))
            if try JobStore.isHeld(rows[0]) { return .again(at: now + delay) }
            // Somebody else took the lease over. Where they have called the message `unknown`, they have ended the
            // job too, and it needs a new one; where not, they will find it `queued`.
            if message.state == .unknown, message.attempts == sent.attempt {
                let job = NewJob(
                    tenant: sent.job.tenant,
                    id: .v7(),
                    store: message.store.uuid,
                    kind: Self.kind,
                    subject: sent.job.subject,
                    runAt: now + delay
                )
                transaction.add(JobStore.enqueue(job, now: now))
            }
            return .finished
        }
    }
}

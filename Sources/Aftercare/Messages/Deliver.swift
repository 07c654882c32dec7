import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Sends one message: leases it, marks it, sends it outside any transaction, records what became of it. The job's
/// subject is the message.
///
/// Between mark and record the message may or may not have left. Whoever finds it there later, after a crash, calls it
/// `unknown` and does not send it again; only the transport's own word, or a person's, decides otherwise.
struct DeliverMessage {
    static let kind = "deliver_message"
    /// Tries that were refused for the moment; over about seven hours.
    static let maximumTries = 12
    /// Tries that failed on our own side, before the message left.
    static let maximumAttempts = 12
    /// Deaths of its worker. Most messages only waited there for their turn, hundreds at a time and for minutes where the
    /// mail server is slow; and one that takes the worker down while it is sent is `unknown` at the next look.
    static let maximumRescues = 1000

    let environment: Environment
    private let transport: any MailTransport
    private let slots: SendSlots

    init(_ environment: Environment, transport: any MailTransport) {
        self.environment = environment
        self.transport = transport
        slots = SendSlots(transport.maximumSends)
    }

    var handler: JobHandler {
        let (attempts, rescues) = (Self.maximumAttempts, Self.maximumRescues)
        return JobHandler(Self.kind, maximumAttempts: attempts, maximumRescues: rescues, run: run)
    }

    /// One try that has been marked.
    struct Try {
        let job: Job
        let message: Message
        let attempt: Int

        var tenant: TenantID { TenantID(job.tenant) }
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        // Before the mark: a message that waits here is still `queued`.
        try await slots.withSlot {
            environment.failpoint.pass(.mailBeforeMark)
            switch try await markPatiently(job) {
            case .settled: return .finished
            case .waits(let end): return .again(at: end)
            case .marked(let mail, let sent):
                environment.failpoint.pass(.mailMarked)
                let outcome = await transport.send(mail)
                environment.failpoint.pass(.mailAnswered)
                // It cannot be asked again.
                let end = try await environment.patiently { try await record(outcome, of: sent) }
                environment.failpoint.pass(.mailRecorded)
                return end
            }
        }
    }

    private func markPatiently(_ job: Job) async throws -> Marking {
        // The number of the try this run means to begin. A COMMIT whose answer is lost may have begun it, and nothing
        // has left: so it is looked at again, under the same lease, and its own mark is not taken for that of a run
        // that died.
        var own: Int?
        do {
            do {
                return try await mark(job, own: &own)
            } catch let error as PostgresError where error.kind == .outcomeUnknown && own != nil {
                return try await environment.patiently { try await mark(job, own: &own) }
            }
        } catch {
            // Or it would stay `queued` for ever, with no job to send it.
            if job.attempt >= Self.maximumAttempts, !(error is StaleLease) { try await giveUp(job, error) }
            throw error
        }
    }

    // MARK: Record

    private func record(_ outcome: SendOutcome, of sent: Try) async throws -> JobOutcome {
        switch outcome {
        case .accepted(let reply):
            try await recordAccepted(reply, of: sent)
        case .unknown(let doubt):
            try await recordEnd(.unknown, doubt, of: sent, as: .unknown)
        case .refused(let refusal, let isPermanent) where isPermanent || sent.attempt >= Self.maximumTries:
            try await recordEnd(.refused, refusal, of: sent, as: .failed)
        case .refused(let refusal, _):
            return try await queueAgain(sent, refusal)
        }
        return .finished
    }

    // The evidence is written whether or not the lease is still held, and the job is ended if it is: a late answer
    // turns `unknown` into what really happened. Job, message, attempt: in this order everywhere, so that nobody waits
    // in a circle.

    private func recordAccepted(_ reply: String, of sent: Try) async throws {
        let now = environment.clock.now()
        let detail = reply.singleLine(limit: 500)
        _ = try await environment.pool.transaction(
            environment.settings(for: sent.job.tenant),
            JobStore.finishIfHeld(sent.job, now: now),
            settle(sent, as: .accepted, detail, now: now),
            endAttempt(sent, .accepted, detail, now: now)
        )
    }

    private func recordEnd(
        _ outcome: Message.Attempt.Outcome,
        _ text: String,
        of sent: Try,
        as state: Message.State
    ) async throws {
        let detail = text.singleLine(limit: 500)
        try await environment.pool.withTransaction(environment.settings(for: sent.job.tenant)) { transaction in
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.finishIfHeld(sent.job, now: now),
                settle(sent, as: state, detail, now: now),
                endAttempt(sent, outcome, detail, now: now)
            )
            guard !rows[1].isEmpty else { return }
            needsPerson(sent.message, state, detail, after: sent.attempt, of: sent.job, in: transaction, now: now)
        }
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
                MessageStore.lock(sent.message.id, tenant: sent.tenant)
            )
            guard let message = try rows[1].first.map(MessageStore.decode) else { return .finished }
            transaction.add(settle(sent, as: .queued, detail, now: now))
            transaction.add(endAttempt(sent, .refused, detail, now: now))
            if try JobStore.isHeld(rows[0]) { return .again(at: now + delay) }
            // Somebody else took the lease over. Where they have called the message `unknown`, they have ended the
            // job too, and it needs a new one; where not, they will find it `queued`.
            if message.state == .unknown, message.attempts == sent.attempt {
                transaction.add(JobStore.enqueue(Self.job(for: message, sent.tenant, at: now + delay), now: now))
            }
            return .finished
        }
    }

    private func settle(_ sent: Try, as state: Message.State, _ reason: String, now: Instant) -> SQL {
        let (id, attempt) = (sent.message.id, sent.attempt)
        return MessageStore.settle(id, tenant: sent.tenant, after: attempt, as: state, reason: reason, now: now)
    }

    private func endAttempt(_ sent: Try, _ outcome: Message.Attempt.Outcome, _ detail: String, now: Instant) -> SQL {
        let (id, attempt) = (sent.message.id, sent.attempt)
        return MessageStore.endAttempt(attempt, of: id, tenant: sent.tenant, outcome, detail: detail, now: now)
    }

    /// A job that sends the message.
    static func job(for message: Message, _ tenant: TenantID, at instant: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: message.store.uuid,
            kind: kind,
            subject: message.id.uuid,
            runAt: instant
        )
    }

    // MARK: Ends that need a person

    /// The one place every message comes by that ends as `unknown` or `failed`, once, in the transaction that ends it:
    /// a ticket is opened for a person.
    func needsPerson(
        _ message: Message,
        _ state: Message.State,
        _ reason: String,
        after attempt: Int,
        of job: Job,
        in transaction: Transaction,
        now: Instant
    ) {
        let statements = EscalationStore.messageEnded(
            message.id,
            as: state,
            attempt: attempt,
            detail: reason,
            tenant: TenantID(job.tenant),
            now: now
        )
        for statement in statements { transaction.add(statement) }
    }
}

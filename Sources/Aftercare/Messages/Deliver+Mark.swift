import FoundationEssentials
import Jobs
import Postgres
import Time

extension DeliverMessage {
    enum Marking: Sendable {
        case marked(MailMessage, Try)
        /// Not now: the job runs again then.
        case waits(until: Instant)
        /// Nothing is to be sent, and the job is finished.
        case settled
    }

    /// Why a message waits that could be sent; stands in its `reason` meanwhile.
    static let quiet = "quiet_hours"
    /// Nobody knows when a test clock reaches the end of the quiet hours, so it is looked at now and then.
    private static let testClockPause = Duration.seconds(2)

    /// One transaction: the lease is proven, it is decided once more whether the message may leave, it goes from
    /// `queued` to `sending`, and the try gets its number. All that this goes by is read in one round trip.
    ///
    /// - Parameter own: the number of the try this run has perhaps begun already; of the one it begins now.
    func mark(_ job: Job, own: inout Int?) async throws -> Marking {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let (tenant, id) = (TenantID(job.tenant), MessageID(job.subject))
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(job),
                MessageStore.lock(id, tenant: tenant),
                MessageStore.request(id, tenant: tenant),
                MessageStore.circumstances(id, tenant: tenant)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            let marking: Marking
            if let message = try rows[1].first.map(MessageStore.decode) {
                let request = try rows[2].first.map(MessageStore.decodeRequest)
                switch message.state {
                case .queued:
                    marking = try begin(message, request, rows[3], job, in: transaction, now: now)
                    if case .marked(_, let sent) = marking { own = sent.attempt }
                case .sending where message.attempts == own:
                    marking = resume(message, request, job)
                case .sending:
                    interrupted(message, job, in: transaction, now: now)
                    marking = .settled
                case .accepted, .delivered, .bounced, .failed, .unknown, .suppressed, .expired:
                    marking = .settled
                }
            } else {
                marking = .settled
            }
            if case .settled = marking { try await JobStore.finish(job, in: transaction, now: now) }
            return marking
        }
    }

    private func begin(
        _ message: Message,
        _ request: Message.Request?,
        _ circumstances: Rows,
        _ job: Job,
        in transaction: Transaction,
        now: Instant
    ) throws -> Marking {
        let tenant = TenantID(job.tenant)
        func setAside(as state: Message.State, _ reason: String) {
            transaction.add(MessageStore.setAside(message, tenant: tenant, as: state, reason: reason, now: now))
        }
        // The order and the store of a message are never deleted.
        guard let row = circumstances.first else { throw UnreadableRow(table: "messages") }
        let question = try MessageStore.decodeQuestion(row, about: message, now: now)
        switch decideToSend(question) {
        case .send: break
        case .drop(let reason):
            setAside(as: .expired, reason.rawValue)
            return .settled
        case .wait(let end):
            if message.reason != Self.quiet { setAside(as: .queued, Self.quiet) }
            return .waits(until: question.isOnTestClock ? now + Self.testClockPause : end)
        }
        switch compose(message, request) {
        case .success(let mail):
            let sent = Try(job: job, message: message, attempt: message.attempts + 1)
            for statement in MessageStore.beginAttempt(sent.attempt, of: message, tenant: tenant, now: now) {
                transaction.add(statement)
            }
            return .marked(mail, sent)
        case .failure(let invalid):
            setAside(as: .failed, invalid.rawValue)
            needsPerson(message, .failed, invalid.rawValue, after: message.attempts, of: job, in: transaction, now: now)
            return .settled
        }
    }

    /// This run's own mark, whose COMMIT got no answer.
    private func resume(_ message: Message, _ request: Message.Request?, _ job: Job) -> Marking {
        guard case .success(let mail) = compose(message, request) else { return .settled }
        return .marked(mail, Try(job: job, message: message, attempt: message.attempts))
    }

    /// Marked before, by a run that died or still goes on without its lease: it may have left.
    private func interrupted(_ message: Message, _ job: Job, in transaction: Transaction, now: Instant) {
        let (tenant, reason) = (TenantID(job.tenant), "the program was interrupted while sending")
        transaction.add(
            MessageStore.settle(
                message.id,
                tenant: tenant,
                after: message.attempts,
                as: .unknown,
                reason: reason,
                now: now
            )
        )
        transaction.add(
            MessageStore.endAttempt(
                message.attempts,
                of: message.id,
                tenant: tenant,
                .unknown,
                detail: reason,
                now: now
            )
        )
        needsPerson(message, .unknown, reason, after: message.attempts, of: job, in: transaction, now: now)
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

    /// The message's job failed for the last time, on our side, before it left.
    func giveUp(_ job: Job, _ error: any Error) async throws {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let (tenant, now) = (TenantID(job.tenant), environment.clock.now())
            let rows = try await transaction.query(
                JobStore.hold(job),
                MessageStore.lock(MessageID(job.subject), tenant: tenant)
            )
            guard try JobStore.isHeld(rows[0]), let message = try rows[1].first.map(MessageStore.decode),
                message.state == .queued
            else { return }
            let reason = "failed on our side: \(type(of: error))"
            transaction.add(MessageStore.setAside(message, tenant: tenant, as: .failed, reason: reason, now: now))
            needsPerson(message, .failed, reason, after: message.attempts, of: job, in: transaction, now: now)
        }
    }
}

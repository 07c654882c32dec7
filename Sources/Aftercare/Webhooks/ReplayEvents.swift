import FoundationEssentials
import JSON
import Jobs
import Postgres
import Time

/// Which webhooks are to be read again, and how far that is.
struct ReplayTask: Hashable, Sendable {
    /// The last one that was given to its job.
    struct Position: Hashable, Sendable {
        var at: Instant
        var id: UUID
    }

    let connection: ConnectionID
    /// Those that were ignored or quarantined for this reason; nil: all that are quarantined.
    let reason: String?
    var after: Position
    /// Received before.
    let before: Instant
}

/// The job that gives webhooks to theirs once more, the oldest first. Its subject is the operation.
///
/// Some at a time, each lot in a transaction that also notes how far it is: a program that dies goes on where the last lot
/// ended. There is a pause after each, so that what comes in meanwhile does not wait behind all of them. An event that is
/// settled while this runs is not read again, so that one which stays as it is does not come back for ever.
struct ReplayEvents {
    static let kind = "replay_events"
    static let batch = 500
    private static let maximumAttempts = 8
    private static let pause = Duration.seconds(1)

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, maximumAttempts: Self.maximumAttempts, run: run) }

    static func job(for operation: Operation, _ tenant: TenantID, now: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: operation.store.uuid,
            kind: kind,
            subject: operation.id.uuid,
            runAt: now
        )
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        do {
            let isDone = try await replay(job)
            environment.wakeWorker()
            return isDone ? .finished : .again(at: environment.clock.now() + Self.pause)
        } catch {
            // Or nothing of this store could ever be replayed again.
            if job.attempt >= Self.maximumAttempts, !(error is StaleLease) { try await giveUp(job) }
            throw error
        }
    }

    /// One lot. True if it was the last.
    private func replay(_ job: Job) async throws -> Bool {
        let (tenant, id) = (TenantID(job.tenant), OperationID(job.subject))
        return try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            let rows = try await transaction.query(
                JobStore.hold(job),
                OperationStore.operation(id, tenant: tenant),
                ReplayStore.task(of: id, tenant: tenant)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            guard let operation = try rows[1].first.map(OperationStore.decode), operation.state == .running,
                var task = try rows[2].first.map(ReplayStore.decode)
            else {
                try await JobStore.finish(job, in: transaction, now: now)
                return true
            }
            let found = try await transaction.query(
                ReplayStore.take(task, settledBefore: operation.createdAt, tenant: tenant, limit: Self.batch)
            )
            let taken = try found[0].map(ReplayStore.position)
            let isDone = taken.count < Self.batch
            if isDone { try await JobStore.finish(job, in: transaction, now: now) }
            if let last = taken.max(by: { ($0.at, $0.id.bits) < ($1.at, $1.id.bits) }) { task.after = last }
            transaction.add(ReplayStore.set(task, of: id, read: taken.count, tenant: tenant))
            if isDone {
                transaction.add(OperationStore.end(id, tenant: tenant, as: .succeeded, error: nil, now: now))
            }
            if !taken.isEmpty {
                transaction.add(ReplayStore.enqueue(taken.map(\.id), store: operation.store, tenant: tenant, now: now))
            }
            return isDone
        }
    }

    private func giveUp(_ job: Job) async throws {
        _ = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            OperationStore.end(
                OperationID(job.subject),
                tenant: TenantID(job.tenant),
                as: .failed,
                error: "Not all webhooks could be given to be read again. Ask once more for the others.",
                now: environment.clock.now()
            )
        )
    }
}

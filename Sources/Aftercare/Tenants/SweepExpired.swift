import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// A store's night has come: deletes what its tenant need not keep any longer, and schedules the next night.
struct SweepExpired {
    static let kind = "sweep_expired"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        guard let store = job.store else { return .done }
        // First: the nights go on even if this one's work should fail for good.
        try await scheduleNext(job, store)
        let now = environment.clock.now()
        var deleted: [Retention.Subject: Int] = [:]
        for subject in Retention.Subject.allCases {
            deleted[subject] = try await sweep(subject, tenant: job.tenant, now: now)
        }
        let counts = deleted.filter { $0.value > 0 }
        if !counts.isEmpty {
            environment.logger.info(
                "deleted what was kept for long enough",
                metadata: ["tenant": "\(TenantID(job.tenant))", "rows": "\(counts)"]
            )
        }
        return .done
    }

    /// Nights that were missed are one: the next is the next that lies ahead. The job is held meanwhile, so that of two
    /// workers that both believe to have it, one at most schedules, and one row at most waits for a store.
    private func scheduleNext(_ job: Job, _ store: UUID) async throws {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let rows = try await transaction.query(
                JobStore.hold(job),
                RetentionStore.store(store, tenant: job.tenant),
                RetentionStore.isScheduled(store, tenant: job.tenant),
                JobStore.fired(tenant: job.tenant, schedule: job.subject)
            )
            guard try JobStore.isHeld(rows[0]) else { throw StaleLease() }
            guard let store = try rows[1].first.map(TenantStore.decode),
                let waiting = rows[2].first, try !waiting.decode(Bool.self)
            else { return }
            let now = environment.clock.now()
            // It is due by the server's clock, which may be a moment ahead of ours.
            let due: Instant? = try rows[3].first?("due_at")
            let night: String? = try rows[3].first?("occurrence")
            let next = Retention.scheduled(
                for: store,
                after: max(now, due ?? now),
                laterThan: night.flatMap { LocalDate($0) }
            )
            transaction.add(JobStore.schedule(next, now: now))
            // The night's other work is a job of its own, so that neither holds up the other.
            let silent = FindSilentShipments.job(for: store.id.uuid, tenant: job.tenant, now: now)
            transaction.add(JobStore.enqueue(silent, now: now))
            if environment.masterKey.isReplacing {
                let reseal = ResealSecrets.job(for: store.id.uuid, tenant: job.tenant, now: now)
                transaction.add(JobStore.enqueue(reseal, now: now))
            }
        }
    }

    /// One statement after the other, each a transaction, until one of them finds less than it may take.
    private func sweep(_ subject: Retention.Subject, tenant: UUID, now: Instant) async throws -> Int {
        var deleted = 0
        while true {
            let rows = try await environment.pool.transaction(
                environment.settings(for: tenant),
                RetentionStore.delete(
                    subject,
                    tenant: tenant,
                    before: now - subject.kept(bodies: environment.bodiesKept),
                    limit: subject.batch,
                    now: now
                )
            )
            deleted += rows[0].affected
            if rows[0].affected < subject.batch { return deleted }
        }
    }
}

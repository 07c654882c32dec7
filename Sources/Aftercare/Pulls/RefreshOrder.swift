import FoundationEssentials
import Jobs
import Postgres
import Time

/// Asks the shop about one order, now, because somebody is waiting for it. The job's subject is the order.
///
/// Two turns: what the shop answers is stored as an event, and once that is applied the refresh has succeeded, so that
/// whoever then reads the order reads what the shop told.
struct RefreshOrder {
    static let kind = "refresh_order"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    static func job(_ refresh: Refresh, tenant: TenantID, at instant: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: refresh.store.uuid,
            kind: kind,
            subject: refresh.order.uuid,
            runAt: instant
        )
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let settings = environment.settings(for: job.tenant)
        let rows = try await environment.pool.transaction(settings, RefreshStore.work(job.subject, tenant: job.tenant))
        guard let row = rows[0].first else { return .done }
        let refresh = try RefreshStore.decode(row)
        guard refresh.state == .running else { return .done }
        let (externalID, eventState): (String, String?) = try (row("external_id"), row("event_state"))
        if refresh.event != nil {
            switch eventState.flatMap(InboundEvent.State.init(rawValue:)) {
            // It takes a moment, unless something is wrong.
            case .received where refresh.isUnderWay(environment.clock.now()):
                return .again(at: refresh.nextLook(environment.clock.now()))
            case .received: try await end(refresh, job) { $0.fail(.unreadable, "not applied yet", at: $1) }
            case .applied: try await end(refresh, job) { $0.succeed(at: $1) }
            case .ignored, .quarantined, nil: try await end(refresh, job) { $0.fail(.unreadable, nil, at: $1) }
            }
            return .finished
        }
        try await ask(for: externalID, refresh, job)
        return .finished
    }

    private func ask(for externalID: String, _ refresh: Refresh, _ job: Job) async throws {
        let tenant = TenantID(job.tenant)
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            ConnectionStore.asked(refresh.connection, tenant: tenant)
        )
        let shop: Shop
        do {
            shop = try Shop(rows[0].first, environment)
        } catch is Shop.Absence {
            return try await end(refresh, job) { $0.fail(.notInUse, nil, at: $1) }
        } catch is MasterKey.SealBroken {
            let detail = "the credentials cannot be opened: give them anew"
            return try await end(refresh, job) { $0.fail(.credentialsRefused, detail, at: $1) }
        }
        let askedAt = environment.clock.now()
        let answer: PulledOrders.Answer
        do throws(PullFailure) {
            let found = try await shop.source.order(externalID)
            answer = found.map { shop.answer($0, askedAt: askedAt) } ?? PulledOrders.missing(externalID)
        } catch {
            return try await note(error, refresh, job)
        }
        try await keep(answer, of: shop, askedAt: askedAt, refresh, job)
    }

    private func keep(
        _ answer: PulledOrders.Answer,
        of shop: Shop,
        askedAt: Instant,
        _ refresh: Refresh,
        _ job: Job
    ) async throws {
        let tenant = TenantID(job.tenant)
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            let keep = KeepPulled(
                tenant: tenant,
                store: shop.connection.store,
                connection: shop.connection.id,
                askedAt: askedAt,
                now: now
            )
            let kept = try await keep.keep([answer], in: transaction)
            var refresh = refresh
            if let event = kept.waiting.first { refresh.wait(for: event) } else { refresh.succeed(at: now) }
            transaction.add(RefreshStore.save(refresh, tenant: tenant))
            for statement in kept.last { transaction.add(statement) }
            guard refresh.state == .running else { return }
            let again = Self.job(refresh, tenant: tenant, at: now)
            transaction.add(JobStore.enqueueCoalescing(again, now: now))
        }
        environment.wakeWorker()
    }

    /// Tries again soon what may work then.
    private func note(_ failure: PullFailure, _ refresh: Refresh, _ job: Job) async throws {
        let tenant = TenantID(job.tenant)
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            var refresh = refresh
            var generator = SystemRandomNumberGenerator()
            let delay = Retry.delay(after: refresh.attempts + 1, using: &generator)
            let next = refresh.fail(failure, at: now, delay: delay)
            transaction.add(RefreshStore.save(refresh, tenant: tenant))
            guard let next else { return }
            let again = Self.job(refresh, tenant: tenant, at: next)
            transaction.add(JobStore.enqueueCoalescing(again, now: now))
        }
    }

    private func end(_ refresh: Refresh, _ job: Job, _ change: (inout Refresh, Instant) -> Void) async throws {
        try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            var refresh = refresh
            change(&refresh, now)
            transaction.add(RefreshStore.save(refresh, tenant: TenantID(job.tenant)))
        }
    }
}

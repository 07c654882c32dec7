import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// Asks a shop for the next page of its orders. The job's subject is the connection; it is there for as long as the
/// connection has credentials, and waits for its next time.
///
/// A page is one transaction: what is news on it becomes events with their jobs, how far the run is is written down, and
/// the job is put to its next time. Nobody sleeps, and nothing is lost or counted twice, whoever dies when.
struct PullOrders {
    let kind: Pull.Kind
    let environment: Environment

    static func name(of kind: Pull.Kind) -> String {
        switch kind {
        case .reconcile: "reconcile_orders"
        case .sweep: "sweep_orders"
        }
    }

    /// The longest wait between two tries is an hour: giving up would be for good.
    var handler: JobHandler {
        JobHandler(Self.name(of: kind), maximumAttempts: 1000, maximumRescues: 1000, run: run)
    }

    static func job(
        _ kind: Pull.Kind,
        of connection: ConnectionID,
        store: StoreID,
        tenant: TenantID,
        at instant: Instant
    ) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: store.uuid,
            kind: name(of: kind),
            subject: connection.uuid,
            runAt: instant
        )
    }

    /// What is put to work when a connection gets its credentials, or is put to use again.
    static func beginning(_ connection: Connection, now: Instant) -> [SQL] {
        guard connection.credentialsSetAt != nil, connection.state == .active else { return [] }
        return Pull.Kind.allCases.map { kind in
            JobStore.enqueueCoalescing(
                job(kind, of: connection.id, store: connection.store, tenant: connection.tenant, at: now),
                now: now
            )
        }
    }

    /// Orders that the shop did not list and that are asked for one by one, in one turn.
    private static let unseenAtOnce = 10

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let (tenant, id) = (TenantID(job.tenant), ConnectionID(job.subject))
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            ConnectionStore.asked(id, tenant: tenant),
            PullStore.pull(kind, of: id, tenant: tenant)
        )
        var pull = try rows[1].first.map(PullStore.decode) ?? Pull(kind)
        let shop: Shop
        do {
            shop = try Shop(rows[0].first, environment)
        } catch is Shop.Absence {
            // Whoever gives it credentials, or puts it to use again, begins anew.
            return .done
        }
        let askedAt = environment.clock.now()
        pull.begin(at: askedAt, connectedAt: shop.connection.createdAt, overlap: environment.pulls.overlap)
        switch pull.phase {
        case .listing: try await askForPage(of: shop, pull, askedAt: askedAt, job)
        case .missing: try await askForUnseen(of: shop, pull, askedAt: askedAt, job)
        }
        return .finished
    }

    private func askForPage(of shop: Shop, _ pull: Pull, askedAt: Instant, _ job: Job) async throws {
        let page: PulledPage
        do throws(PullFailure) {
            page = try await shop.source.orders(updatedSince: pull.since, after: pull.cursor)
        } catch {
            return try await settle(shop, pull, [], askedAt: askedAt, job) { pull, _, now in fail(&pull, error, now) }
        }
        if let version = shop.source.otherVersion {
            environment.logger.warning(
                "a shop answers in another version of its API",
                metadata: ["connection": "\(shop.connection.id)", "version": "\(version)"]
            )
        }
        let answers = page.orders.map { shop.answer($0, askedAt: askedAt) }
        let interval = environment.pulls.interval(of: kind)
        try await settle(shop, pull, answers, askedAt: askedAt, job) { pull, changed, now in
            let page = Pull.Page(
                orders: answers.count,
                changed: changed,
                next: page.next,
                newest: answers.compactMap(\.saidAt).max(),
                askedAt: askedAt
            )
            pull.turn(page, at: now, interval: interval)
        }
    }

    /// Orders that we know through the connection and that the shop did not list: deleted, in its bin, or in a state that
    /// it does not list.
    private func askForUnseen(of shop: Shop, _ pull: Pull, askedAt: Instant, _ job: Job) async throws {
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            PulledOrderStore.unseen(
                since: pull.startedAt ?? askedAt,
                after: pull.cursor,
                tenant: shop.connection.tenant,
                store: shop.connection.store,
                connection: shop.connection.id,
                limit: Self.unseenAtOnce
            )
        )
        let unseen: [String] = try rows[0].decode(String.self)
        var answers: [PulledOrders.Answer] = []
        var (failure, isWithheld, passed): (PullFailure?, Bool, Int) = (nil, false, 0)
        asking: for id in unseen {
            do throws(PullFailure) {
                let found = try await shop.source.order(id)
                answers.append(found.map { shop.answer($0, askedAt: askedAt) } ?? PulledOrders.missing(id))
            } catch {
                switch error {
                // It must not hold up all that come after it. The next sweep asks for it again.
                case .unreadable(let what):
                    environment.logger.warning(
                        "an order of a shop cannot be read",
                        metadata: ["connection": "\(shop.connection.id)", "order": "\(id)", "why": "\(what)"]
                    )
                // It lists orders, and does not show us all it has: what it did not list may be there all the same.
                case .missingScope:
                    isWithheld = true
                    break asking
                case .unauthorized, .forbidden, .apiSunset, .throttled, .unavailable:
                    failure = error
                    break asking
                }
            }
            passed += 1
        }
        let (asked, error, isOver, count) = (answers, failure, isWithheld, passed)
        let interval = environment.pulls.interval(of: kind)
        try await settle(shop, pull, answers, askedAt: askedAt, job) { pull, changed, now in
            let isLast = isOver || error == nil && unseen.count < Self.unseenAtOnce
            // What was asked before the failure is not asked again.
            if error == nil || count > 0 {
                pull.turn(
                    missing: asked.count { !$0.isThere },
                    changed: changed,
                    upTo: isLast ? nil : unseen[count - 1],
                    at: now,
                    interval: interval
                )
            }
            if let error { fail(&pull, error, now) }
        }
    }

    private func fail(_ pull: inout Pull, _ failure: PullFailure, _ now: Instant) {
        var generator = SystemRandomNumberGenerator()
        pull.fail(failure, at: now, delay: Retry.delay(after: pull.failures + 1, using: &generator))
    }

    /// The transaction of a turn. The job goes on in it, for its next time: whoever lost the job has changed nothing.
    private func settle(
        _ shop: Shop,
        _ pull: Pull,
        _ answers: [PulledOrders.Answer],
        askedAt: Instant,
        _ job: Job,
        _ turn: (inout Pull, _ changed: Int, _ now: Instant) -> Void
    ) async throws {
        let connection = shop.connection
        let isDue = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            let keep = KeepPulled(
                tenant: connection.tenant,
                store: connection.store,
                connection: connection.id,
                askedAt: askedAt,
                now: now
            )
            let kept = try await keep.keep(answers, in: transaction)
            var pull = pull
            turn(&pull, kept.changed, now)
            transaction.add(
                PullStore.save(pull, of: connection.id, store: connection.store, tenant: connection.tenant, now: now)
            )
            for statement in kept.last { transaction.add(statement) }
            let next = Self.job(
                kind,
                of: connection.id,
                store: connection.store,
                tenant: connection.tenant,
                at: pull.nextAt ?? now
            )
            transaction.add(JobStore.enqueueCoalescing(next, now: now))
            environment.failpoint.pass(.pullBeforeCommit)
            return !kept.last.isEmpty || next.runAt <= now
        }
        environment.failpoint.pass(.pullAfterCommit)
        if isDue { environment.wakeWorker() }
    }
}

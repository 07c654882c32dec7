import FoundationEssentials
import Postgres
import Time

/// How the tables are spread.
public enum Distribution: String, Sendable, CaseIterable {
    /// One PostgreSQL server: a statement may lock rows of many tenants.
    case single
    /// Citus: each locking statement keeps to one tenant.
    case citus
}

/// One claimer's walk through the tenants, and its claims.
///
/// Holds what only speeds things up: the page of due tenants it is working off, and where in each tenant's jobs it
/// left off. All of it may be lost.
struct Queue {
    let pool: Pool
    let distribution: Distribution
    let worker: UUID
    let leaseTime: Duration

    static let pageSize = 512
    /// Every so often a claim ignores the floors: a producer that took its time between reading the clock and
    /// committing, or a rescued job, lies below them.
    static let floorHolds = Duration.seconds(5)
    /// Nor does a floor ever reach into the last moments, where producers commit late all the time.
    static let floorDistance = Duration.seconds(2)
    /// Pages in a row that were due and gave no job: others hold the locks, and asking again at once would not help.
    static let fruitlessPages = 3

    private var due: [UUID] = []
    private var cursor: UUID
    private var floors: [UUID: Floor] = [:]
    private var floorsSince = ContinuousClock.now

    init(pool: Pool, distribution: Distribution, worker: UUID, leaseTime: Duration) {
        self.pool = pool
        self.distribution = distribution
        self.worker = worker
        self.leaseTime = leaseTime
        // A random start, so that several workers do not walk in step.
        cursor = UUID()
    }

    /// Ends `done`, and claims up to `limit` jobs, in one round trip while a page of due tenants lasts.
    ///
    /// - Returns: what was claimed; none if nothing is due anywhere.
    mutating func next(completing done: [Job], limit: Int, now: Instant) async throws(PostgresError) -> [Job] {
        guard distribution == .single else { return try await nextOnCitus(completing: done, limit: limit, now: now) }
        var done = done
        var fruitless = 0
        while true {
            // The page first: then what is done ends in the claim's own transaction, with one commit instead of two.
            if due.isEmpty, limit > 0, try await !turnPage(), done.isEmpty { return [] }
            let page = page(limit: limit)
            let claim = QueueStore.claim(page, worker: worker, until: now + leaseTime)
            let jobs: [Job]
            switch (done.isEmpty, page.tenants.isEmpty || limit == 0) {
            case (true, true): jobs = []
            case (true, false): jobs = try await pool.execute(claim).map(Job.init)
            case (false, true):
                _ = try await pool.execute(QueueStore.complete(done, now: now))
                jobs = []
            case (false, false):
                jobs = try await pool.transaction([], QueueStore.complete(done, now: now), claim)[1].map(Job.init)
            }
            done = []
            if limit == 0 || page.tenants.isEmpty { return [] }
            note(jobs, of: page.tenants, now: now)
            leave(page, served: jobs)
            if !jobs.isEmpty { return jobs }
            fruitless += 1
            guard fruitless < Self.fruitlessPages else { return [] }
        }
    }

    private mutating func nextOnCitus(
        completing done: [Job],
        limit: Int,
        now: Instant
    ) async throws(PostgresError) -> [Job] {
        for (tenant, jobs) in Dictionary(grouping: done, by: \.tenant) {
            _ = try await pool.execute(QueueStore.complete(tenant: tenant, jobs, now: now))
        }
        var claimed: [Job] = []
        var pages = 0
        while claimed.count < limit {
            if due.isEmpty {
                guard claimed.isEmpty, pages < Self.fruitlessPages, try await turnPage() else { break }
                pages += 1
            }
            forgetFloors()
            let share = share(of: limit)
            let tenant = due.removeFirst()
            let claim = QueueStore.claim(
                tenant: tenant,
                floor: floors[tenant] ?? .bottom,
                limit: min(share, limit - claimed.count),
                worker: worker,
                until: now + leaseTime
            )
            let jobs = try await pool.execute(claim).map(Job.init)
            note(jobs, of: [tenant], now: now)
            claimed += jobs
        }
        return claimed
    }

    private mutating func page(limit: Int) -> ClaimPage {
        forgetFloors()
        return ClaimPage(
            tenants: due,
            floors: due.map { floors[$0] ?? .bottom },
            share: share(of: limit),
            limit: limit
        )
    }

    private func share(of limit: Int) -> Int { max(1, limit / max(1, due.count)) }

    private mutating func forgetFloors() {
        guard floorsSince.duration(to: .now) > Self.floorHolds else { return }
        floors.removeAll(keepingCapacity: true)
        floorsSince = .now
    }

    /// Remembers how far the claim got. Tenants that were due and gave nothing have their jobs below the floor, or
    /// locked.
    private mutating func note(_ jobs: [Job], of tenants: [UUID], now: Instant) {
        let latest = Floor(runAt: now - Self.floorDistance, id: .zero)
        for job in jobs {
            let reached = min(Floor(runAt: job.runAt, id: job.id), latest)
            floors[job.tenant] = max(floors[job.tenant] ?? .bottom, reached)
        }
        if jobs.isEmpty { for tenant in tenants { floors[tenant] = nil } }
    }

    /// Goes on behind the last tenant that was served, so that everyone who is due has a turn before anyone has a
    /// second one. A claim that was not filled has been to all of them.
    private mutating func leave(_ page: ClaimPage, served jobs: [Job]) {
        let served = Set(jobs.map(\.tenant))
        guard jobs.count == page.limit, let last = due.lastIndex(where: served.contains) else { return due = [] }
        due.removeFirst(last + 1)
    }

    /// Finds the next page of tenants with due jobs; false when the walk went round and found none.
    private mutating func turnPage() async throws(PostgresError) -> Bool {
        var wrapped = false
        while true {
            let rows = try await pool.execute(QueueStore.dueTenants(after: cursor, limit: Self.pageSize))
            let page = try rows.decode((UUID, Bool).self)
            due = page.filter(\.1).map(\.0)
            if page.count == Self.pageSize, let last = page.last {
                cursor = last.0
            } else {
                // The end of the walk: the next page begins at the first tenant.
                cursor = .zero
                if wrapped { return !due.isEmpty }
                wrapped = true
            }
            if !due.isEmpty { return true }
        }
    }
}

extension Floor: Comparable {
    /// In the order of PostgreSQL's row comparison, which compares UUIDs byte by byte.
    static func < (a: Floor, b: Floor) -> Bool {
        guard a.runAt == b.runAt else { return a.runAt < b.runAt }
        return withUnsafeBytes(of: a.id.uuid) { a in
            withUnsafeBytes(of: b.id.uuid) { b in a.lexicographicallyPrecedes(b) }
        }
    }
}

extension Job {
    init(_ row: Row) throws(PostgresError) {
        (tenant, id, store, kind, subject, attempt, rescues, lease, runAt) = try row.decode(
            (UUID, UUID, UUID?, String, UUID, Int, Int, Int64, Instant).self
        )
    }
}

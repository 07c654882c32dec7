import FoundationEssentials
import Logging
import Postgres
import Support
import Synchronization
import Testing
import Time

@testable import Jobs

/// A queue of a test's own: a database with nothing in the queue, producers as aftercare_app, workers as aftercare_worker.
struct QueueDatabase: Sendable {
    struct Tenant: Hashable, Sendable {
        let id: UUID
        let store: UUID
        var settings: [LocalSetting] { [LocalSetting("app.tenant", id)] }
    }

    /// A row of `jobs` as it is.
    struct Row: Hashable {
        let tenant: UUID
        let id: UUID
        let state: String
        let attempt: Int
        let lease: Int64
        let again: Bool
        let lastError: String?
        let runAt: Instant
    }

    let database: MigratedDatabase
    let clock: DatabaseClock

    static func run<Result>(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (QueueDatabase) async throws -> Result
    ) async throws -> Result {
        let used = recycled.withLock { $0.popLast() }
        let database = if let used { used } else { try await make() }
        do {
            let queue = QueueDatabase(database: database, clock: try await DatabaseClock(database.worker))
            let result = try await body(queue)
            // Ten times as fast as another database.
            try await database.superuser.script("TRUNCATE jobs, schedule, fired, effects, news")
            recycled.withLock { $0.append(database) }
            return result
        } catch {
            try await database.drop()
            throw error
        }
    }

    private static let recycled = Mutex<[MigratedDatabase]>([])

    private static func make() async throws -> MigratedDatabase {
        let database = try await MigratedDatabase.fresh()
        // What a handler did, and a producer's facts, each row once.
        try await database.superuser.script(
            """
            CREATE TABLE effects (tenant_id uuid NOT NULL, job uuid NOT NULL);
            CREATE TABLE news (tenant_id uuid NOT NULL, subject uuid NOT NULL, seen int NOT NULL);
            GRANT ALL ON effects, news TO aftercare_app, aftercare_worker;
            """
        )
        return database
    }

    var worker: Pool { database.worker }
    var superuser: Pool { database.superuser }
    /// An instant that has passed, whatever the two clocks' difference.
    var past: Instant { clock.now() - .seconds(1) }

    // MARK: Producing

    func tenants(_ count: Int) async throws -> [Tenant] {
        let tenants = (0..<count).map { _ in Tenant(id: UUID(), store: UUID()) }
        _ = try await superuser.transaction(
            [],
            """
            INSERT INTO tenants (tenant_id, name, created_at) SELECT unnest(\(tenants.map(\.id))), 'A tenant', \(past)
            """,
            """
            INSERT INTO stores (tenant_id, id, name, platform, time_zone, currency, locale, mode, created_at, updated_at)
            SELECT tenant_id, id, 'A store', 'other', 'UTC', 'EUR', 'en', 'sandbox', \(past), \(past)
              FROM unnest(\(tenants.map(\.id)), \(tenants.map(\.store))) AS new (tenant_id, id)
            """
        )
        return tenants
    }

    func tenant() async throws -> Tenant { try #require(try await tenants(1).first) }

    func job(of tenant: Tenant, _ kind: String = "work", about subject: UUID = UUID(), at: Instant? = nil) -> NewJob {
        NewJob(tenant: tenant.id, id: UUID(), store: tenant.store, kind: kind, subject: subject, runAt: at ?? past)
    }

    /// Enqueues jobs of one tenant in one transaction; their ids.
    @discardableResult
    func enqueue(_ count: Int = 1, of tenant: Tenant, _ kind: String = "work") async throws -> [UUID] {
        let jobs = (0..<count).map { _ in job(of: tenant, kind) }
        try await enqueue(jobs, of: tenant)
        return jobs.map(\.id)
    }

    func enqueue(_ jobs: [NewJob], of tenant: Tenant) async throws {
        let statements = jobs.map { JobStore.enqueue($0, now: clock.now()) }
        _ = try await database.app.transaction(tenant.settings, statements)
    }

    func enqueueCoalescing(
        _ kind: String = "work",
        about subject: UUID,
        of tenant: Tenant,
        at: Instant? = nil
    ) async throws {
        let job = job(of: tenant, kind, about: subject, at: at)
        _ = try await database.app.transaction(
            tenant.settings,
            JobStore.enqueueCoalescing(job, now: clock.now())
        )
    }

    // MARK: Working

    func queue(_ distribution: Distribution = .single, leaseTime: Duration = .seconds(600)) -> Queue {
        Queue(pool: worker, distribution: distribution, worker: UUID(), leaseTime: leaseTime)
    }

    /// Claims as a worker that has just started. An expired claim's lease has run out already.
    func claim(_ limit: Int = 100, _ distribution: Distribution = .single, expired: Bool = false) async throws -> [Job]
    {
        var queue = queue(distribution, leaseTime: .seconds(expired ? -5 : 600))
        return try await queue.next(completing: [], limit: limit, now: clock.now())
    }

    /// Ends a job as a handler does, with one effect.
    func finish(_ job: Job) async throws {
        try await worker.withTransaction([LocalSetting("app.tenant", job.tenant)]) { transaction in
            try await JobStore.finish(job, in: transaction, now: past)
            transaction.add("INSERT INTO effects (tenant_id, job) VALUES (\(job.tenant), \(job.id))")
        }
    }

    @discardableResult
    func rescue(_ distribution: Distribution = .single) async throws -> Int {
        switch distribution {
        case .single: return try await worker.execute(QueueStore.rescue(limit: 1000)).affected
        case .citus:
            var rescued = 0
            for tenant in try await worker.execute(QueueStore.tenantsToRescue(limit: 1000)).decode(UUID.self) {
                rescued += try await worker.execute(QueueStore.rescue(tenant: tenant, limit: 1000)).affected
            }
            return rescued
        }
    }

    /// Promotes until nothing is due; how many rows were taken, and how many jobs were made.
    func promote(_ distribution: Distribution = .single, limit: Int = 500) async throws -> (taken: Int, jobs: Int) {
        var sums = (taken: 0, jobs: 0)
        var statements: [SQL] = []
        repeat {
            switch distribution {
            case .single: statements = [QueueStore.promote(limit: limit, now: clock.now())]
            case .citus:
                statements = try await worker.execute(QueueStore.tenantsToPromote(limit: 1000)).decode(UUID.self)
                    .map { QueueStore.promote(tenant: $0, limit: limit, now: clock.now()) }
            }
            var taken = 0
            for statement in statements {
                let row = try #require(try await worker.execute(statement).first).decode((Int, Int).self)
                taken += row.0
                sums.jobs += row.1
            }
            sums.taken += taken
            if taken == 0 { statements = [] }
        } while !statements.isEmpty
        return sums
    }

    func makeWorker(
        _ handlers: JobHandler...,
        pool: Pool? = nil,
        configure: (inout Worker.Settings) -> Void = { _ in }
    ) -> Worker {
        var settings = Worker.Settings()
        settings.poll = .milliseconds(10)
        settings.sweep = .milliseconds(20)
        configure(&settings)
        let silent = Logger(label: "worker") { _ in SwiftLogNoOpLogHandler() }
        return Worker(
            pool: pool ?? worker,
            heartbeats: pool == nil ? nil : worker,
            clock: clock,
            handlers: handlers,
            settings: settings,
            logger: silent
        )
    }

    // MARK: Looking

    func rows() async throws -> [Row] {
        try await superuser.execute(
            "SELECT tenant_id, id, state, attempt, lease_no, again, last_error, run_at FROM jobs ORDER BY run_at, id"
        )
        .decode((UUID, UUID, String, Int, Int64, Bool, String?, Instant).self)
        .map {
            Row(
                tenant: $0.0,
                id: $0.1,
                state: $0.2,
                attempt: $0.3,
                lease: $0.4,
                again: $0.5,
                lastError: $0.6,
                runAt: $0.7
            )
        }
    }

    func row(_ id: UUID) async throws -> Row? { try await rows().first { $0.id == id } }

    func theRow() async throws -> Row {
        let rows = try await rows()
        try #require(rows.count == 1)
        return rows[0]
    }

    func count(_ statement: SQL) async throws -> Int {
        try #require(try await superuser.execute(statement).first).decode(Int.self)
    }

    func jobs() async throws -> Int { try await count("SELECT count(*) FROM jobs") }
    func effects() async throws -> Int { try await count("SELECT count(*) FROM effects") }

    /// Makes every waiting job due, as time would.
    func makeDue() async throws {
        _ = try await superuser.execute("UPDATE jobs SET run_at = \(past) WHERE state = 'ready'")
    }

    /// Waits until some statement of this database's waits for a lock.
    func waitForLock() async throws {
        try await eventually {
            try await count(
                """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                """
            ) > 0
        }
    }
}

/// Runs workers for the length of `body`, then stops them and waits for their end.
func running<Result>(
    _ workers: [Worker],
    isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws -> Result
) async throws -> Result {
    try await withThrowingDiscardingTaskGroup { group in
        for worker in workers { group.addTask { await worker.run() } }
        defer { for worker in workers { worker.stop() } }
        return try await body()
    }
}

/// What handlers did, in the order they did it.
final class Diary: Sendable {
    private let state = Mutex<[Job]>([])

    /// Writes a job down; how many there are now.
    @discardableResult
    func note(_ job: Job) -> Int {
        state.withLock { jobs in
            jobs.append(job)
            return jobs.count
        }
    }
    var jobs: [Job] { state.withLock { $0 } }
    var count: Int { state.withLock { $0.count } }
    /// How often each job was begun.
    var counts: [UUID: Int] { jobs.reduce(into: [:]) { $0[$1.id, default: 0] += 1 } }

    /// A handler that only writes down.
    func handler(_ kind: String = "work") -> JobHandler {
        JobHandler(kind) { job in
            self.note(job)
            return .done
        }
    }
}

/// What handlers wait for, so that a test decides when they go on.
final class Gate: Sendable {
    private let isOpen = Atomic(false)

    func open() { isOpen.store(true, ordering: .relaxed) }

    /// Throws when its task is cancelled.
    func wait() async throws {
        try await eventually { isOpen.load(ordering: .relaxed) }
    }
}

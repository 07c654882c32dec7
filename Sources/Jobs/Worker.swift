import FoundationEssentials
public import Logging
public import Postgres
import Synchronization
import Time

/// Runs jobs until it is stopped. Any number of workers may run, in any number of processes.
///
/// The tables are the truth and are polled; `wake()` only shortens the wait. A worker that dies leaves nothing but
/// leases that run out, which any other worker's sweep turns into ready jobs again.
public final class Worker: Sendable {
    public struct Settings: Sendable {
        /// Jobs held at once by each claimer.
        public var capacity = 200
        /// Claimers beside each other, each with a connection of its own.
        public var claimers = 2
        public var leaseTime = Duration.seconds(20)
        public var heartbeat = Duration.seconds(5)
        public var sweep = Duration.seconds(2)
        /// How often the tables are looked at while nothing is due.
        public var poll = Duration.milliseconds(250)
        /// How long a stop waits for running jobs before it hands their leases back.
        public var stopTimeout = Duration.seconds(20)
        public var distribution = Distribution.single

        public init() {}
    }

    private let pool: Pool
    /// For heartbeats alone, so that they wait for nobody: handlers that hold every connection of `pool` for longer
    /// than a lease would lose their own leases otherwise, and all their work would be done again.
    private let heartbeats: Pool
    private let clock: DatabaseClock
    private let handlers: [String: JobHandler]
    private let settings: Settings
    private let logger: Logger
    /// New for every process: a restarted worker is another one.
    private let id = UUID()
    private let hasStopped = Atomic(false)
    private let claimers: [Claimer]

    /// - Parameter heartbeats: a pool of one connection, which nothing else uses. Without one, heartbeats wait for
    ///   their turn among the handlers.
    public init(
        pool: Pool,
        heartbeats: Pool? = nil,
        clock: DatabaseClock,
        handlers: [JobHandler],
        settings: Settings = Settings(),
        logger: Logger
    ) {
        self.pool = pool
        self.heartbeats = heartbeats ?? pool
        self.clock = clock
        self.handlers = Dictionary(handlers.map { ($0.kind, $0) }, uniquingKeysWith: { first, _ in first })
        self.settings = settings
        self.logger = logger
        claimers = (0..<settings.claimers).map { _ in Claimer() }
    }

    /// Something was enqueued in this process: look now instead of at the next poll.
    public func wake() {
        for claimer in claimers { claimer.wake() }
    }

    /// Claims nothing more; `run` returns when the running jobs are done, or after `stopTimeout`.
    public func stop() {
        hasStopped.store(true, ordering: .relaxed)
        wake()
    }

    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.repeating(self.settings.heartbeat, self.beat) }
            group.addTask { await self.repeating(self.settings.sweep, self.rescue) }
            group.addTask { await self.repeating(self.settings.poll, self.promote) }
            await withDiscardingTaskGroup { claims in
                for claimer in claimers { claims.addTask { await self.claim(claimer) } }
            }
            group.cancelAll()
        }
    }

    private var isStopping: Bool { hasStopped.load(ordering: .relaxed) || Task.isCancelled }

    // MARK: Claiming

    private func claim(_ claimer: Claimer) async {
        var queue = Queue(
            pool: pool,
            distribution: settings.distribution,
            worker: id,
            leaseTime: settings.leaseTime
        )
        await withDiscardingTaskGroup { group in
            group.addTask { await self.repeating(self.settings.poll) { () throws(PostgresError) in claimer.wake() } }
            for await _ in claimer.wakeUps {
                let isStopping = isStopping
                let running = claimer.running
                if isStopping && running == 0 && claimer.finished.isEmpty { break }
                if isStopping && claimer.hasWaited(settings.stopTimeout) { break }
                let done = claimer.takeFinished()
                let free = isStopping ? 0 : settings.capacity - claimer.running
                guard free > 0 || !done.isEmpty else { continue }
                do throws(PostgresError) {
                    let jobs = try await queue.next(completing: done, limit: free, now: clock.now())
                    claimer.release(done)
                    claimer.began(jobs)
                    for job in jobs {
                        group.addTask {
                            let isDone = await self.perform(job)
                            if !isDone { claimer.release([job]) }
                            claimer.ended(isDone ? job : nil)
                        }
                    }
                    // These may have been the last, whose end nobody else tells of before the next tick.
                    if isStopping { claimer.wake() }
                } catch {
                    claimer.keep(done)
                    if !isStopping { report(error, "claiming") }
                    try? await Task.sleep(for: settings.poll)
                }
            }
            // This claimer's only: another's may still run.
            await handBack(claimer.held)
            group.cancelAll()
        }
    }

    private func handBack(_ held: Set<Job>) async {
        do {
            try await forEachStatement(held, on: pool, QueueStore.giveBack, QueueStore.giveBack)
        } catch {
            // Their leases run out, which is the same, later.
            report(error, "handing back leases")
        }
    }

    // MARK: Performing

    /// Runs one job's handler; true if the job still has to be ended by the claimer.
    private func perform(_ job: Job) async -> Bool {
        guard let handler = handlers[job.kind] else {
            // A newer program's job, while versions run side by side: leave it to that program.
            await put(back: job, at: clock.now() + .seconds(30), attempt: job.attempt - 1, error: nil)
            return false
        }
        guard job.rescues < handler.maximumRescues else {
            logger.error("a job's leases ran out, time after time", metadata: description(of: job))
            await end(job, QueueStore.fail(job, error: "LeaseRanOut", now: clock.now()))
            return false
        }
        do {
            switch try await handler.run(job) {
            case .finished: break
            case .done: return true
            case .again(let instant): await put(back: job, at: instant, attempt: job.attempt - 1, error: nil)
            }
        } catch is StaleLease {
            logger.warning("the job's lease was taken over; its work was rolled back", metadata: description(of: job))
        } catch {
            let isLast = job.attempt >= handler.maximumAttempts
            var random = SystemRandomNumberGenerator()
            var metadata = description(of: job)
            metadata["error"] = "\(String(reflecting: error))"
            logger.log(level: isLast ? .error : .warning, "a job failed", metadata: metadata)
            // Its type only: an error's text may quote a customer's data, and queue rows hold none.
            let name = "\(type(of: error))"
            if isLast {
                await end(job, QueueStore.fail(job, error: name, now: clock.now()))
            } else {
                let delay = Retry.delay(after: job.attempt, using: &random)
                await put(back: job, at: clock.now() + delay, attempt: job.attempt, error: name)
            }
        }
        return false
    }

    /// For the log; made only where there is something to say, for most jobs end well.
    private func description(of job: Job) -> Logger.Metadata {
        ["tenant": "\(job.tenant)", "job": "\(job.id)", "kind": "\(job.kind)", "attempt": "\(job.attempt)"]
    }

    private func put(back job: Job, at instant: Instant, attempt: Int, error: String?) async {
        await end(job, QueueStore.retry(job, at: instant, attempt: attempt, error: error))
    }

    private func end(_ job: Job, _ statement: SQL) async {
        do {
            _ = try await pool.execute(statement)
        } catch {
            // Its lease runs out.
            report(error, "putting back a job")
        }
    }

    // MARK: Housekeeping

    private func beat() async throws(PostgresError) {
        let held = claimers.reduce(into: Set<Job>()) { $0.formUnion($1.held) }
        let end = clock.now() + settings.leaseTime
        try await forEachStatement(
            held,
            on: heartbeats,
            { QueueStore.extend($0, until: end) },
            { QueueStore.extend(tenant: $0, $1, until: end) }
        )
    }

    /// Runs a statement about these jobs: one, or one for each tenant, as the tables are spread.
    private func forEachStatement(
        _ jobs: Set<Job>,
        on pool: Pool,
        _ statement: ([Job]) -> SQL,
        _ tenantStatement: (UUID, [Job]) -> SQL
    ) async throws(PostgresError) {
        guard !jobs.isEmpty else { return }
        switch settings.distribution {
        case .single: _ = try await pool.execute(statement(Array(jobs)))
        case .citus:
            for (tenant, jobs) in Dictionary(grouping: jobs, by: \.tenant) {
                _ = try await pool.execute(tenantStatement(tenant, jobs))
            }
        }
    }

    private static let housekeepingBatch = 500

    private func rescue() async throws(PostgresError) {
        switch settings.distribution {
        case .single:
            let rescued = try await pool.execute(QueueStore.rescue(limit: Self.housekeepingBatch)).affected
            if rescued > 0 { logger.warning("rescued jobs of a worker that is gone", metadata: ["jobs": "\(rescued)"]) }
        case .citus:
            let tenants = try await pool.execute(QueueStore.tenantsToRescue(limit: Queue.pageSize))
            for tenant in try tenants.decode(UUID.self) {
                _ = try await pool.execute(QueueStore.rescue(tenant: tenant, limit: Self.housekeepingBatch))
            }
        }
    }

    private func promote() async throws(PostgresError) {
        var promoted = 0
        switch settings.distribution {
        case .single:
            var taken = Self.housekeepingBatch
            while taken == Self.housekeepingBatch {
                let rows = try await pool.execute(QueueStore.promote(limit: taken, now: clock.now()))
                guard let row = rows.first else { return }
                taken = try row.decode((Int, Int).self).0
                promoted += taken
            }
        case .citus:
            let tenants = try await pool.execute(QueueStore.tenantsToPromote(limit: Queue.pageSize))
            for tenant in try tenants.decode(UUID.self) {
                let statement = QueueStore.promote(tenant: tenant, limit: Self.housekeepingBatch, now: clock.now())
                guard let row = try await pool.execute(statement).first else { continue }
                promoted += try row.decode((Int, Int).self).0
            }
        }
        if promoted > 0 { wake() }
    }

    /// Runs `body` now and again until the worker stops. A failure is reported and does not end it.
    private func repeating(_ interval: Duration, _ body: () async throws(PostgresError) -> Void) async {
        while !Task.isCancelled {
            do throws(PostgresError) {
                try await body()
            } catch {
                report(error, "housekeeping")
            }
            try? await Task.sleep(for: interval)
        }
    }

    private func report(_ error: any Error, _ activity: String) {
        if Task.isCancelled { return }
        let metadata: Logger.Metadata = ["error": "\(String(reflecting: error))"]
        logger.warning("the worker could not reach the queue: \(activity)", metadata: metadata)
    }
}

import FoundationEssentials
import Jobs
import Logging
import Postgres
import Schema
import Synchronization

/// Makes the cluster's roles and the migrated database `bench`; `--url` is a superuser's, without a database.
func migrate(_ options: Options) async throws {
    func pool(_ database: String) throws -> Pool {
        let url = "\(try options.string("url")) dbname=\(database)"
        return Pool(Pool.Settings(connection: ConnectionSettings(url: url), maximumConnections: 2))
    }
    let cluster = try pool("postgres")
    try await cluster.script(Roles.script)
    try await cluster.script(Roles.createDatabase("bench"))
    await cluster.shutDown()
    let database = try pool("bench")
    _ = try await Migrator(database).run()
    await database.shutDown()
}

/// One worker, as `aftercare work` runs it, until the `--jobs` jobs of the queue are done and gone: jobs per second.
///
/// `--effect none` does nothing; `--effect row` ends the job and writes one row in one transaction, as our jobs do.
func measureDrain(_ options: Options) async throws {
    let pool = Pool(
        Pool.Settings(
            connection: ConnectionSettings(url: try options.string("url"), applicationName: "aftercare-bench"),
            maximumConnections: try options.int("connections", 8)
        )
    )
    let clock = try await DatabaseClock(pool)
    let jobs = try options.int("jobs")
    let writesRow = try options.string("effect") == "row"
    let countdown = Countdown(from: jobs)

    let handler = JobHandler("bench") { job in
        if writesRow {
            try await pool.withTransaction([LocalSetting("app.tenant", job.tenant)]) { transaction in
                let now = clock.now()
                try await JobStore.finish(job, in: transaction, now: now)
                transaction.add(
                    "INSERT INTO bench_effects (tenant_id, id, made_at) VALUES (\(job.tenant), \(job.id), \(now))"
                )
            }
        }
        countdown.count()
        return writesRow ? .finished : .done
    }
    var logger = Logger(label: "bench", factory: { StreamLogHandler.standardError(label: $0) })
    logger.logLevel = .warning
    let worker = Worker(pool: pool, clock: clock, handlers: [handler], logger: logger)

    let started = ContinuousClock.now
    await withTaskGroup { group in
        group.addTask {
            await countdown.wait()
            worker.stop()
        }
        // Returns once the last jobs are gone from the table.
        await worker.run()
    }
    let elapsed = started.duration(to: .now)
    print(Int((Double(jobs) / (elapsed / .seconds(1))).rounded()))
    await pool.shutDown()
}

/// Tells when so many jobs are done: a handler cannot stop the worker that it belongs to itself.
private final class Countdown: Sendable {
    private let left: Atomic<Int>
    private let end = AsyncStream<Void>.makeStream()

    init(from count: Int) { left = Atomic(count) }

    func count() {
        if left.wrappingSubtract(1, ordering: .relaxed).newValue == 0 { end.continuation.finish() }
    }

    func wait() async {
        for await _ in end.stream {}
    }
}

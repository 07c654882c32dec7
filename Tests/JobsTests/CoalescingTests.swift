import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// Jobs of which one at a time is enough.
@Suite(.serialized, .timeLimit(.minutes(1))) struct CoalescingTests {
    private struct Upset: Error {}

    @Test func `a second request leaves the waiting job as it is`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            let first = try await queue.theRow()
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            #expect(try await queue.theRow() == first)
            try await queue.enqueueCoalescing(about: UUID(), of: tenant)
            #expect(try await queue.jobs() == 2)
        }
    }

    /// Against a model: whatever came before, a waiting job runs at the earliest time anybody asked for.
    @Test(arguments: [11, 12, 13] as [UInt64])
    func `an earlier request is not delayed by a later one`(seed: UInt64) async throws {
        try await QueueDatabase.run { queue in
            var random = SeededGenerator(seed: seed)
            let tenant = try await queue.tenant()
            let subjects = (0..<3).map { _ in UUID() }
            let start = queue.clock.now()
            // When each subject's job is to run; while it runs, whether it is to run again.
            var waiting: [UUID: Instant] = [:]
            var running: [UUID: (job: Job, again: Bool, earliest: Instant)] = [:]
            for step in 0..<300 {
                let subject = try #require(subjects.randomElement(using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let seconds = Int.random(in: 60...1000, using: &random)
                    let at = start + .seconds(Bool.random(using: &random) ? seconds : -seconds)
                    try await queue.enqueueCoalescing(about: subject, of: tenant, at: at)
                    if running[subject] != nil {
                        running[subject]?.again = true
                        let earliest = running[subject]?.earliest ?? at
                        running[subject]?.earliest = min(at, earliest)
                    } else {
                        waiting[subject] = min(at, waiting[subject] ?? at)
                    }
                case 2:
                    let due = waiting.filter { $0.value <= queue.clock.now() }
                    let claimed = try await queue.claim()
                    #expect(Set(claimed.map(\.subject)) == Set(due.keys), "seed \(seed), step \(step)")
                    for job in claimed {
                        waiting[job.subject] = nil
                        running[job.subject] = (job, false, job.runAt)
                    }
                default:
                    guard let (job, again, earliest) = running[subject] else { continue }
                    running[subject] = nil
                    if Bool.random(using: &random) {
                        // Its next try is later, unless somebody asked for it while it ran.
                        let at = start + .seconds(Int.random(in: 60...1000, using: &random))
                        _ = try await queue.worker.execute(QueueStore.retry(job, at: at, attempt: 1, error: "Upset"))
                        waiting[subject] = again ? min(earliest, at) : at
                    } else {
                        try await queue.finish(job)
                        let isThere = try await queue.rows().first { $0.id == job.id }
                        #expect((isThere != nil) == again, "seed \(seed), step \(step)")
                        waiting[subject] = isThere?.runAt
                    }
                }
                let actual = try await queue.waitingTimes()
                try #require(actual == waiting, "seed \(seed), step \(step)")
            }
        }
    }

    @Test(arguments: Distribution.allCases, [true, false])
    func `a request while the job runs makes it run once more`(
        _ distribution: Distribution,
        inTransaction: Bool
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            var claims = queue.queue(distribution)
            var jobs = try await claims.next(completing: [], limit: 10, now: queue.clock.now())
            for _ in 0..<3 { try await queue.enqueueCoalescing(about: subject, of: tenant) }
            for run in [2, 3] as [Int64] {
                if inTransaction {
                    try await queue.finish(jobs[0])
                    jobs = []
                }
                _ = try await claims.next(completing: jobs, limit: 0, now: queue.past)
                jobs = try await queue.claim(10, distribution)
                guard run == 2 else { break }
                #expect(jobs.map(\.lease) == [2] && jobs.map(\.attempt) == [1])
                #expect(try await queue.theRow().again == false)
            }
            #expect(jobs.isEmpty)
            #expect(try await queue.jobs() == 0)
        }
    }

    /// The producer has written and not committed when the job ends: it must neither be lost nor taken for a stale
    /// lease.
    @Test(arguments: Distribution.allCases, [true, false])
    func `a request that commits while the job is being ended counts`(
        _ distribution: Distribution,
        inTransaction: Bool
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            let jobs = try await queue.claim(10, distribution)
            async let ending: Void = {
                try await queue.waitForProducer()
                if inTransaction { return try await queue.finish(jobs[0]) }
                var claims = queue.queue(distribution)
                _ = try await claims.next(completing: jobs, limit: 0, now: queue.clock.now())
            }()
            try await queue.database.app.withTransaction(tenant.settings) { producer in
                let again = queue.job(of: tenant, about: subject)
                _ = try await producer.query(JobStore.enqueueCoalescing(again, now: queue.clock.now()))
                try await queue.waitForLock()
            }
            try await ending
            let row = try await queue.theRow()
            #expect(row.state == "ready" && row.lease == 1 && !row.again && row.attempt == 0)
            #expect(try await queue.effects() == (inTransaction ? 1 : 0))
        }
    }

    /// 64 producers of 10 facts each about 8 subjects, while two workers look at the news: every fact is seen, once.
    @Test func `racing producers lose nothing`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subjects = (0..<8).map { _ in UUID() }
            let diary = Diary()
            let handler = JobHandler("look") { job in
                try await queue.worker.withTransaction([LocalSetting("app.tenant", job.tenant)]) { transaction in
                    try await JobStore.finish(job, in: transaction, now: queue.clock.now())
                    transaction.add("UPDATE news SET seen = seen + 1 WHERE subject = \(job.subject) AND seen = 0")
                }
                diary.note(job)
                return .finished
            }
            try await running([queue.makeWorker(handler), queue.makeWorker(handler)]) {
                try await withThrowingDiscardingTaskGroup { group in
                    for number in 0..<64 {
                        group.addTask {
                            for step in 0..<10 {
                                let subject = subjects[(number + step) % subjects.count]
                                _ = try await queue.database.app.transaction(
                                    tenant.settings,
                                    "INSERT INTO news (tenant_id, subject, seen) VALUES (\(tenant.id), \(subject), 0)",
                                    JobStore.enqueueCoalescing(
                                        queue.job(of: tenant, "look", about: subject),
                                        now: queue.clock.now()
                                    )
                                )
                            }
                        }
                    }
                }
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(try await queue.count("SELECT count(*) FROM news") == 640)
            #expect(try await queue.count("SELECT count(*) FROM news WHERE seen = 1") == 640)
            #expect(diary.count >= 8)
        }
    }

    @Test func `a request gives a failed job a new chance, at once`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            let diary = Diary()
            let handler = JobHandler("work", maximumAttempts: 1) { job in
                guard diary.note(job) > 1 else { throw Upset() }
                return .done
            }
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            try await running([queue.makeWorker(handler)]) {
                try await eventually { try await queue.rows().first?.state == "failed" }
                try await queue.enqueueCoalescing(about: subject, of: tenant)
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.jobs.map(\.attempt) == [1, 1])
        }
    }

    @Test func `a request while the last try fails is a new chance too`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            let diary = Diary()
            let handler = JobHandler("work", maximumAttempts: 1) { job in
                guard diary.note(job) > 1 else {
                    try await queue.enqueueCoalescing(about: subject, of: tenant)
                    throw Upset()
                }
                return .done
            }
            try await queue.enqueueCoalescing(about: subject, of: tenant)
            try await running([queue.makeWorker(handler)]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.jobs.map(\.lease) == [1, 2])
        }
    }
}

extension QueueDatabase {
    /// When the ready jobs are to run, by what they are about.
    fileprivate func waitingTimes() async throws -> [UUID: Instant] {
        let rows = try await superuser.execute("SELECT subject_id, run_at FROM jobs WHERE state = 'ready'")
        return Dictionary(uniqueKeysWithValues: try rows.decode((UUID, Instant).self))
    }

    /// Waits until a producer has a transaction open that wrote to `jobs`.
    fileprivate func waitForProducer() async throws {
        try await eventually {
            try await count(
                """
                SELECT count(*)
                  FROM pg_stat_activity
                 WHERE datname = current_database() AND usename = 'aftercare_app' AND state = 'idle in transaction'
                   AND backend_xid IS NOT NULL
                """
            ) > 0
        }
    }
}

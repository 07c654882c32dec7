import FoundationEssentials
import Postgres
import Support
import Testing

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

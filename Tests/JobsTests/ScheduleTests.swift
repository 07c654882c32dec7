import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// What falls due some day, and falls due once.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ScheduleTests {
    private func scheduled(
        _ queue: QueueDatabase,
        _ tenant: QueueDatabase.Tenant,
        about subject: UUID = UUID(),
        _ occurrence: String = "once",
        due: Instant? = nil,
        isOnTestClock: Bool = false
    ) -> ScheduledJob {
        ScheduledJob(
            tenant: tenant.id,
            id: UUID(),
            store: tenant.store,
            kind: "follow up",
            rule: UUID(uuidString: "6F3C2E5A-0000-4000-8000-000000000001") ?? UUID(),
            subject: subject,
            occurrence: occurrence,
            dueAt: due ?? queue.past,
            intent: nil,
            notAfter: nil,
            isOnTestClock: isOnTestClock
        )
    }

    private func schedule(_ jobs: [ScheduledJob], _ queue: QueueDatabase) async throws {
        for (tenant, jobs) in Dictionary(grouping: jobs, by: \.tenant) {
            _ = try await queue.database.app.transaction(
                [LocalSetting("app.tenant", tenant)],
                jobs.map { JobStore.schedule($0, now: queue.clock.now()) }
            )
        }
    }

    @Test(arguments: Distribution.allCases)
    func `eight promoters that race fire each of 400 due rows once`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(10)
            try await schedule(tenants.flatMap { tenant in (0..<40).map { _ in scheduled(queue, tenant) } }, queue)
            let sums = try await withThrowingTaskGroup { group in
                for _ in 0..<8 { group.addTask { try await queue.promote(distribution, limit: 7) } }
                return try await group.reduce(into: (0, 0)) { $0 = ($0.0 + $1.taken, $0.1 + $1.jobs) }
            }
            #expect(sums == (400, 400))
            #expect(try await queue.count("SELECT count(*) FROM schedule") == 0)
            #expect(try await queue.count("SELECT count(*) FROM fired") == 400)
            #expect(
                try await queue.count(
                    """
                    SELECT count(*)
                      FROM jobs
                      JOIN fired ON fired.tenant_id = jobs.tenant_id AND fired.schedule_id = jobs.subject_id
                     WHERE jobs.kind = fired.kind AND jobs.store_id = fired.store_id
                    """
                ) == 400
            )
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a worker runs what falls due, and the job's subject leads to what was meant`(
        _ distribution: Distribution
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let meant = scheduled(queue, tenant)
            try await schedule([meant], queue)
            let diary = Diary()
            try await running([queue.makeWorker(diary.handler("follow up")) { $0.distribution = distribution }]) {
                try await eventually { diary.count == 1 }
            }
            let job = try #require(diary.jobs.first)
            #expect(job.subject == meant.id && job.store == tenant.store)
            let fired = JobStore.fired(tenant: tenant.id, schedule: job.subject)
            let row = try #require(try await queue.database.app.transaction(tenant.settings, fired)[0].first)
            let (store, rule, subject, occurrence, due, notAfter) = try row.decode(
                (UUID, UUID, UUID, String, Instant, Instant?).self
            )
            #expect((store, rule, subject) == (tenant.store, meant.rule, meant.subject))
            #expect((occurrence, due, notAfter) == ("once", meant.dueAt, nil))
        }
    }

    @Test(arguments: Distribution.allCases)
    func `what has fired is not scheduled again, whoever asks`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            try await schedule([scheduled(queue, tenant, about: subject)], queue)
            #expect(try await queue.promote(distribution) == (1, 1))
            try await schedule([scheduled(queue, tenant, about: subject)], queue)
            #expect(try await queue.count("SELECT count(*) FROM schedule") == 0)
            // Another episode of the same is something else.
            try await schedule([scheduled(queue, tenant, about: subject, "second parcel")], queue)
            #expect(try await queue.promote(distribution) == (1, 1))
        }
    }

    @Test(arguments: Distribution.allCases)
    func `an occurrence that slipped in beside its own firing becomes no second job`(
        _ distribution: Distribution
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let first = scheduled(queue, tenant)
            try await schedule([first], queue)
            #expect(try await queue.promote(distribution) == (1, 1))
            // A producer that did not see `fired` yet.
            _ = try await queue.superuser.execute(
                """
                INSERT INTO schedule (tenant_id, id, store_id, kind, rule_id, subject_id, occurrence, due_at, created_at)
                SELECT tenant_id, \(UUID()), store_id, kind, rule_id, subject_id, occurrence, due_at, due_at FROM fired
                """
            )
            #expect(try await queue.promote(distribution) == (1, 0))
            #expect(try await queue.jobs() == 1)
            #expect(try await queue.count("SELECT count(*) FROM schedule") == 0)
        }
    }

    @Test(arguments: Distribution.allCases)
    func `what is not due, or lives by a test clock, is not promoted`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await schedule(
                [
                    scheduled(queue, tenant, due: queue.clock.now() + .seconds(3600)),
                    scheduled(queue, tenant, isOnTestClock: true),
                ],
                queue
            )
            #expect(try await queue.promote(distribution) == (0, 0))
            #expect(try await queue.count("SELECT count(*) FROM schedule") == 2)
        }
    }

    @Test func `scheduling an occurrence many times at once inserts it once`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<20 {
                    group.addTask { try await schedule([scheduled(queue, tenant, about: subject)], queue) }
                }
            }
            #expect(try await queue.count("SELECT count(*) FROM schedule") == 1)
        }
    }
}

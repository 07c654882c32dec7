import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// The life of one job, and the fence around it.
@Suite(.serialized, .timeLimit(.minutes(1))) struct EnqueueTests {
    @Test(arguments: Distribution.allCases)
    func `a job is claimed once, and gone when it is completed`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let subject = UUID()
            let job = queue.job(of: tenant, about: subject)
            try await queue.enqueue([job], of: tenant)

            var claims = queue.queue(distribution)
            let claimed = try await claims.next(completing: [], limit: 10, now: queue.clock.now())
            #expect(claimed.map(\.id) == [job.id])
            #expect(claimed.first?.store == tenant.store && claimed.first?.subject == subject)
            #expect(claimed.first?.attempt == 1 && claimed.first?.lease == 1 && claimed.first?.kind == "work")
            #expect(try await queue.claim(10, distribution).isEmpty)

            #expect(try await claims.next(completing: claimed, limit: 10, now: queue.clock.now()).isEmpty)
            #expect(try await queue.jobs() == 0)
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a job whose time has not come is not claimed`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue([queue.job(of: tenant, at: queue.clock.now() + .seconds(60))], of: tenant)
            #expect(try await queue.claim(10, distribution).isEmpty)
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a job that somebody else has locked is passed over, without asking for it on and on`(
        _ distribution: Distribution
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            try await queue.superuser.withTransaction { other in
                _ = try await other.query("SELECT FROM jobs FOR UPDATE")
                #expect(try await queue.claim(10, distribution).isEmpty)
            }
            #expect(try await queue.claim(10, distribution).count == 1)
        }
    }

    /// 20 jobs taken over: 20 refusals, and one effect for each job, the second worker's.
    @Test(arguments: Distribution.allCases)
    func `a worker whose leases were taken over commits nothing`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(20, of: tenant)
            let stale = try await queue.claim(100, distribution, expired: true)
            #expect(try await queue.rescue(distribution) == 20)
            let taken = try await queue.claim(100, distribution)
            #expect(Set(stale.map(\.id)) == Set(taken.map(\.id)) && taken.allSatisfy { $0.lease == 2 })

            var refusals = 0
            for job in stale {
                await #expect(throws: StaleLease.self) { try await queue.finish(job) }
                refusals += 1
            }
            #expect(refusals == 20)
            #expect(try await queue.effects() == 0)
            var claims = queue.queue(distribution)
            _ = try await claims.next(completing: stale, limit: 0, now: queue.clock.now())
            #expect(try await queue.jobs() == 20)

            for job in taken { try await queue.finish(job) }
            #expect(try await queue.effects() == 20)
            #expect(try await queue.jobs() == 0)
        }
    }

    @Test func `a stale worker can neither put back, set aside, hand back nor extend what another one has`()
        async throws
    {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            let stale = try #require(try await queue.claim(expired: true).first)
            try await queue.rescue()
            _ = try await queue.claim()
            let before = try await queue.theRow()
            let statements = [
                QueueStore.retry(stale, at: queue.past, attempt: 0, error: nil),
                QueueStore.fail(stale, error: "Late", now: queue.past),
                QueueStore.giveBack([stale]), QueueStore.giveBack(tenant: tenant.id, [stale]),
                QueueStore.extend([stale], until: queue.past),
                QueueStore.extend(tenant: tenant.id, [stale], until: queue.past),
            ]
            for statement in statements { #expect(try await queue.worker.execute(statement).affected == 0) }
            #expect(try await queue.theRow() == before)
        }
    }

    @Test func `a lease that ran out and that nobody took is still good for finishing`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            let job = try #require(try await queue.claim(expired: true).first)
            try await queue.rescue()
            try await queue.finish(job)
            #expect(try await queue.jobs() == 0)
        }
    }

    @Test func `handing back leaves alone what was put back in the meantime`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            let job = try #require(try await queue.claim().first)
            _ = try await queue.worker.execute(QueueStore.fail(job, error: "Upset", now: queue.past))
            _ = try await queue.worker.execute(QueueStore.giveBack([job]))
            let row = try await queue.theRow()
            #expect(row.state == "failed" && row.attempt == 1)
        }
    }

    @Test func `a heartbeat passes over a job that is being ended`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(2, of: tenant)
            let jobs = try await queue.claim(expired: true)
            try await queue.worker.withTransaction([LocalSetting("app.tenant", tenant.id)]) { transaction in
                try await JobStore.finish(jobs[0], in: transaction, now: queue.clock.now())
                // Would wait for the open transaction until its own deadline.
                let end = queue.clock.now() + .seconds(60)
                #expect(try await queue.worker.execute(QueueStore.extend(jobs, until: end)).affected == 1)
            }
            #expect(try await queue.rescue() == 0)
        }
    }
}

import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// Many tenants, one of them much bigger than the others. Counts, never times.
@Suite(.serialized, .timeLimit(.minutes(1))) struct FairnessTests {
    @Test(arguments: Distribution.allCases)
    func `200 small tenants are served before a whale's backlog is worked off`(
        _ distribution: Distribution
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(201)
            let whale = tenants[100]
            for _ in 0..<4 { try await queue.enqueue(500, of: whale) }
            for tenant in tenants where tenant != whale { try await queue.enqueue(2, of: tenant) }
            let diary = Diary()
            let worker = queue.makeWorker(diary.handler()) {
                $0.capacity = 100
                $0.claimers = 1
                $0.distribution = distribution
            }
            try await running([worker]) { try await eventually(within: .seconds(40)) { try await queue.jobs() == 0 } }
            let jobs = diary.jobs
            #expect(jobs.count == 2400 && Set(jobs.map(\.id)).count == 2400)
            let lastSmall = try #require(jobs.lastIndex { $0.tenant != whale.id })
            let before = jobs[..<lastSmall].count { $0.tenant == whale.id }
            #expect(before < 1000, "\(before) of the whale's 2,000 jobs ran before the last small one")
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a tenant that turns up while a whale is being served need not wait for the whale`(
        _ distribution: Distribution
    ) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(2)
            try await queue.enqueue(300, of: tenants[0])
            var claims = queue.queue(distribution)
            let first = try await claims.next(completing: [], limit: 50, now: queue.clock.now())
            #expect(first.count == 50)
            try await queue.enqueue(of: tenants[1])
            let second = try await claims.next(completing: first, limit: 50, now: queue.clock.now())
            let third = try await claims.next(completing: second, limit: 50, now: queue.clock.now())
            #expect((second + third).contains { $0.tenant == tenants[1].id })
        }
    }

    @Test(arguments: Distribution.allCases)
    func `everyone has a turn before anyone has a second one`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(30)
            for tenant in tenants { try await queue.enqueue(5, of: tenant) }
            var claims = queue.queue(distribution)
            // Begins at the first tenant, so that each walk is one page.
            _ = try await queue.superuser.execute("UPDATE jobs SET state = 'failed'")
            #expect(try await claims.next(completing: [], limit: 10, now: queue.clock.now()).isEmpty)
            _ = try await queue.superuser.execute("UPDATE jobs SET state = 'ready'")
            var served: Set<UUID> = []
            while served.count < 30 {
                let jobs = try await claims.next(completing: [], limit: 10, now: queue.clock.now())
                let turns = Set(jobs.map(\.tenant))
                try #require(!turns.isEmpty && served.isDisjoint(with: turns))
                served.formUnion(turns)
            }
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a job with an older time that is committed late is served`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let now = queue.clock.now()
            try await queue.enqueue([queue.job(of: tenant, at: now - .seconds(10))], of: tenant)
            var claims = queue.queue(distribution)
            #expect(try await claims.next(completing: [], limit: 10, now: now).count == 1)
            // Below the floor now.
            let late = queue.job(of: tenant, at: now - .seconds(300))
            try await queue.enqueue([late], of: tenant)
            #expect(try await claims.next(completing: [], limit: 10, now: now).map(\.id) == [late.id])
        }
    }
}

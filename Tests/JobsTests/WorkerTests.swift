import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// Workers as they run, stop and die.
@Suite(.serialized, .timeLimit(.minutes(1))) struct WorkerTests {
    @Test(arguments: Distribution.allCases)
    func `four workers run each of 2,000 jobs of 50 tenants once`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(50)
            var ids: [UUID] = []
            for tenant in tenants { ids += try await queue.enqueue(40, of: tenant) }
            let diary = Diary()
            let workers = (0..<4).map { _ in
                queue.makeWorker(diary.handler()) { $0.distribution = distribution }
            }
            try await running(workers) {
                try await eventually(within: .seconds(40)) { try await queue.jobs() == 0 }
            }
            #expect(diary.count == 2000)
            #expect(diary.counts.count == 2000 && Set(diary.counts.keys) == Set(ids))
            #expect(diary.jobs.allSatisfy { $0.lease == 1 })
        }
    }

    @Test func `waking makes a worker look before its next poll`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let diary = Diary()
            let worker = queue.makeWorker(diary.handler()) { $0.poll = .seconds(600) }
            // Its first look, at the start, is waited for, so that only waking can bring the second.
            try await queue.enqueue(of: tenant)
            await withDiscardingTaskGroup { group in
                group.addTask { await worker.run() }
                do {
                    try await eventually { diary.count == 1 }
                    try await queue.enqueue(of: tenant)
                    worker.wake()
                    try await eventually { diary.count == 2 }
                } catch {
                    Issue.record(error)
                }
                group.cancelAll()
            }
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a job whose lease ran out is run by another worker`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let ids = try await queue.enqueue(10, of: tenant)
            let lost = try await queue.claim(expired: true)
            #expect(lost.count == 10)
            let diary = Diary()
            try await running([queue.makeWorker(diary.handler()) { $0.distribution = distribution }]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(Set(diary.jobs.map(\.id)) == Set(ids) && diary.count == 10)
            #expect(diary.jobs.allSatisfy { $0.lease == 2 && $0.attempt == 1 && $0.rescues == 1 })
        }
    }

    /// Another worker sweeps all the while, and would take the jobs if the heartbeat stopped.
    @Test(arguments: Distribution.allCases)
    func `the heartbeat keeps jobs that take longer than a lease`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(5, of: tenant)
            let (diary, gate) = (Diary(), Gate())
            let handler = JobHandler("work") { job in
                diary.note(job)
                try await gate.wait()
                return .done
            }
            let workers = (0..<2).map { _ in
                queue.makeWorker(handler) {
                    $0.leaseTime = .milliseconds(1500)
                    $0.heartbeat = .milliseconds(100)
                    $0.distribution = distribution
                }
            }
            try await running(workers) {
                try await eventually { diary.count == 5 }
                let start = queue.clock.now()
                try await eventually { queue.clock.now() > start + .milliseconds(2500) }
                let leased: SQL = "SELECT count(*) FROM jobs WHERE state = 'leased' AND leased_until > now()"
                #expect(try await queue.count(leased) == 5)
                gate.open()
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.count == 5)
        }
    }

    /// The handlers sit on both connections there are, for longer than a lease; the other worker's sweep would take the
    /// jobs from them.
    @Test func `the heartbeat does not wait for connections that handlers hold`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(2, of: tenant)
            let (diary, gate) = (Diary(), Gate())
            try await TestCluster.shared.withPool(queue.database.workerURL, maximum: 2) { pool in
                let handler = JobHandler("work") { job in
                    try await pool.withTransaction([LocalSetting("app.tenant", job.tenant)]) { transaction in
                        _ = try await transaction.query("SELECT 1")
                        diary.note(job)
                        try await gate.wait()
                    }
                    return .done
                }
                let busy = queue.makeWorker(handler, pool: pool) {
                    $0.leaseTime = .milliseconds(1500)
                    $0.heartbeat = .milliseconds(100)
                }
                let idle = queue.makeWorker(handler) { $0.capacity = 0 }
                try await running([busy, idle]) {
                    try await eventually { diary.count == 2 }
                    let start = queue.clock.now()
                    try await eventually { queue.clock.now() > start + .milliseconds(2500) }
                    let leased: SQL = "SELECT count(*) FROM jobs WHERE state = 'leased' AND leased_until > now()"
                    #expect(try await queue.count(leased) == 2)
                    gate.open()
                    try await eventually { try await queue.jobs() == 0 }
                }
            }
            #expect(diary.counts.values.allSatisfy { $0 == 1 })
        }
    }

    /// One job in each of two claimers' hands would be chance; one job and two claimers is not: the idle one ends at
    /// once, and must not hand back what is the other one's.
    @Test func `a stopping worker keeps the leases of its running jobs until they are done`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant, "slow")
            let (slow, quick, gate) = (Diary(), Diary(), Gate())
            let handler = JobHandler("slow") { job in
                slow.note(job)
                try await gate.wait()
                try await queue.finish(job)
                return .finished
            }
            let first = queue.makeWorker(handler, quick.handler("quick")) { $0.claimers = 2 }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { await first.run() }
                try await eventually { slow.count == 1 }
                first.stop()
                // A second worker that looks 30 times would come across the job.
                try await running([queue.makeWorker(handler, quick.handler("quick"))]) {
                    for round in 1...30 {
                        try await queue.enqueue(of: tenant, "quick")
                        try await eventually { quick.count == round }
                    }
                    #expect(slow.count == 1)
                    gate.open()
                    try await eventually { try await queue.jobs() == 0 }
                }
            }
            #expect(slow.count == 1)
            #expect(try await queue.effects() == 1)
        }
    }

    @Test func `a stopping worker ends with its last job, and not with its next poll`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            let (diary, gate) = (Diary(), Gate())
            let handler = JobHandler("work") { job in
                diary.note(job)
                try await gate.wait()
                return .done
            }
            let worker = queue.makeWorker(handler) { $0.poll = .seconds(600) }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { await worker.run() }
                try await eventually { diary.count == 1 }
                worker.stop()
                gate.open()
            }
            #expect(try await queue.jobs() == 0)
        }
    }

    @Test func `a stop claims nothing more, lets running jobs finish, and leaves no lease`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(30, of: tenant)
            let (diary, gate) = (Diary(), Gate())
            let handler = JobHandler("work") { job in
                diary.note(job)
                try await gate.wait()
                return .done
            }
            let worker = queue.makeWorker(handler) {
                $0.claimers = 2
                $0.capacity = 5
            }
            try await running([worker]) {
                try await eventually { diary.count == 10 }
                worker.stop()
                gate.open()
            }
            #expect(diary.count == 10)
            let rows = try await queue.rows()
            #expect(rows.count == 20)
            #expect(rows.allSatisfy { $0.state == "ready" && $0.attempt == 0 && $0.lease == 0 })
        }
    }

    @Test(arguments: Distribution.allCases)
    func `a stop waits no longer than its timeout, and hands the leases back`(_ distribution: Distribution) async throws
    {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(10, of: tenant)
            let (diary, gate) = (Diary(), Gate())
            let handler = JobHandler("work") { job in
                diary.note(job)
                try await gate.wait()
                return .done
            }
            let worker = queue.makeWorker(handler) {
                $0.stopTimeout = .milliseconds(100)
                $0.distribution = distribution
            }
            let start = ContinuousClock.now
            try await running([worker]) { try await eventually { diary.count == 10 } }
            #expect(start.duration(to: .now) < .seconds(15), "the gate never opened")
            let rows = try await queue.rows()
            // A claimer that was just asking when it was told to stop may have had them for a moment, after the other one.
            #expect(rows.count == 10 && rows.allSatisfy { $0.state == "ready" && $0.attempt == 0 && $0.lease >= 1 })
        }
    }

    /// Five workers die one after the other, each with jobs half done; the sixth finishes. Nothing is lost, and no
    /// effect happens twice.
    @Test(arguments: Distribution.allCases)
    func `jobs of killed workers are finished by another one`(_ distribution: Distribution) async throws {
        try await QueueDatabase.run { queue in
            let tenants = try await queue.tenants(5)
            var ids: [UUID] = []
            for tenant in tenants { ids += try await queue.enqueue(20, of: tenant) }
            let begun = Diary()
            for round in 1...5 {
                // Every second job's effect is committed, the others hang.
                let handler = JobHandler("work") { job in
                    if begun.note(job).isMultiple(of: 2) { try await Gate().wait() }
                    try await queue.finish(job)
                    return .finished
                }
                let victim = queue.makeWorker(handler) {
                    $0.leaseTime = .milliseconds(100)
                    $0.heartbeat = .milliseconds(20)
                    $0.distribution = distribution
                    $0.capacity = 8
                }
                await withDiscardingTaskGroup { group in
                    group.addTask { await victim.run() }
                    do {
                        try await eventually { begun.count >= round * 10 }
                    } catch {
                        Issue.record(error)
                    }
                    group.cancelAll()
                }
            }
            #expect(try await queue.jobs() > 0)
            let survivor = JobHandler("work", maximumRescues: 100) { job in
                try await queue.finish(job)
                return .finished
            }
            try await running([queue.makeWorker(survivor) { $0.distribution = distribution }]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(try await queue.effects() == ids.count)
            #expect(try await queue.count("SELECT count(DISTINCT job) FROM effects") == ids.count)
        }
    }
}

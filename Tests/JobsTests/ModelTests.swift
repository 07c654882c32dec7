import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// The queue's statements against a model of what they should do, in random order. A failure names its seed and step,
/// and happens again with them.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ModelTests {
    /// A job as the model knows it. One that is gone is not in the model.
    private struct Modelled: Hashable {
        var state = "ready"
        var attempt = 0
        var lease: Int64 = 0
        var again = false
        /// The lease's time is over.
        var isExpired = false
    }

    private struct Key: Hashable {
        let tenant: UUID
        let subject: UUID
    }

    @Test(arguments: zip(Distribution.allCases, [1, 2] as [UInt64]))
    func `2,000 random steps agree with the model`(_ distribution: Distribution, seed: UInt64) async throws {
        try await QueueDatabase.run { queue in
            var random = SeededGenerator(seed: seed)
            let tenants = try await queue.tenants(3)
            let subjects = (0..<4).map { _ in UUID() }
            var model: [UUID: Modelled] = [:]
            var coalescing: [Key: UUID] = [:]
            // Every lease ever handed out that was not used: a stale worker may come back with it at any time.
            var leases: [Job] = []
            var enqueued: Set<UUID> = []
            var ended: Set<UUID> = []

            func takeLeases(_ count: Int) -> [Job] {
                leases.shuffle(using: &random)
                defer { leases.removeFirst(min(count, leases.count)) }
                return Array(leases.prefix(count))
            }
            /// The lease is the job's newest, so what its holder does counts.
            func isCurrent(_ job: Job) -> Bool { model[job.id]?.lease == job.lease }
            func end(_ job: Job) {
                guard isCurrent(job) else { return }
                if model[job.id]?.again == true {
                    model[job.id] = Modelled(lease: job.lease)
                } else {
                    model[job.id] = nil
                    coalescing = coalescing.filter { $0.value != job.id }
                    ended.insert(job.id)
                }
            }
            func execute(_ jobs: [Job], _ all: ([Job]) -> SQL, _ one: (UUID, [Job]) -> SQL) async throws {
                switch distribution {
                case .single: _ = try await queue.worker.execute(all(jobs))
                case .citus:
                    for (tenant, jobs) in Dictionary(grouping: jobs, by: \.tenant) {
                        _ = try await queue.worker.execute(one(tenant, jobs))
                    }
                }
            }

            for step in 0..<2000 {
                let action = Int.random(in: 0..<12, using: &random)
                let tenant = try #require(tenants.randomElement(using: &random))
                switch action {
                case 0:
                    let job = queue.job(of: tenant)
                    try await queue.enqueue([job], of: tenant)
                    model[job.id] = Modelled()
                    enqueued.insert(job.id)
                case 1, 2:
                    let subject = try #require(subjects.randomElement(using: &random))
                    let job = queue.job(of: tenant, about: subject)
                    _ = try await queue.database.app.transaction(
                        tenant.settings,
                        JobStore.enqueueCoalescing(job, now: queue.clock.now())
                    )
                    let key = Key(tenant: tenant.id, subject: subject)
                    if let id = coalescing[key] {
                        switch model[id]?.state {
                        case "leased": model[id]?.again = true
                        case "failed":
                            model[id]?.state = "ready"
                            model[id]?.attempt = 0
                        default: model[id]?.again = false
                        }
                    } else {
                        coalescing[key] = job.id
                        model[job.id] = Modelled()
                        enqueued.insert(job.id)
                    }
                case 3, 4:
                    let isExpired = Bool.random(using: &random)
                    let limit = Int.random(in: 1...6, using: &random)
                    let ready = model.values.count { $0.state == "ready" }
                    let claimed = try await queue.claim(limit, distribution, expired: isExpired)
                    #expect(claimed.count <= limit && claimed.isEmpty == (ready == 0), "seed \(seed), step \(step)")
                    for job in claimed {
                        let before = try #require(model[job.id])
                        // One lease at a time, and its number only grows.
                        #expect(before.state == "ready" && job.lease == before.lease + 1, "seed \(seed), step \(step)")
                        model[job.id]?.state = "leased"
                        model[job.id]?.lease = job.lease
                        model[job.id]?.attempt = before.attempt + 1
                        model[job.id]?.isExpired = isExpired
                    }
                    leases += claimed
                case 5, 6:
                    guard let job = takeLeases(1).first else { continue }
                    let isCurrent = isCurrent(job)
                    do {
                        try await queue.finish(job)
                        #expect(isCurrent, "seed \(seed), step \(step)")
                    } catch is StaleLease {
                        #expect(!isCurrent, "seed \(seed), step \(step)")
                    }
                    end(job)
                case 7:
                    let jobs = takeLeases(3)
                    try await execute(
                        jobs,
                        { QueueStore.complete($0, now: queue.past) },
                        { QueueStore.complete(tenant: $0, $1, now: queue.past) }
                    )
                    for job in jobs { end(job) }
                case 8:
                    guard let job = takeLeases(1).first else { continue }
                    _ = try await queue.worker.execute(
                        QueueStore.retry(job, at: queue.past, attempt: job.attempt, error: "Upset")
                    )
                    guard isCurrent(job) else { continue }
                    model[job.id] = Modelled(attempt: job.attempt, lease: job.lease)
                case 9:
                    guard let job = takeLeases(1).first else { continue }
                    _ = try await queue.worker.execute(QueueStore.fail(job, error: "Upset", now: queue.past))
                    guard isCurrent(job), let before = model[job.id] else { continue }
                    model[job.id] =
                        before.again
                        ? Modelled(lease: job.lease)
                        : Modelled(state: "failed", attempt: before.attempt, lease: job.lease)
                case 10:
                    let jobs = takeLeases(2)
                    try await execute(jobs, QueueStore.giveBack, QueueStore.giveBack)
                    for job in jobs where isCurrent(job) && model[job.id]?.state == "leased" {
                        model[job.id]?.state = "ready"
                        model[job.id]?.attempt -= 1
                    }
                default:
                    try await queue.rescue(distribution)
                    for (id, job) in model where job.state == "leased" && job.isExpired {
                        model[id]?.state = "ready"
                        model[id]?.attempt -= 1
                    }
                }
                let rows = try await queue.rows()
                let actual = Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0) })
                try #require(Set(actual.keys) == Set(model.keys), "seed \(seed), step \(step), action \(action)")
                for (id, job) in model {
                    let row = try #require(actual[id])
                    let isSame =
                        (row.state, row.attempt, row.lease, row.again) == (job.state, job.attempt, job.lease, job.again)
                    try #require(isSame, "seed \(seed), step \(step), action \(action): \(row) is not \(job)")
                }
            }
            // Nothing is lost: what was enqueued is there, or was ended by the holder of its newest lease.
            #expect(enqueued == ended.union(model.keys) && ended.isDisjoint(with: model.keys))
            #expect(ended.count > 100)
        }
    }
}

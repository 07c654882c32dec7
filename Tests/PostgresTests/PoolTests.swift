import Foundation
import Support
import Testing

@testable import Postgres

@Suite(.serialized, .timeLimit(.minutes(1))) struct PoolTests {
    private let here = PostgresError.CallSite(file: "here", line: 1)

    @Test func `callers are served in the order they came`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let order = Collected<Int>()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 1...8 {
                    group.addTask {
                        try await pool.withTransaction { _ in order.add(caller) }
                    }
                    // Each joins the queue before the next one starts.
                    try await eventually { pool.usage.waiting == caller }
                }
                pool.checkIn(held)
                try await group.waitForAll()
            }
            #expect(order.values == Array(1...8))
            #expect(pool.usage == (0, 1, 0))
        }
    }

    @Test func `there are never more connections than allowed`() async throws {
        let name = uniqueName("app")
        try await cluster.withPool(maximum: 3, configure: { $0.connection.applicationName = name }) { pool in
            let most = Collected<Int>()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<24 {
                    group.addTask {
                        most.add(
                            try await pool.number(
                                "SELECT count(*) FROM pg_stat_activity WHERE application_name = \(name)"
                            )
                        )
                    }
                }
                try await group.waitForAll()
            }
            #expect(try #require(most.values.max()) <= 3)
            #expect(pool.usage.busy == 0 && pool.usage.idle <= 3)
        }
    }

    @Test func `waiting for a connection ends with the lease timeout`() async throws {
        try await cluster.withPool(maximum: 1, configure: { $0.leaseTimeout = .milliseconds(200) }) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let start = ContinuousClock.now
            let error = try await failure { _ = try await pool.execute("SELECT 1") }
            #expect(error.kind == .poolExhausted)
            #expect(error.callSite?.file == #fileID)
            #expect((.milliseconds(200) ..< .seconds(10)).contains(start.duration(to: .now)))
            pool.checkIn(held)
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
    }

    @Test func `waiting for a connection ends with the caller's own deadline too`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let start = ContinuousClock.now
            let error = try await failure { _ = try await pool.execute("SELECT 1", deadline: .milliseconds(100)) }
            #expect(error.kind == .poolExhausted)
            #expect(start.duration(to: .now) < .seconds(10))
            pool.checkIn(held)
        }
    }

    @Test func `a cancelled caller leaves the queue`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let order = Collected<Int>()
            let callers = (1...3).map { caller in
                Task { try await pool.withTransaction { _ in order.add(caller) } }
            }
            try await eventually { pool.usage.waiting == 3 }
            callers[1].cancel()
            let error = try await failure { try await callers[1].value }
            #expect(error.kind == .cancelled)
            #expect(pool.usage.waiting == 2)
            pool.checkIn(held)
            try await callers[0].value
            try await callers[2].value
            #expect(Set(order.values) == [1, 3])
        }
    }

    @Test func `a caller that is cancelled already gets nothing, and keeps nothing`() async throws {
        try await cluster.withPool(maximum: 1) { pool async throws in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await pool.execute("SELECT 1")
            }
            #expect(try await failure { try await task.value }.kind == .cancelled)
            #expect(try await pool.number("SELECT 1::bigint") == 1)
            #expect(pool.usage == (0, 1, 0))
        }
    }

    @Test func `shutting down fails those who wait and those who come`() async throws {
        try await cluster.withPool(maximum: 1) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let backend = try await held.runInterruptibly(
                Batch(items: [.statement("SELECT pg_backend_pid()")], commits: false),
                deadline: Deadline(in: .seconds(30))
            )[0][0].decode(Int32.self)
            let waiting = Task { _ = try await pool.execute("SELECT 1") }
            try await eventually { pool.usage.waiting == 1 }
            await pool.shutDown()
            #expect(try await failure { try await waiting.value }.kind == .closed)
            #expect(try await failure { _ = try await pool.execute("SELECT 1") }.kind == .closed)
            pool.checkIn(held)
            await held.close()
            try await waitForEnd(of: backend)
            #expect(pool.usage == (0, 0, 0))
        }
    }

    @Test func `an idle connection ends with the pool`() async throws {
        let backend = try await cluster.withPool(maximum: 1) { pool in try await pool.backend() }
        try await waitForEnd(of: backend)
    }

    @Test func `sessions end with their pool`() async throws {
        let name = uniqueName("app")
        for _ in 0..<40 {
            try await cluster.withPool(maximum: 1, configure: { $0.connection.applicationName = name }) {
                pool async throws in
                #expect(try await pool.number("SELECT 1::bigint") == 1)
            }
        }
        try await eventually {
            try await superuser.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = \(name)") == 0
        }
    }

    /// In a process of its own: other tests open files too, at the same time.
    @Test func `sessions leave no thread or descriptor behind`() async throws {
        await #expect(processExitsWith: .success) {
            func count(_ folder: String) throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/\(folder)").count
            }
            func open(_ sessions: Int) async throws {
                for _ in 0..<sessions {
                    try await TestCluster.shared.withPool(maximum: 1) { pool async throws in
                        _ = try await pool.execute("SELECT 1")
                    }
                }
            }
            // What the runtime keeps for itself is there after the first.
            try await open(1)
            let (files, threads) = (try count("fd"), try count("task"))
            try await open(40)
            try await eventually { try count("fd") < files + 10 && count("task") < threads + 10 }
        }
    }

    @Test func `a server that refuses is tried again now and then only`() async throws {
        try await cluster.withPool(cluster.url(database: "no_such_database"), maximum: 4) { pool in
            let start = ContinuousClock.now
            let errors = Collected<String>()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        do throws(PostgresError) {
                            _ = try await pool.execute("SELECT 1")
                        } catch {
                            if error.kind == .connectFailed { errors.add(error.message) }
                        }
                    }
                }
            }
            #expect(errors.values.count == 200)
            #expect(errors.values.allSatisfy { $0.contains("no_such_database") })
            #expect(start.duration(to: .now) < .seconds(10))
            #expect(pool.usage == (0, 0, 0))
        }
    }

    @Test func `a pool recovers as soon as the server can be reached`() async throws {
        let name = uniqueName("late")
        try await cluster.withPool(cluster.url(database: name), maximum: 2) { pool in
            #expect(try await failure { _ = try await pool.execute("SELECT 1") }.kind == .connectFailed)
            _ = try await superuser.execute(SQL("CREATE DATABASE ", name, " TEMPLATE template0"))
            try await eventually { (try? await pool.number("SELECT 1::bigint")) == 1 }
        }
        try await cluster.dropDatabase(name)
    }

    @Test(arguments: ["postgresql://[", "nonsense", "postgresql:///postgres?nonsense=1", "host=/nowhere"])
    func `a wrong address is a failure to connect`(url: String) async throws {
        try await cluster.withPool(url, maximum: 1) { pool in
            let error = try await failure { _ = try await pool.execute("SELECT 1") }
            #expect(error.kind == .connectFailed)
            #expect(!error.message.isEmpty)
        }
    }

    @Test func `too many connections are told as such`() async throws {
        let role = uniqueName("r")
        _ = try await superuser.execute(SQL("CREATE ROLE ", role, " LOGIN CONNECTION LIMIT 1"))
        try await cluster.withPool(cluster.url(user: role), maximum: 2) { pool in
            let held = try await pool.checkOut(here, Deadline(in: .seconds(30)))
            let error = try await failure { _ = try await pool.execute("SELECT 1") }
            #expect(error.kind == .connectFailed)
            #expect(error.isRetryable)
            #expect(error.message.contains("too many connections"))
            pool.checkIn(held)
            // The one there is serves everybody still.
            #expect(try await pool.number("SELECT 1::bigint") == 1)
        }
        try await eventually { (try? await superuser.execute(SQL("DROP ROLE ", role))) != nil }
    }
}

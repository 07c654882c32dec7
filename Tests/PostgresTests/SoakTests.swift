import Foundation
import Support
import Testing

@testable import Postgres

/// Many callers, few connections, and callers that give up all the time: what was said to be committed is there, what
/// was said to have failed is not, and the pool is whole afterwards.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SoakTests {
    private enum Ending: Sendable {
        case committed
        case nothing
        case unknown
    }

    private static let tasks = 64
    private static let transactions = 25

    @Test func `the books balance under cancellations and deadlines`() async throws {
        try await withTable("id bigint PRIMARY KEY, number bigint NOT NULL") { counters in
            try await withTable("operation bigint PRIMARY KEY") { log in
                _ = try await superuser.execute(
                    "INSERT INTO \(unsafe: counters) SELECT n, 0 FROM generate_series(0, 7) AS n"
                )
                let endings = Collected<(operation: Int, ending: Ending)>()
                try await cluster.withPool(maximum: 4) { pool async throws in
                    await withTaskGroup(of: Void.self) { group in
                        for task in 0..<Self.tasks {
                            group.addTask {
                                var generator = SeededGenerator(seed: UInt64(task))
                                for step in 0..<Self.transactions {
                                    let operation = task * Self.transactions + step
                                    let ending = await Self.attempt(operation, counters, log, pool, &generator)
                                    endings.add((operation, ending))
                                }
                            }
                        }
                    }
                    #expect(pool.usage.busy == 0 && pool.usage.waiting == 0)
                    #expect(try await pool.number("SELECT 1::bigint") == 1)
                }
                let logged = try await superuser.execute("SELECT operation FROM \(unsafe: log)")
                let present = Set(try logged.map { try $0("operation", as: Int.self) })
                let sum = try await superuser.number("SELECT sum(number)::bigint FROM \(unsafe: counters)")
                let of = { (ending: Ending) in Set(endings.values.filter { $0.ending == ending }.map(\.operation)) }
                let (committed, nothing, unknown) = (of(.committed), of(.nothing), of(.unknown))

                #expect(committed.count + nothing.count + unknown.count == Self.tasks * Self.transactions)
                #expect(committed.isSubset(of: present), "lost: \(committed.subtracting(present))")
                #expect(present.isDisjoint(with: nothing), "done all the same: \(present.intersection(nothing))")
                #expect(present.subtracting(committed).isSubset(of: unknown))
                #expect(sum == present.count)
                // The server answers, so hardly anything stays open.
                #expect(committed.count > Self.tasks * Self.transactions / 2)
                #expect(unknown.count <= Self.tasks * Self.transactions / 20)
            }
        }
    }

    /// One transaction, in one round trip or in steps, left alone or hurried or cancelled.
    private static func attempt(
        _ operation: Int,
        _ counters: String,
        _ log: String,
        _ pool: Pool,
        _ generator: inout SeededGenerator
    ) async -> Ending {
        let counter = Int.random(in: 0..<8, using: &generator)
        let inSteps = Bool.random(using: &generator)
        let fate = Int.random(in: 0..<10, using: &generator)
        let deadline: Duration = fate == 0 ? .milliseconds(.random(in: 1...20, using: &generator)) : .seconds(60)
        let insert: SQL = "INSERT INTO \(unsafe: log) VALUES (\(operation))"
        let add: SQL = "UPDATE \(unsafe: counters) SET number = number + 1 WHERE id = \(counter)"
        let work = Task {
            if inSteps {
                try await pool.withTransaction(deadline: deadline) { transaction in
                    _ = try await transaction.query(insert)
                    transaction.add(add)
                }
            } else {
                _ = try await pool.transaction([], deadline: deadline, insert, add)
            }
        }
        if fate == 1 {
            for _ in 0..<Int.random(in: 0..<200, using: &generator) { await Task.yield() }
            work.cancel()
        }
        do {
            try await work.value
            return .committed
        } catch let error as PostgresError where error.kind == .outcomeUnknown {
            return .unknown
        } catch {
            return .nothing
        }
    }
}

import Foundation
import Support
import Testing

@testable import Postgres

/// A server that crashes and comes back, on a cluster of its own.
@Suite(.timeLimit(.minutes(2))) struct ServerRestartTests {
    @Test func `a pool survives a crash of the server`() async throws {
        try await TestCluster.run { own in
            _ = try await own.superuser.execute("CREATE TABLE numbers (id bigint)")
            try await own.withPool(maximum: 3) { pool in
                try await lend(3, of: pool)
                let running = Task {
                    try await pool.withTransaction { transaction in
                        _ = try await transaction.query("INSERT INTO numbers VALUES (1)")
                        _ = try await transaction.query("SELECT pg_sleep(60)")
                    }
                }
                try await eventually {
                    try await own.superuser.number(
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
                    ) == 1
                }
                try own.restart()
                let lost = try await failure { try await running.value }
                #expect(lost.isRetryable, "\(String(reflecting: lost))")
                // No idle connection of before is handed out, and none of the answers is an old one.
                for _ in 0..<5 { #expect(try await pool.number("SELECT count(*) FROM numbers") == 0) }
                try await lend(3, of: pool)

                // While it is down, calls fail, and quickly; they say that nothing happened.
                try own.stop()
                let start = ContinuousClock.now
                for _ in 0..<50 {
                    let error = try await failure { _ = try await pool.execute("INSERT INTO numbers VALUES (2)") }
                    #expect(error.kind == .connectFailed)
                }
                #expect(start.duration(to: .now) < .seconds(10))
                try own.start()
                try await eventually { (try? await pool.number("SELECT count(*) FROM numbers")) == 0 }
            }
        }
    }

    /// Makes the pool open `count` connections, by using as many at once.
    private func lend(_ count: Int, of pool: Pool) async throws {
        let here = PostgresError.CallSite(file: "here", line: 1)
        var connections: [Connection] = []
        for _ in 0..<count { connections.append(try await pool.checkOut(here, Deadline(in: .seconds(30)))) }
        for connection in connections { pool.checkIn(connection) }
    }
}

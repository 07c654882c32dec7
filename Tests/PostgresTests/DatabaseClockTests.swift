import Support
import Testing
import Time

@testable import Postgres

@Suite(.timeLimit(.minutes(1))) struct DatabaseClockTests {
    private func serverTime() async throws -> Instant {
        try await superuser.value("SELECT clock_timestamp()", as: Instant.self)
    }

    @Test func `tells the server's time`() async throws {
        let clock = try await DatabaseClock(superuser)
        let before = try await serverTime()
        let now = clock.now()
        let after = try await serverTime()
        // The machine is the same one, but questions take their time.
        #expect(now > before - .milliseconds(500) && now < after + .milliseconds(500))
    }

    @Test func `each time is later than the one before, also while it waits for the server's`() async throws {
        let clock = DatabaseClock(at: try await serverTime() + .seconds(3600))
        try await clock.set(by: superuser)
        let times = (0..<100).map { _ in clock.now() }
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func `never goes backwards, whoever asks and whatever the server says`() async throws {
        let ahead = try await serverTime() + .seconds(3600)
        let clock = DatabaseClock(at: ahead)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var latest = clock.now()
                    var isMonotonic = true
                    for _ in 0..<5000 {
                        let now = clock.now()
                        isMonotonic = isMonotonic && now > latest
                        latest = now
                    }
                    return isMonotonic
                }
            }
            group.addTask {
                try await clock.set(by: superuser)
                return clock.now() >= ahead
            }
            for try await isMonotonic in group { #expect(isMonotonic) }
        }
        #expect(clock.now() >= ahead)
    }

    @Test(arguments: [3600, -3600, 0])
    func `setting it says by how much it was ahead`(seconds: Int64) async throws {
        let clock = DatabaseClock(at: try await serverTime() + .seconds(seconds))
        let drift = try await clock.set(by: superuser)
        // Between reading the server's time and setting the clock a busy machine may let half a minute pass.
        #expect(drift > .seconds(seconds - 30) && drift < .seconds(seconds + 30))
        let second = try await clock.set(by: superuser)
        #expect(second > .seconds(-30) && second < .seconds(30))
    }

    @Test func `waiting for a connection does not set it wrong`() async throws {
        let reference = try await DatabaseClock(superuser)
        try await cluster.withPool(maximum: 1) { pool in
            let held = Task { _ = try await pool.execute("SELECT pg_sleep(6)") }
            try await eventually { pool.usage.busy == 1 }
            let clock = try await DatabaseClock(pool)
            try await held.value
            let difference = clock.now() - reference.now()
            // Half of the wait would be three seconds.
            #expect(difference > .seconds(-2) && difference < .seconds(2))
        }
    }
}

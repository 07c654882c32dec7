import Synchronization
public import Time

/// The database's time, kept by this process: read from the server now and then, counted on by the machine's
/// monotonic clock in between.
///
/// Every timestamp the program binds comes from here, so that several machines agree about "now" as well as the
/// server itself does, and a machine whose wall clock is wrong does no harm.
///
/// Each time it tells is later than the one before, also where it was ahead and is set back: what one process does first
/// is first by its times too.
public final class DatabaseClock: Sendable {
    private struct Anchor {
        var server: Instant
        var local: ContinuousClock.Instant
        var latest: Instant
    }

    private let anchor: Mutex<Anchor>

    /// A clock that stands at `instant` now.
    public init(at instant: Instant) {
        anchor = Mutex(Anchor(server: instant, local: .now, latest: instant))
    }

    /// A clock set by the server. To be set anew every minute, because the monotonic clocks of machines drift.
    public convenience init(_ pool: Pool) async throws(PostgresError) {
        self.init(at: Instant(microseconds: 0))
        try await set(by: pool)
    }

    public func now() -> Instant {
        anchor.withLock { anchor in
            anchor.latest = max(anchor.latest + .microseconds(1), anchor.server + anchor.local.duration(to: .now))
            return anchor.latest
        }
    }

    /// Asks the server, and returns by how much this clock was ahead of it.
    @discardableResult
    public func set(by pool: Pool) async throws(PostgresError) -> Duration {
        // Once without looking, so that the second question waits neither for a connection nor for its plan.
        let (server, before, after): (Instant, ContinuousClock.Instant, ContinuousClock.Instant)
        do {
            (server, before, after) = try await pool.withTransaction { transaction in
                _ = try await transaction.query("SELECT clock_timestamp()")
                let before = ContinuousClock.now
                let rows = try await transaction.query("SELECT clock_timestamp()")[0]
                let after = ContinuousClock.now
                return (try rows[0].decode(Instant.self), before, after)
            }
        } catch let error as PostgresError {
            throw error
        } catch {
            throw .decoding("no time in the answer: \(error)")
        }
        // The server read its clock somewhere between the question and the answer.
        let middle = before + before.duration(to: after) / 2
        return anchor.withLock { anchor in
            let drift = (anchor.server + anchor.local.duration(to: middle)) - server
            anchor.server = server
            anchor.local = middle
            return drift
        }
    }
}

/// While the server is away, callers fail at once with the last reason, and only now and then one tries again.
struct BackOff {
    private var failures = 0
    private var reason: PostgresError?
    private var nextTry = ContinuousClock.now

    private var pause: Duration { .milliseconds(25 << min(failures, 5)) }

    mutating func throwIfTooEarly() throws(PostgresError) {
        guard let reason else { return }
        guard ContinuousClock.now >= nextTry else { throw reason }
        // This caller tries; those that come while it does are still too early.
        nextTry = .now + pause
    }

    mutating func failed(_ error: PostgresError) {
        reason = error
        nextTry = .now + pause
        failures += 1
    }

    mutating func succeeded() {
        failures = 0
        reason = nil
    }
}

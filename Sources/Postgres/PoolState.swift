import DequeModule

/// What a pool holds and who waits, as a pure state machine: every event returns what the shell has to do.
///
/// Generic over the connection, so that its tests need none.
struct PoolState<Connection: Sendable, Waiter: Sendable> {
    /// What a caller that wants a connection gets.
    enum Lease {
        case take(Connection)
        /// There is room: the caller connects, and reports `connected` or `connectFailed`.
        case connect
        case wait
        case refuse
    }

    /// What a connection that came back, or room that became free, leads to.
    enum Handover {
        case give(Connection, to: Waiter)
        /// The waiter may connect itself.
        case letConnect(Waiter)
        case close(Connection)
        case nothing
    }

    let maximum: Int
    private(set) var idle: [Connection] = []
    /// Connections that exist or are being made.
    private(set) var count = 0
    private(set) var isShutDown = false
    private var waiters = Deque<(id: UInt64, deadline: ContinuousClock.Instant, waiter: Waiter)>()
    private var isTimed = false

    init(maximum: Int) {
        precondition(maximum > 0)
        self.maximum = maximum
    }

    var waiting: Int { waiters.count }

    mutating func lease() -> Lease {
        guard !isShutDown else { return .refuse }
        // The last one back is the one whose caches are warm; the others may age out.
        if let connection = idle.popLast() { return .take(connection) }
        guard count < maximum else { return .wait }
        count += 1
        return .connect
    }

    /// Joins the queue; first come, first served. A connection may have come back since `lease` said to wait.
    mutating func enqueue(_ waiter: Waiter, id: UInt64, deadline: ContinuousClock.Instant) -> Lease {
        let lease = lease()
        if case .wait = lease { waiters.append((id, deadline, waiter)) }
        return lease
    }

    /// True once when somebody waits and no timer runs: the caller starts one that calls `expire` until it says false.
    mutating func startTimer() -> Bool {
        guard !isTimed, !waiters.isEmpty else { return false }
        isTimed = true
        return true
    }

    /// Takes out the waiters whose deadline has passed, and says whether any is left to watch.
    mutating func expire(_ now: ContinuousClock.Instant) -> (expired: [Waiter], isWatching: Bool) {
        let expired = waiters.filter { $0.deadline <= now }.map(\.waiter)
        if !expired.isEmpty { waiters.removeAll { $0.deadline <= now } }
        isTimed = !waiters.isEmpty
        return (expired, isTimed)
    }

    /// Takes a waiter out of the queue whose deadline passed or whose task was cancelled; nil if it was served already.
    mutating func withdraw(id: UInt64) -> Waiter? {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return waiters.remove(at: index).waiter
    }

    /// A connection came back.
    mutating func giveBack(_ connection: Connection) -> Handover {
        guard !isShutDown else {
            count -= 1
            return .close(connection)
        }
        if let next = waiters.popFirst() { return .give(connection, to: next.waiter) }
        idle.append(connection)
        return .nothing
    }

    /// A connection broke, or could not be made: its room goes to the next in the queue.
    mutating func lose() -> Handover {
        count -= 1
        guard !isShutDown, let next = waiters.popFirst() else { return .nothing }
        count += 1
        return .letConnect(next.waiter)
    }

    /// From here on everything is refused; idle connections and waiters are returned to be closed and failed.
    mutating func shutDown() -> (idle: [Connection], waiters: [Waiter]) {
        isShutDown = true
        defer {
            count -= idle.count
            idle.removeAll()
            waiters.removeAll()
        }
        return (idle, waiters.map(\.waiter))
    }
}

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
        /// More than one only of those that travel together.
        case give(Connection, to: [Waiter])
        /// The waiter may connect itself.
        case letConnect(Waiter)
        case close(Connection)
        case nothing
    }

    /// How many of those that may travel together one connection takes at most.
    static var together: Int { 8 }

    let maximum: Int
    /// How many connections serve such at once, as long as these come back quickly and can take all who wait.
    let maximumShared: Int
    /// How long ago the last of these may have come back for that.
    private let patience = Duration.milliseconds(2)
    private(set) var idle: [Connection] = []
    /// Connections that exist or are being made.
    private(set) var count = 0
    private(set) var isShutDown = false
    private var waiters = Deque<Entry>()
    private var isTimed = false
    /// Connections that serve waiters that travel together, and when one of them came back last.
    private(set) var shared = 0
    private var lastShared: ContinuousClock.Instant?

    private struct Entry {
        let id: UInt64
        let deadline: ContinuousClock.Instant
        let waiter: Waiter
        let isShared: Bool
    }

    init(maximum: Int, maximumShared: Int = 2) {
        precondition(maximum > 0 && maximumShared > 0)
        (self.maximum, self.maximumShared) = (maximum, maximumShared)
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
        if case .wait = lease {
            waiters.append(Entry(id: id, deadline: deadline, waiter: waiter, isShared: false))
        }
        return lease
    }

    /// Joins the queue as one that may travel together with others. It waits for a connection that serves such, if they
    /// come and go and their next ways are not full yet; else another one takes those that come first. So few connections
    /// serve many, and the others stay free. Nil when it is refused.
    mutating func enqueueShared(
        _ waiter: Waiter,
        id: UInt64,
        deadline: ContinuousClock.Instant,
        now: ContinuousClock.Instant
    ) -> Handover? {
        guard !isShutDown else { return nil }
        waiters.append(Entry(id: id, deadline: deadline, waiter: waiter, isShared: true))
        let hasWay = shared >= maximumShared && isMoving(now) && waiters.count <= shared * Self.together
        return hasWay ? .nothing : serveShared(now)
    }

    /// For those that wait for a connection that got stuck, while another is there; to be called now and then.
    mutating func relieve(_ now: ContinuousClock.Instant) -> Handover { isMoving(now) ? .nothing : serveShared(now) }

    /// Whether connections that serve waiters that travel together come and go.
    private func isMoving(_ now: ContinuousClock.Instant) -> Bool { lastShared.map { now - $0 < patience } ?? false }

    /// Another connection for the first in the queue, if they may travel together.
    private mutating func serveShared(_ now: ContinuousClock.Instant) -> Handover {
        guard let next = waiters.first, next.isShared else { return .nothing }
        switch lease() {
        case .take(let connection):
            shared += 1
            return .give(connection, to: takeShared(Self.together))
        case .connect:
            shared += 1
            waiters.removeFirst()
            return .letConnect(next.waiter)
        case .wait, .refuse: return .nothing
        }
    }

    private mutating func end(_ now: ContinuousClock.Instant) {
        shared -= 1
        lastShared = now
    }

    /// Takes out the first waiters, as long as they may travel together.
    private mutating func takeShared(_ maximum: Int) -> [Waiter] {
        var taken: [Waiter] = []
        while taken.count < maximum, let first = waiters.first, first.isShared {
            taken.append(first.waiter)
            waiters.removeFirst()
        }
        return taken
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
    ///
    /// - Parameter wasShared: whether it served waiters that may travel together.
    mutating func giveBack(
        _ connection: Connection,
        wasShared: Bool = false,
        now: ContinuousClock.Instant = .now
    ) -> Handover {
        if wasShared { end(now) }
        guard !isShutDown else {
            count -= 1
            return .close(connection)
        }
        guard let next = waiters.first else {
            idle.append(connection)
            return .nothing
        }
        if next.isShared {
            shared += 1
            return .give(connection, to: takeShared(Self.together))
        }
        waiters.removeFirst()
        return .give(connection, to: [next.waiter])
    }

    /// A connection broke, or could not be made: its room goes to the next in the queue that needs one of its own.
    mutating func lose(wasShared: Bool = false, now: ContinuousClock.Instant = .now) -> Handover {
        if wasShared { end(now) }
        count -= 1
        guard !isShutDown else { return .nothing }
        // Those that travel together wait for connections that are out for such, and come back sooner than one is made.
        guard let index = shared > 0 ? waiters.firstIndex(where: { !$0.isShared }) : waiters.indices.first else {
            return .nothing
        }
        let next = waiters.remove(at: index)
        count += 1
        if next.isShared { shared += 1 }
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

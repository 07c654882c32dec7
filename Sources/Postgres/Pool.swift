import Synchronization

/// A bounded set of connections, shared by every caller.
///
/// Connections are made when they are needed, by the caller that needs one; a broken one is replaced the same way.
/// Nothing runs in the background. Callers wait in the order they came, each until its own deadline, or the lease
/// timeout if that is sooner.
public final class Pool: Sendable {
    public struct Settings: Sendable {
        public var connection: ConnectionSettings
        public var maximumConnections: Int
        /// How long a caller waits for its turn. Connecting, if it has to, is bounded by the connection's own timeout.
        public var leaseTimeout: Duration
        /// How long a call may take when its caller says nothing else.
        public var defaultDeadline: Duration

        public init(
            connection: ConnectionSettings,
            maximumConnections: Int = 8,
            leaseTimeout: Duration = .seconds(5),
            defaultDeadline: Duration = .seconds(15)
        ) {
            self.connection = connection
            self.maximumConnections = maximumConnections
            self.leaseTimeout = leaseTimeout
            self.defaultDeadline = defaultDeadline
        }
    }

    enum Grant: Sendable {
        case connection(Connection)
        case room
        case failure(PostgresError)
    }

    private typealias Waiter = CheckedContinuation<Grant, Never>

    public let settings: Settings
    private let state: Mutex<PoolState<Connection, Waiter>>
    private let nextWaiter = Atomic<UInt64>(0)
    private let backOff = Mutex(BackOff())

    public init(_ settings: Settings) {
        self.settings = settings
        state = Mutex(PoolState(maximum: settings.maximumConnections))
    }

    /// Refuses new calls, fails those that wait, and closes each connection as it comes back.
    public func shutDown() async {
        let (idle, waiters) = state.withLock { $0.shutDown() }
        for waiter in waiters { waiter.resume(returning: .failure(Self.closed)) }
        for connection in idle { await connection.close() }
    }

    /// Connections in use, idle and waited for, for the metrics.
    public var usage: (busy: Int, idle: Int, waiting: Int) {
        state.withLock { ($0.count - $0.idle.count, $0.idle.count, $0.waiting) }
    }

    // MARK: Transactions

    /// A transaction in one round trip: BEGIN, the settings, every statement, COMMIT. The answers in their order.
    public func transaction(
        _ settings: [LocalSetting],
        deadline: Duration? = nil,
        _ statements: SQL...,
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) -> [Rows] {
        try await transaction(settings, deadline: deadline, statements, file: file, line: line)
    }

    public func transaction(
        _ settings: [LocalSetting],
        deadline: Duration? = nil,
        _ statements: [SQL],
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) -> [Rows] {
        var items: [Batch.Item] = [.statement(Batch.begin)]
        items.reserveCapacity(statements.count + settings.count + 2)
        for setting in settings { items.append(.unprepared(setting.statement)) }
        for statement in statements { items.append(.statement(statement)) }
        items.append(.statement(Batch.commit))
        let answers = try await run(Batch(items: items, commits: true), deadline, CallSite(file: file, line: line))
        return Array(answers[(1 + settings.count)..<(answers.count - 1)])
    }

    /// One statement in a transaction of its own.
    public func execute(
        _ statement: SQL,
        deadline: Duration? = nil,
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) -> Rows {
        let batch = Batch(items: [.statement(statement)], commits: true)
        return try await run(batch, deadline, CallSite(file: file, line: line))[0]
    }

    /// A transaction in which statements depend on earlier answers. Committed when `body` returns, rolled back when
    /// it throws; `deadline` bounds the whole.
    public func withTransaction<Result: Sendable>(
        _ settings: [LocalSetting] = [],
        deadline: Duration? = nil,
        file: String = #fileID,
        line: UInt = #line,
        _ body: (Transaction) async throws -> Result
    ) async throws -> Result {
        let callSite = CallSite(file: file, line: line)
        let deadline = Deadline(in: deadline ?? self.settings.defaultDeadline)
        let connection = try await checkOut(callSite, deadline)
        let transaction = Transaction(connection, settings: settings, deadline: deadline)
        do {
            let result = try await body(transaction)
            try await transaction.commit()
            checkIn(connection)
            return result
        } catch {
            await transaction.rollBack()
            checkIn(connection)
            throw (error as? PostgresError)?.at(callSite) ?? error
        }
    }

    typealias CallSite = PostgresError.CallSite

    private func run(_ batch: Batch, _ deadline: Duration?, _ callSite: CallSite) async throws(PostgresError) -> [Rows]
    {
        let deadline = Deadline(in: deadline ?? settings.defaultDeadline)
        let connection = try await checkOut(callSite, deadline)
        defer { checkIn(connection) }
        do throws(PostgresError) {
            return try await connection.runInterruptibly(batch, deadline: deadline)
        } catch {
            throw error.at(callSite)
        }
    }

    // MARK: Leases

    /// A connection for the caller alone, until `checkIn`.
    func checkOut(_ callSite: CallSite, _ deadline: Deadline) async throws(PostgresError) -> Connection {
        let turn = min(Deadline(in: settings.leaseTimeout), deadline)
        while true {
            switch await grant(until: turn.instant) {
            case .connection(let connection):
                // A server that was restarted has closed every idle session: go through them to a sound one.
                if !connection.hasUnreadInput { return connection }
                if await connection.isSound() { return connection }
                checkIn(connection)
            case .room:
                do throws(PostgresError) {
                    return try await connect(by: deadline)
                } catch {
                    perform(state.withLock { $0.lose() })
                    throw error.at(callSite)
                }
            case .failure(let error):
                throw error.at(callSite)
            }
        }
    }

    func checkIn(_ connection: Connection) {
        guard connection.isReusable else {
            perform(.close(connection))
            return perform(state.withLock { $0.lose() })
        }
        perform(state.withLock { $0.giveBack(connection) })
    }

    private func perform(_ handover: PoolState<Connection, Waiter>.Handover) {
        switch handover {
        case .give(let connection, let waiter): waiter.resume(returning: .connection(connection))
        case .letConnect(let waiter): waiter.resume(returning: .room)
        case .close: break  // Its last reference is the caller's: the session ends with it.
        case .nothing: break
        }
    }

    private func grant(until deadline: ContinuousClock.Instant) async -> Grant {
        if let grant = Self.grant(state.withLock { $0.lease() }) { return grant }
        let id = nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let (lease, startsTimer) = state.withLock { state in
                    if Task.isCancelled { return (nil as PoolState<Connection, Waiter>.Lease?, false) }
                    return (state.enqueue(waiter, id: id, deadline: deadline), state.startTimer())
                }
                if startsTimer {
                    Thread.start { [weak self] in while self?.expireWaiters() == true { Thread.pause() } }
                }
                guard let lease else { return waiter.resume(returning: .failure(Self.cancelled)) }
                if let grant = Self.grant(lease) { waiter.resume(returning: grant) }
            }
        } onCancel: {
            state.withLock { $0.withdraw(id: id) }?.resume(returning: .failure(Self.cancelled))
        }
    }

    /// Fails the waiters whose deadline has passed; false when none is left to watch.
    private func expireWaiters() -> Bool {
        let (expired, isWatching) = state.withLock { $0.expire(ContinuousClock.now) }
        for waiter in expired { waiter.resume(returning: .failure(exhausted)) }
        return isWatching
    }

    private static func grant(_ lease: PoolState<Connection, Waiter>.Lease) -> Grant? {
        switch lease {
        case .take(let connection): .connection(connection)
        case .connect: .room
        case .refuse: .failure(closed)
        case .wait: nil
        }
    }

    private var exhausted: PostgresError {
        let message =
            "none of \(settings.maximumConnections) connections became free in time (at most \(settings.leaseTimeout))"
        return PostgresError(.poolExhausted, message: message)
    }

    private static let closed = PostgresError(.closed, message: "the pool is shut down")
    private static let cancelled = PostgresError(.cancelled, message: "cancelled while waiting for a connection")

    // MARK: Connecting

    /// While the server is away, callers fail at once with the last reason, and only now and then one tries again.
    private struct BackOff {
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

    private func connect(by deadline: Deadline) async throws(PostgresError) -> Connection {
        try backOff.withLock { backOff throws(PostgresError) in try backOff.throwIfTooEarly() }
        let connection = Connection(settings.connection)
        do throws(PostgresError) {
            try await connection.connectInterruptibly(by: deadline)
            backOff.withLock { $0.succeeded() }
            return connection
        } catch {
            // A caller in a hurry says nothing about the server.
            if error.kind == .connectFailed, deadline.pollTimeout > 0 { backOff.withLock { $0.failed(error) } }
            throw error
        }
    }
}

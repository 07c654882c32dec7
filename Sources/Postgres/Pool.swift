import Synchronization

/// A bounded set of connections, shared by every caller.
///
/// Connections are made when they are needed, by the caller that needs one; a broken one is replaced the same way.
/// Nothing runs in the background while nobody waits. Callers wait in the order they came, each until its own deadline, or
/// the lease timeout if that is sooner; look-ups that wait for one of few connections let others past to those that are idle.
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

    /// Who waits in the queue.
    enum Waiter: Sendable {
        /// A caller that wants a connection for itself, for as long as it likes.
        case lease(CheckedContinuation<Grant, Never>)
        /// A batch, which any connection's thread can run to its end.
        case call(Call)

        var call: Call? { if case .call(let call) = self { call } else { nil } }

        func fail(_ error: PostgresError) {
            switch self {
            case .lease(let continuation): continuation.resume(returning: .failure(error))
            case .call(let call): call.finish(.failure(error))
            }
        }
    }

    typealias State = PoolState<Connection, Waiter>

    public let settings: Settings
    private let state: Mutex<State>
    private let nextWaiter = Atomic<UInt64>(0)
    private let backOff = Mutex(BackOff())

    public init(_ settings: Settings) {
        self.settings = settings
        state = Mutex(PoolState(maximum: settings.maximumConnections))
    }

    /// Refuses new calls, fails those that wait, and closes each connection as it comes back.
    public func shutDown() async {
        let (idle, waiters) = state.withLock { $0.shutDown() }
        for waiter in waiters { waiter.fail(Self.closed) }
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
        let batch = Batch(transaction: statements, settings)
        return try await run(batch, deadline, CallSite(file: file, line: line))
    }

    /// A transaction in one round trip that only looks up rows by their keys. The answers in their order.
    ///
    /// Look-ups of the same moment travel together on one connection, which saves each most of its way. So one that is
    /// slow holds up others: what may take longer than a millisecond or two is for `transaction`. The server lets it
    /// change no table, and a lost answer is never in doubt. One with a deadline of its own travels alone.
    ///
    /// So do all where statements are not prepared: PgBouncer below 1.21, which is the reason for that, lets go of a session
    /// once the first of several transactions is answered, and the next client gets the other answers.
    public func lookUp(
        _ settings: [LocalSetting],
        deadline: Duration? = nil,
        _ statements: [SQL],
        file: String = #fileID,
        line: UInt = #line
    ) async throws(PostgresError) -> [Rows] {
        let isShared = deadline == nil && self.settings.connection.preparesStatements
        let batch = Batch(lookUp: statements, settings)
        return try await run(batch, deadline, CallSite(file: file, line: line), isShared: isShared)
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

    private func run(
        _ batch: Batch,
        _ deadline: Duration?,
        _ callSite: CallSite,
        isShared: Bool = false
    ) async throws(PostgresError) -> [Rows] {
        let deadline = Deadline(in: deadline ?? settings.defaultDeadline)
        let call = Call(batch, by: deadline, id: newWaiterID(), isShared: isShared)
        let outcome = await withTaskCancellationHandler {
            await withUnsafeContinuation { caller in
                call.answer(to: caller)
                dispatch(call)
            }
        } onCancel: {
            // First the mark, then the search: `dispatch` looks at the mark before it puts the call in the queue.
            call.cancel()
            state.withLock { $0.withdraw(id: call.id) }?.fail(Self.cancelled)
        }
        do throws(PostgresError) {
            return try outcome.get()
        } catch {
            throw error.at(callSite)
        }
    }

    // MARK: Calls

    /// Gives the call to a connection's thread, or puts it in the queue, from which a thread takes it that is done
    /// with another.
    private func dispatch(_ call: Call) {
        let turn = min(Deadline(in: settings.leaseTimeout), call.deadline)
        guard !call.isShared else { return dispatchShared(call, until: turn) }
        let lease: State.Lease? = join(.call(call), call.id, until: turn, unless: { call.isCancelled })
        switch lease {
        case .take(let connection): connection.serve([call], for: self)
        case .connect: connect(for: call)
        case .wait: break
        case .refuse: call.finish(.failure(Self.closed))
        case nil: call.finish(.failure(Self.cancelled))
        }
    }

    private func dispatchShared(_ call: Call, until turn: Deadline) {
        let (handover, startsTimer) = state.withLock { state -> (State.Handover?, Bool) in
            if call.isCancelled { return (nil, false) }
            let handover = state.enqueueShared(.call(call), id: call.id, deadline: turn.instant, now: .now)
            return (handover, state.startTimer())
        }
        if startsTimer { watchWaiters() }
        if let handover {
            perform(handover)
        } else {
            call.finish(.failure(call.isCancelled ? Self.cancelled : Self.closed))
        }
    }

    /// One that travelled with others, and was not answered on the way.
    func dispatchAlone(_ call: Call) {
        call.leaveOthers()
        guard call.deadline.pollTimeout > 0 else {
            return call.finish(.failure(PostgresError(.deadlineExceeded, message: "given up without an answer")))
        }
        dispatch(call)
    }

    /// The connection has served calls: the next ones that it is to serve, one or some that travel together. To be called
    /// on its thread, which so goes from call to call without a task in between.
    func next(after connection: Connection, wasShared: Bool) -> [Call] {
        let handover = handover(of: connection, wasShared: wasShared)
        if case .give(_, let waiters) = handover {
            let calls = waiters.compactMap(\.call)
            if !calls.isEmpty { return calls }
        }
        perform(handover)
        return []
    }

    /// The connection turned out to be dead before the calls were sent: others take them.
    func dispatchAgain(_ calls: [Call], after connection: Connection) {
        perform(handover(of: connection, wasShared: calls[0].isShared))
        for call in calls { dispatch(call) }
    }

    private func connect(for call: Call) {
        do throws(PostgresError) {
            try throwIfTooEarlyToConnect()
            Connection(settings.connection).connect(for: call, of: self)
        } catch {
            perform(state.withLock { $0.lose(wasShared: call.isShared) })
            call.finish(.failure(error))
        }
    }

    // MARK: Leases

    /// A connection for the caller alone, until `checkIn`.
    func checkOut(_ callSite: CallSite, _ deadline: Deadline) async throws(PostgresError) -> Connection {
        let turn = min(Deadline(in: settings.leaseTimeout), deadline)
        while true {
            switch await grant(until: turn) {
            case .connection(let connection):
                // A server that was restarted has closed every idle session: go through them to a sound one.
                if !connection.hasUnreadInput { return connection }
                if await connection.isSound() { return connection }
                checkIn(connection)
            case .room:
                do throws(PostgresError) {
                    try throwIfTooEarlyToConnect()
                } catch {
                    perform(state.withLock { $0.lose() })
                    throw error.at(callSite)
                }
                let connection = Connection(settings.connection)
                do throws(PostgresError) {
                    try await connection.connectInterruptibly(by: deadline)
                } catch {
                    connectingFailed(error, deadline)
                    throw error.at(callSite)
                }
                connectingSucceeded()
                return connection
            case .failure(let error):
                throw error.at(callSite)
            }
        }
    }

    func checkIn(_ connection: Connection) { perform(handover(of: connection)) }

    /// A connection that is not to be used again ends with its last reference, which is the caller's.
    private func handover(of connection: Connection, wasShared: Bool = false) -> State.Handover {
        let isReusable = connection.isReusable
        return state.withLock {
            isReusable ? $0.giveBack(connection, wasShared: wasShared) : $0.lose(wasShared: wasShared)
        }
    }

    private func perform(_ handover: State.Handover) {
        switch handover {
        case .give(let connection, let waiters):
            if case .lease(let waiter)? = waiters.first {
                waiter.resume(returning: .connection(connection))
            } else {
                connection.serve(waiters.compactMap(\.call), for: self)
            }
        case .letConnect(.lease(let waiter)): waiter.resume(returning: .room)
        case .letConnect(.call(let call)): connect(for: call)
        case .close, .nothing: break
        }
    }

    /// Leases a connection, or joins the queue; nil if the caller has given up meanwhile.
    private func join(
        _ waiter: Waiter,
        _ id: UInt64,
        until turn: Deadline,
        unless isCancelled: () -> Bool
    ) -> State.Lease? {
        let (lease, startsTimer) = state.withLock { state -> (State.Lease?, Bool) in
            if isCancelled() { return (nil, false) }
            return (state.enqueue(waiter, id: id, deadline: turn.instant), state.startTimer())
        }
        if startsTimer { watchWaiters() }
        return lease
    }

    /// It looks later, and not at once: the queue is often empty again by then, and soon would need another thread.
    private func watchWaiters() {
        Thread.start { [weak self] in repeat { Thread.pause() } while self?.expireWaiters() == true }
    }

    private func newWaiterID() -> UInt64 { nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue }

    private func grant(until turn: Deadline) async -> Grant {
        if let grant = Self.grant(state.withLock { $0.lease() }) { return grant }
        let id = newWaiterID()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                guard let lease = join(.lease(waiter), id, until: turn, unless: { Task.isCancelled }) else {
                    return waiter.resume(returning: .failure(Self.cancelled))
                }
                if let grant = Self.grant(lease) { waiter.resume(returning: grant) }
            }
        } onCancel: {
            state.withLock { $0.withdraw(id: id) }?.fail(Self.cancelled)
        }
    }

    /// Fails the waiters whose deadline has passed, and helps those that wait for a connection that got stuck; false when
    /// none is left to watch.
    private func expireWaiters() -> Bool {
        let now = ContinuousClock.now
        let (handover, look) = state.withLock { ($0.relieve(now), $0.expire(now)) }
        perform(handover)
        for waiter in look.expired { waiter.fail(exhausted) }
        return look.isWatching
    }

    private static func grant(_ lease: State.Lease) -> Grant? {
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

    private func throwIfTooEarlyToConnect() throws(PostgresError) {
        try backOff.withLock { backOff throws(PostgresError) in try backOff.throwIfTooEarly() }
    }

    func connectingSucceeded() { backOff.withLock { $0.succeeded() } }

    /// The room that was kept for the connection goes to the next in the queue that needs one of its own.
    func connectingFailed(_ error: PostgresError, _ deadline: Deadline, wasShared: Bool = false) {
        // A caller in a hurry says nothing about the server.
        if error.kind == .connectFailed, deadline.pollTimeout > 0 { backOff.withLock { $0.failed(error) } }
        perform(state.withLock { $0.lose(wasShared: wasShared) })
    }
}

import CLibpq
import Glibc
import Synchronization

/// One session with the server.
///
/// Always in libpq's pipeline mode, where a batch of statements is sent before the first answer is read. The actor's
/// executor is a thread of its own, and every method is synchronous inside: it may block, and never interleaves.
actor Connection {
    let settings: ConnectionSettings
    private nonisolated let thread = ConnectionThread()
    /// Written to wake `poll`: the caller's task was cancelled, or the connection is to be closed.
    private nonisolated let wakeUp: Int32

    /// libpq's handle; nil once closed. Every other file of the actor goes through `handle()`.
    var pq: OpaquePointer?
    /// The server-side statements of this session: name by text.
    var prepared: [StatementText: PreparedStatement] = [:]
    /// Set when the session must not serve another call.
    private(set) var isSpoiled = false
    /// Idle, in step and not spoiled: kept outside the actor, so that a pool need not hop to ask.
    private nonisolated let reusable = Atomic<Bool>(false)
    private nonisolated let socket = Atomic<Int32>(-1)

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Runs `body` on the thread, after what waits there already, and without a task.
    nonisolated func onThread(_ body: @escaping @Sendable (isolated Connection) -> Void) {
        thread.run { self.assumeIsolated(body) }
    }

    struct PreparedStatement {
        let name: String
        let types: [UInt32]
    }

    /// Hashed by its length alone: texts are few and seldom of one length, and to hash one is to read all of it, in
    /// every call.
    struct StatementText: Hashable {
        let text: String

        static func == (a: Self, b: Self) -> Bool { a.text.utf8.count == b.text.utf8.count && a.text == b.text }

        func hash(into hasher: inout Hasher) { hasher.combine(text.utf8.count) }
    }

    init(_ settings: ConnectionSettings) {
        self.settings = settings
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    }

    isolated deinit {
        if let pq { PQfinish(pq) }
        Glibc.close(wakeUp)
        thread.stop()
    }

    /// Wakes the thread if it waits for the server, so that it sees its task's cancellation.
    nonisolated func interrupt() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, 8)
    }

    func spoil() { isSpoiled = true }

    func handle() throws(PostgresError) -> OpaquePointer {
        guard let pq else { throw PostgresError(.closed, message: "the connection is closed") }
        return pq
    }

    // MARK: Connecting and closing

    /// - Parameter deadline: when the caller gives up, if that is before the connect timeout.
    func connect(by deadline: Deadline? = nil, for call: Call? = nil) throws(PostgresError) {
        var wait = Wait(Deadline(in: settings.connectTimeout), grace: .zero, for: call)
        if let deadline { wait.deadline = min(wait.deadline, deadline) }
        let keywords = ["dbname", "fallback_application_name", "client_encoding"]
        let values = [settings.url, settings.applicationName, "UTF8"]
        // expand_dbname: the first keyword may be a whole connection string or URI.
        guard let pq = withCStrings(keywords, values, { PQconnectStartParams($0, $1, 1) }) else {
            throw PostgresError(.connectFailed, message: "out of memory")
        }
        self.pq = pq
        do throws(PostgresError) {
            // Without a receiver libpq prints notices to standard error.
            PQsetNoticeReceiver(pq, { _, _ in }, nil)
            var polling = PGRES_POLLING_WRITING
            while polling != PGRES_POLLING_OK {
                guard polling != PGRES_POLLING_FAILED, PQstatus(pq) != CONNECTION_BAD else {
                    throw PostgresError(.connectFailed, message: lastMessage())
                }
                try poll(Int16(polling == PGRES_POLLING_READING ? POLLIN : POLLOUT), &wait)
                polling = PQconnectPoll(pq)
            }
            guard PQsetnonblocking(pq, 1) == 0, PQenterPipelineMode(pq) == 1 else {
                throw PostgresError(.connectFailed, message: lastMessage())
            }
            socket.store(PQsocket(pq), ordering: .releasing)
            noteReusability()
        } catch {
            let isLate = error.kind == .deadlineExceeded
            let message = isLate ? "no connection in time (at most \(settings.connectTimeout))" : error.message
            close()
            throw PostgresError(error.kind == .cancelled ? .cancelled : .connectFailed, message: message)
        }
    }

    func close() {
        guard let pq else { return }
        PQfinish(pq)
        self.pq = nil
        isSpoiled = true
        reusable.store(false, ordering: .releasing)
        thread.stop()
    }

    /// Whether the session can serve another call.
    nonisolated var isReusable: Bool { reusable.load(ordering: .acquiring) }

    /// To be called at the end of every method that talks to the server.
    func noteReusability() {
        let isIdle = pq.map { PQstatus($0) == CONNECTION_OK && PQtransactionStatus($0) == PQTRANS_IDLE } ?? false
        reusable.store(isIdle && !isSpoiled, ordering: .releasing)
    }

    /// Whether the server said something while the session was idle. Only for the caller that holds the connection.
    nonisolated var hasUnreadInput: Bool {
        var source = pollfd(fd: socket.load(ordering: .acquiring), events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&source, 1, 0) != 0
    }

    /// Whether an idle session is still one, after `hasUnreadInput`.
    func isSound() -> Bool {
        defer { noteReusability() }
        do throws(PostgresError) {
            try throwIfStale()
            return true
        } catch {
            return false
        }
    }

    /// Notices a server that has closed the idle session (restart, `pg_terminate_backend`) before anything is sent.
    private func throwIfStale() throws(PostgresError) {
        let pq = try handle()
        var socket = pollfd(fd: PQsocket(pq), events: Int16(POLLIN), revents: 0)
        // To the end of what was said: libpq takes an idle session's FATAL for a notice, and one read returns the FATAL
        // alone; only the next one finds that the server hung up. Mere notices and parameter changes are no reason to
        // give up the session.
        while Glibc.poll(&socket, 1, 0) != 0 {
            guard PQconsumeInput(pq) == 1, PQstatus(pq) == CONNECTION_OK else { throw stale() }
            guard PQisBusy(pq) == 0 else { continue }
            while let result = PQgetResult(pq) {
                defer { PQclear(result) }
                if PQresultStatus(result) == PGRES_FATAL_ERROR { throw stale() }
            }
        }
    }

    private func stale() -> PostgresError {
        isSpoiled = true
        return PostgresError(.connectionLost, message: "the server has closed the idle session: \(lastMessage())")
    }

    func lastMessage() -> String {
        guard let pq, let text = PQerrorMessage(pq) else { return "" }
        var message = String(cString: text)
        while message.last?.isNewline == true { message.removeLast() }
        return message
    }

    // MARK: Waiting

    /// How long a call still waits, and why it stops waiting.
    struct Wait {
        var deadline: Deadline
        /// Set once the caller no longer wants the answer: the server was asked to cancel, and only a grace is left
        /// in which to learn how the statement, perhaps a COMMIT, ended.
        var interruption: PostgresError.Kind?

        /// How long an interrupted statement may take to answer before the connection is given up; none where no
        /// statement runs.
        let grace: Duration
        /// Whose answer is waited for, where it is not the current task's.
        private let call: Call?

        init(_ deadline: Deadline, grace: Duration = .seconds(1), for call: Call? = nil) {
            self.deadline = deadline
            self.grace = grace
            self.call = call
        }

        var isCancelled: Bool { call?.isCancelled ?? Task.isCancelled }
    }

    /// Blocks until the socket is ready for one of `events`.
    ///
    /// The deadline is the client's own: `statement_timeout`, `tcp_user_timeout` and keepalives all leave a caller
    /// hanging on a peer that is stopped but whose kernel still acknowledges.
    func poll(_ events: Int16, _ wait: inout Wait) throws(PostgresError) {
        while true {
            if wait.interruption == nil, wait.isCancelled { cancel(&wait, because: .cancelled) }
            let timeout = wait.deadline.pollTimeout
            if timeout == 0 {
                if let interruption = wait.interruption {
                    throw PostgresError(interruption, message: "given up without an answer")
                }
                cancel(&wait, because: .deadlineExceeded)
                continue
            }
            var sources = (
                pollfd(fd: PQsocket(try handle()), events: events, revents: 0),
                pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
            )
            let ready = withUnsafeMutablePointer(to: &sources) {
                $0.withMemoryRebound(to: pollfd.self, capacity: 2) { Glibc.poll($0, 2, timeout) }
            }
            guard ready > 0 else { continue }
            if sources.1.revents != 0 {
                var count: UInt64 = 0
                _ = read(wakeUp, &count, 8)
            }
            if sources.0.revents != 0 { return }
        }
    }

    /// Asks the server to cancel what runs, and gives it a grace to answer. The session is not used again: a cancel
    /// request may arrive late and would hit the next caller's statement.
    private func cancel(_ wait: inout Wait, because reason: PostgresError.Kind) {
        wait.interruption = reason
        wait.deadline = Deadline(in: wait.grace)
        isSpoiled = true
        if let pq, wait.grace > .zero { CancelRequest.send(for: pq) }
    }
}

/// Calls `body` with two parallel null-terminated arrays of C strings.
private func withCStrings<Result>(
    _ keywords: [String],
    _ values: [String],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    let keywords = keywords.map { strdup($0) }
    let values = values.map { strdup($0) }
    defer { for pointer in keywords + values { free(pointer) } }
    return (keywords.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { keywords in
        (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
            // Never nil: both arrays hold at least their terminator.
            guard let keywords = keywords.baseAddress, let values = values.baseAddress else { preconditionFailure() }
            return body(keywords, values)
        }
    }
}

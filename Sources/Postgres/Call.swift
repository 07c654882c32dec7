import Synchronization

/// One batch, from the task that wants its answer to the connection's thread that runs it, and back.
///
/// No task takes part in between. A thread that has served a call takes the next one out of the pool's queue by
/// itself: under load that saves, for every transaction, the way over Swift's thread pool.
final class Call: Sendable {
    typealias Outcome = Result<[Rows], PostgresError>

    private struct State {
        /// Unsafe, since `finish` takes it out and so resumes it once; a checked one allocates for every call.
        var caller: UnsafeContinuation<Outcome, Never>?
        /// The connection whose thread is at it.
        var connection: Connection?
    }

    let batch: Batch
    let deadline: Deadline
    /// Its name in the pool's queue, also when it goes there again.
    let id: UInt64
    private let state = Mutex(State())
    private let cancelled = Atomic<Bool>(false)
    private let shared: Atomic<Bool>

    init(_ batch: Batch, by deadline: Deadline, id: UInt64, isShared: Bool) {
        self.batch = batch
        shared = Atomic(isShared)
        self.deadline = deadline
        self.id = id
    }

    /// Whether it may travel together with others. Changes only while it waits for nothing and nobody serves it.
    var isShared: Bool { shared.load(ordering: .relaxed) }

    /// From here on it travels alone: one that it travelled with came to grief.
    func leaveOthers() {
        shared.store(false, ordering: .relaxed)
        state.withLock { $0.connection = nil }
    }

    /// Before the call is given away.
    func answer(to caller: UnsafeContinuation<Outcome, Never>) { state.withLock { $0.caller = caller } }

    /// By whoever holds the call: who takes it out of the queue, or the connection's thread.
    func finish(_ outcome: Outcome) {
        let caller = state.withLock { state in
            defer { state = State() }
            return state.caller
        }
        caller?.resume(returning: outcome)
    }

    // MARK: Cancellation

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    /// Wakes the thread that waits for the call's answer; one that has not begun will see the mark.
    func cancel() {
        cancelled.store(true, ordering: .releasing)
        state.withLock { $0.connection }?.interrupt()
        // Whether it was answered before is of no account, and those in front of it need not be waited for.
        if isShared { finish(.failure(Self.cancelledMeanwhile)) }
    }

    static let cancelledMeanwhile = PostgresError(.cancelled, message: "cancelled while it waited for its answer")

    /// From here until `finish`, cancelling wakes the connection's thread.
    func begin(on connection: Connection) { state.withLock { $0.connection = connection } }
}

extension Connection {
    /// Runs the calls on this connection's thread, and then all others that wait in the pool's queue.
    nonisolated func serve(_ calls: [Call], for pool: Pool) {
        onThread { connection in
            // A server that was restarted has closed every idle session: go through them to a sound one.
            guard !connection.hasUnreadInput || connection.isSound() else {
                return pool.dispatchAgain(calls, after: connection)
            }
            connection.serveAll(from: calls, for: pool)
        }
    }

    /// Makes the session, for this call in the first place.
    nonisolated func connect(for call: Call, of pool: Pool) {
        onThread { connection in
            call.begin(on: connection)
            do throws(PostgresError) {
                try connection.connect(by: call.deadline, for: call)
            } catch {
                pool.connectingFailed(error, call.deadline, wasShared: call.isShared)
                return call.finish(.failure(error))
            }
            pool.connectingSucceeded()
            connection.serveAll(from: [call], for: pool)
        }
    }

    private func serveAll(from first: [Call], for pool: Pool) {
        var next = first
        while let call = next.first {
            next = next.count == 1 ? serveAlone(call, for: pool) : serveTogether(next, for: pool)
        }
    }

    /// Returns the next calls, as does `serveTogether`.
    private func serveAlone(_ call: Call, for pool: Pool) -> [Call] {
        call.begin(on: self)
        let outcome = outcome(of: call)
        // The connection first: whoever is told of the answer finds it free.
        let next = pool.next(after: self, wasShared: call.isShared)
        call.finish(outcome)
        return next
    }

    /// All are sent before the first answer is read, each a transaction with a Sync of its own. Where one fails, those
    /// behind it are run again, each alone: they only read. Where one takes long, it too.
    private func serveTogether(_ calls: [Call], for pool: Pool) -> [Call] {
        var way = Way(calls.filter { !$0.isCancelled })
        for call in way.rest { call.begin(on: self) }
        do throws(PostgresError) {
            try go(&way)
        } catch {
            spoil()
        }
        // Not when its last reference ends: whoever waits for the room that it leaves, at the server too, has it then.
        if isSpoiled { close() }
        noteReusability()
        let next = pool.next(after: self, wasShared: true)
        way.finishLast()
        for call in way.rest { pool.dispatchAlone(call) }
        return next
    }

    /// Those that travel together and are not answered yet, and the last one that was.
    private struct Way {
        var rest: ArraySlice<Call>
        private var last: (call: Call, outcome: Call.Outcome)?

        init(_ calls: [Call]) { rest = calls[...] }

        /// The first of the rest is answered. Told at once are only those before it: whoever is told of the last one finds
        /// the connection free.
        mutating func answer(_ outcome: Call.Outcome) {
            finishLast()
            last = (rest.removeFirst(), outcome)
        }

        /// The first of the rest takes too long to travel with others: it comes after them.
        mutating func postponeFirst() { rest.append(rest.removeFirst()) }

        mutating func finishLast() {
            if let last { last.call.finish(last.outcome) }
            last = nil
        }
    }

    /// How long others wait for one that they travel with: far longer than a look-up takes, and short beside a deadline,
    /// of which they need what is left to be run elsewhere.
    private static let patience = Duration.seconds(1)

    private func go(_ way: inout Way) throws(PostgresError) {
        guard let first = way.rest.first else { return }
        var wait = Wait(min(first.deadline, Deadline(in: Self.patience)), for: first)
        let expected = try send(way.rest.map(\.batch), &wait)
        for (index, answer) in expected.enumerated() {
            // A cancel request that comes late would hit the next one.
            guard !isSpoiled, let call = way.rest.first else { return }
            let isLast = way.rest.count == 1
            var wait = Wait(isLast ? call.deadline : min(call.deadline, Deadline(in: Self.patience)), for: call)
            var answers = Answers()
            do throws(PostgresError) {
                try receive(answer, of: call.batch, into: &answers, &wait)
            } catch {
                answers.failure = answers.failure ?? error
                spoil()
            }
            guard let failure = answers.failure else {
                way.answer(.success(call.batch.wanted(of: answers.rows)))
                continue
            }
            if wait.interruption == .deadlineExceeded, call.deadline.pollTimeout > 0 { return way.postponeFirst() }
            way.answer(.failure(wait.interruption.map { PostgresError($0, message: failure.message) } ?? failure))
            guard !isSpoiled else { return }
            // The transaction that failed is still open, so that those behind it were refused.
            for (call, answer) in zip(way.rest, expected[(index + 1)...]) {
                var (refusals, wait) = (Answers(), Wait(Deadline(in: .seconds(1))))
                try receive(answer, of: call.batch, into: &refusals, &wait)
            }
            return try recover(from: failure)
        }
    }

    private func outcome(of call: Call) -> Call.Outcome {
        do throws(PostgresError) {
            return .success(call.batch.wanted(of: try run(call.batch, Wait(call.deadline, for: call))))
        } catch {
            return .failure(error)
        }
    }
}

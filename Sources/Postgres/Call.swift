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

    init(_ batch: Batch, by deadline: Deadline, id: UInt64) {
        self.batch = batch
        self.deadline = deadline
        self.id = id
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
    }

    /// From here until `finish`, cancelling wakes the connection's thread.
    func begin(on connection: Connection) { state.withLock { $0.connection = connection } }
}

extension Connection {
    /// Runs the call on this connection's thread, and then every other that waits in the pool's queue.
    nonisolated func serve(_ call: Call, for pool: Pool) {
        onThread { connection in
            // A server that was restarted has closed every idle session: go through them to a sound one.
            guard !connection.hasUnreadInput || connection.isSound() else {
                return pool.dispatchAgain(call, after: connection)
            }
            connection.serveAll(from: call, for: pool)
        }
    }

    /// Makes the session, for this call in the first place.
    nonisolated func connect(for call: Call, of pool: Pool) {
        onThread { connection in
            call.begin(on: connection)
            do throws(PostgresError) {
                try connection.connect(by: call.deadline, for: call)
            } catch {
                pool.connectingFailed(error, call.deadline)
                return call.finish(.failure(error))
            }
            pool.connectingSucceeded()
            connection.serveAll(from: call, for: pool)
        }
    }

    private func serveAll(from first: Call, for pool: Pool) {
        var next: Call? = first
        while let call = next {
            call.begin(on: self)
            let outcome = outcome(of: call)
            // The connection first: whoever is told of the answer finds it free.
            next = pool.next(after: self)
            call.finish(outcome)
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

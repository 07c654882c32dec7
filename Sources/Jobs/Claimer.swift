import Synchronization

/// What one claiming loop and the jobs it started tell each other.
final class Claimer: Sendable {
    private struct State {
        var running = 0
        var finished: [Job] = []
        var held: Set<Job> = []
        var stoppedSince: ContinuousClock.Instant?
    }

    /// One element for any number of calls of `wake`, so that a loop that was busy looks once.
    let wakeUps: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let state = Mutex(State())

    init() {
        (wakeUps, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func wake() { signal.yield() }

    /// Jobs that were claimed and have not ended.
    var running: Int { state.withLock { $0.running } }
    /// Jobs that are done and still have to be ended in the database.
    var finished: [Job] { state.withLock { $0.finished } }

    /// Jobs whose leases are to be extended: what runs and what is done but not ended. With their lease numbers, for
    /// a job that was rescued may be claimed again here, while its first run goes on.
    var held: Set<Job> { state.withLock { $0.held } }

    /// All of a claim, before any of them starts: else the first may end alone, and the loop claims a few at a time.
    func began(_ jobs: [Job]) {
        state.withLock { state in
            state.running += jobs.count
            state.held.formUnion(jobs)
        }
    }

    func release(_ jobs: [Job]) { state.withLock { $0.held.subtract(jobs) } }

    func ended(_ done: Job?) {
        let isIdle = state.withLock { state in
            state.running -= 1
            if let done { state.finished.append(done) }
            return state.running == 0
        }
        // Not for each job: the loop would wake for one, and end and claim one by one. The poll's tick takes stragglers.
        if isIdle { wake() }
    }

    func takeFinished() -> [Job] {
        state.withLock { state in
            defer { state.finished.removeAll(keepingCapacity: true) }
            return state.finished
        }
    }

    /// Puts back what could not be ended.
    func keep(_ jobs: [Job]) { state.withLock { $0.finished += jobs } }

    /// Whether that long has passed since this was first asked.
    func hasWaited(_ duration: Duration) -> Bool {
        state.withLock { state in
            let since = state.stoppedSince ?? .now
            state.stoppedSince = since
            return since.duration(to: .now) >= duration
        }
    }
}

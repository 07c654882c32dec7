import CLibpq
import Glibc
import Synchronization

/// The thread a connection lives on, as the executor of its actor.
///
/// libpq is called and waited for on this thread only. So the actor's methods are straight-line code that may block
/// in `poll`, without holding up Swift's cooperative threads, and never interleave.
///
/// The thread starts with the first work and ends after `stop()`, once no work is left; what comes later still
/// starts it again, so that no call on a closed connection hangs.
final class ConnectionThread: SerialExecutor {
    private enum Work {
        /// A piece of a task that has come to the connection's actor.
        case job(UnownedJob)
        /// What is done for a task that waits elsewhere.
        case body(@Sendable () -> Void)
    }

    private struct State {
        var work: [Work] = []
        var isRunning = false
        var isStopping = false
    }

    private let state = Mutex(State())
    private let bell = Bell()
    /// The thread that runs `loop` now.
    private let isolation = Atomic<UInt>(0)

    /// Asked by `assumeIsolated` in a body that is run without a task.
    func checkIsolated() {
        precondition(isolation.load(ordering: .relaxed) == UInt(pthread_self()), "not on the connection's thread")
    }

    func enqueue(_ job: consuming ExecutorJob) { enqueue(.job(UnownedJob(job))) }

    func run(_ body: @escaping @Sendable () -> Void) { enqueue(.body(body)) }

    private func enqueue(_ work: Work) {
        // The work may be done, and end the connection that owns this executor, before the bell is rung.
        let bell = bell
        let (isRunning, wasIdle) = state.withLock { state in
            defer {
                state.work.append(work)
                state.isRunning = true
            }
            return (state.isRunning, state.work.isEmpty)
        }
        if !isRunning {
            Thread.start { self.loop() }
        } else if wasIdle {
            bell.ring()
        }
    }

    /// Lets the thread end when its last job is done.
    func stop() {
        state.withLock { $0.isStopping = true }
        bell.ring()
    }

    private func loop() {
        isolation.store(UInt(pthread_self()), ordering: .relaxed)
        var batch: [Work] = []
        while true {
            let ends = state.withLock { state in
                swap(&batch, &state.work)
                if batch.isEmpty, state.isStopping { state.isRunning = false }
                return !state.isRunning
            }
            if ends { return }
            if batch.isEmpty { bell.wait() }
            for work in batch {
                switch work {
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                case .body(let body): body()
                }
            }
            batch.removeAll(keepingCapacity: true)
        }
    }
}

/// Wakes the thread that waits, or that will: a semaphore. A condition variable takes one system call more for each turn,
/// since glibc gives its mutex back as if others waited for it.
///
/// Unchecked: POSIX semaphores may be used by any thread.
private final class Bell: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func ring() { sem_post(semaphore) }

    /// Returns early when a signal interrupts it.
    func wait() { sem_wait(semaphore) }
}

/// A detached POSIX thread.
enum Thread {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) {
            self.run = run
        }
    }

    static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(run))
        let failure = pthread_create(
            &thread,
            nil,
            { body in
                if let body { Unmanaged<Body>.fromOpaque(body).takeRetainedValue().run() }
                return nil
            },
            body.toOpaque()
        )
        // Without a thread no call could ever return; EAGAIN here means that the process is out of threads or memory.
        guard failure == 0 else { fatalError("pthread_create failed: \(failure)") }
        pthread_detach(thread)
    }

    /// Sleeps for the grain of the pool's timer. Only for threads started here.
    static func pause() {
        usleep(20_000)
    }
}

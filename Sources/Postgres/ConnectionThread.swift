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
///
/// Unchecked: `state` is only touched with `mutex` held.
final class ConnectionThread: SerialExecutor, @unchecked Sendable {
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

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state = State()
    /// The thread that runs `loop` now.
    private let isolation = Atomic<UInt>(0)

    /// Asked by `assumeIsolated` in a body that is run without a task.
    func checkIsolated() {
        precondition(isolation.load(ordering: .relaxed) == UInt(pthread_self()), "not on the connection's thread")
    }

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) { enqueue(.job(UnownedJob(job))) }

    func run(_ body: @escaping @Sendable () -> Void) { enqueue(.body(body)) }

    private func enqueue(_ work: Work) {
        // The work may be done, and end the connection that owns this executor, before the signal below is sent.
        let own = Unmanaged.passRetained(self)
        defer { own.release() }
        pthread_mutex_lock(mutex)
        state.work.append(work)
        let isRunning = state.isRunning
        state.isRunning = true
        pthread_mutex_unlock(mutex)
        // Not before the unlock: the thread would wake, find the mutex taken and sleep again, at each call.
        if isRunning {
            pthread_cond_signal(condition)
        } else {
            Thread.start { self.loop() }
        }
    }

    /// Lets the thread end when its last job is done.
    func stop() {
        pthread_mutex_lock(mutex)
        state.isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func loop() {
        isolation.store(UInt(pthread_self()), ordering: .relaxed)
        var batch: [Work] = []
        while true {
            pthread_mutex_lock(mutex)
            while state.work.isEmpty && !state.isStopping { pthread_cond_wait(condition, mutex) }
            guard !state.work.isEmpty else {
                state.isRunning = false
                pthread_mutex_unlock(mutex)
                return
            }
            swap(&batch, &state.work)
            pthread_mutex_unlock(mutex)
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

import Jobs
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

// The parts of a running process. A group starts them in order and stops them in reverse: the API and the worker first, so
// that no request or job meets a closed pool, and the pool last.

/// Services that are told to stop at the same moment, and not one after the other: the time for it is for each of them.
struct SideBySide: Service {
    let services: [any Service]

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { try await service.run() } }
            try await group.waitForAll()
        }
    }
}

struct PoolService: Service {
    let pool: Pool

    func run() async throws {
        try? await gracefulShutdown()
        await pool.shutDown()
    }
}

/// Sets the database clock anew every minute, because the clocks of machines drift apart.
struct ClockService: Service {
    let pool: Pool
    let clock: DatabaseClock
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(60))
                guard !Task.isCancelled else { return }
                do {
                    let drift = try await clock.set(by: pool)
                    if abs(drift.components.seconds) >= 1 {
                        logger.warning("this machine's clock drifts from the database's", metadata: ["by": "\(drift)"])
                    }
                } catch {
                    logger.warning("could not set the clock", metadata: ["error": "\(String(reflecting: error))"])
                }
            }
        }
    }
}

/// Writes down, now and then, how many webhooks had a wrong signature: apart from the requests, so that none of them takes
/// longer for a connection that exists, and a flood of them is few statements.
struct RefusedSignaturesService: Service {
    let environment: Environment

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(2))
                await environment.writeRefusedSignatures()
            }
        }
    }
}

struct WorkerService: Service {
    let worker: Worker

    func run() async throws {
        await withGracefulShutdownHandler {
            await worker.run()
        } onGracefulShutdown: {
            worker.stop()
        }
    }
}

struct APIService: Service {
    let server: any Service
    let readiness: Readiness

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            readiness.stop()
        }
    }
}

/// A way to wake the worker of this process, if there is one.
final class WakeUp: Sendable {
    /// In a struct of its own: each access to a bare function in a generic type wraps it once more, so that every call
    /// would take longer than the one before.
    private struct Action {
        let run: @Sendable () -> Void
    }

    private let action = Mutex<Action?>(nil)

    func connect(_ action: @escaping @Sendable () -> Void) { self.action.withLock { $0 = Action(run: action) } }

    func callAsFunction() {
        let action = action.withLock { $0 }
        action?.run()
    }
}

import Dispatch
import Synchronization

/// A few threads for work that would hold up Swift's cooperative ones, with a bound on how much may wait.
final class WorkThreads: Sendable {
    private let queues: [DispatchQueue]
    private let waiting = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let maximumWaiting: Int

    init(count: Int, maximumWaiting: Int) {
        queues = (0..<count).map { DispatchQueue(label: "work \($0)") }
        self.maximumWaiting = maximumWaiting
    }

    func run<Success: Sendable>(_ work: @escaping @Sendable () throws -> Success) async throws -> Success {
        defer { waiting.wrappingSubtract(1, ordering: .relaxed) }
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= maximumWaiting else {
            throw Problem(.overloaded, "Too many sign-ins at once.").retry(afterSeconds: 2)
        }
        let queue = queues[next.wrappingAdd(1, ordering: .relaxed).newValue % queues.count]
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try work() }) }
        }
    }
}

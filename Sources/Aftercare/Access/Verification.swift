import Synchronization

/// Whether a request's credential has been looked up and holds: what decides how much its answer may tell.
final class Verification: Sendable {
    private let isDone = Atomic(false)

    var holds: Bool { isDone.load(ordering: .relaxed) }
    func succeed() { isDone.store(true, ordering: .relaxed) }
}

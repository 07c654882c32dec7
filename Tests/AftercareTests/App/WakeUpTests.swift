import Synchronization
import Testing

@testable import Aftercare

@Suite struct `Waking the worker` {
    /// A function that was wrapped once more at each call ended in a stack overflow, after it had become slower and slower.
    @Test func `may be done any number of times`() {
        let wakeUp = WakeUp()
        let count = Atomic(0)
        wakeUp.connect { count.add(1, ordering: .relaxed) }
        for _ in 0..<200_000 { wakeUp() }
        #expect(count.load(ordering: .relaxed) == 200_000)
    }
}

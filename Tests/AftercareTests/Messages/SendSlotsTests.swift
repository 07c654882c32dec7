import Support
import Synchronization
import Testing

@testable import Aftercare

@Suite struct `Slots for sending` {
    private final class Count: Sendable {
        private let state = Mutex((now: 0, most: 0))

        func enter() { state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func leave() { state.withLock { $0.now -= 1 } }
        var most: Int { state.withLock(\.most) }
    }

    @Test func `so many are inside at once and no more, and all get in`() async throws {
        let slots = SendSlots(3)
        let count = Count()
        let done = try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await slots.withSlot {
                        count.enter()
                        await Task.yield()
                        try await Task.sleep(for: .milliseconds(1))
                        count.leave()
                    }
                }
            }
            return try await group.reduce(0) { done, _ in done + 1 }
        }
        #expect(done == 100)
        #expect(count.most == 3)
    }

    @Test func `who is cancelled while waiting never gets in, and takes no slot away`() async throws {
        let slots = SendSlots(1)
        try await slots.withSlot {
            let waiting = Task { try await slots.withSlot {} }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
        }
        struct Failed: Error {}
        await #expect(throws: Failed.self) { try await slots.withSlot { throw Failed() } }
        try await slots.withSlot {}
    }
}

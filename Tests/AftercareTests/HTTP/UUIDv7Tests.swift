import FoundationEssentials
import Synchronization
import Testing

@testable import Aftercare

@Suite struct `UUIDs of version 7` {
    @Test func `version, variant and time are in their places`() throws {
        let source = UUIDv7Source { 1_645_557_742_000_000_000 }
        let text = source.next().uuidString
        // The example of RFC 9562, appendix A.6, has this time.
        #expect(text.hasPrefix("017F22E2-79B0-7000-"))
        #expect(try #require(UUID(uuidString: text)).v7Milliseconds == 1_645_557_742_000)
        #expect("89AB".contains(text[text.index(text.startIndex, offsetBy: 19)]))
    }

    @Test func `the fraction of a millisecond fills the next twelve bits`() {
        let source = UUIDv7Source { 1_645_557_742_000_999_999 }
        #expect(source.next().uuidString.hasPrefix("017F22E2-79B0-7FFF-"))
    }

    @Test func `a clock that stands still or goes back does not break the order`() {
        let times = Mutex<[UInt64]>([5_000_000, 5_000_000, 3_000_000, 4_999_999, 9_000_000, 0])
        let source = UUIDv7Source { times.withLock { $0.removeFirst() } }
        let made = (0..<6).map { _ in source.next() }
        #expect(zip(made, made.dropFirst()).allSatisfy { $0.bits < $1.bits })
        #expect(made.map(\.v7Milliseconds) == [5, 5, 5, 5, 9, 9])
    }

    @Test func `ids made by many tasks are distinct, and grow within each`() async {
        let made = await withTaskGroup(of: [UUID].self) { group in
            for _ in 0..<8 { group.addTask { (0..<2000).map { _ in UUID.v7() } } }
            return await group.reduce(into: [[UUID]]()) { $0.append($1) }
        }
        #expect(Set(made.joined()).count == 16_000)
        #expect(made.allSatisfy { ids in zip(ids, ids.dropFirst()).allSatisfy { $0.bits < $1.bits } })
    }

    @Test func `the random part never comes twice`() {
        let source = UUIDv7Source { 0 }
        let parts = (0..<1000).map { _ in UInt64(truncatingIfNeeded: source.next().bits) }
        #expect(Set(parts).count == 1000)
        // Each of the 62 bits is now set and now not; only the variant's two stand still.
        #expect(parts.reduce(0, |) == 0b10 << 62 | UInt64.max >> 2)
        #expect(parts.reduce(.max, &) == 0b10 << 62)
    }

    @Test func `the time is that of the wall clock`() throws {
        let now = Date().timeIntervalSince1970 * 1000
        #expect(abs(Double(try #require(UUID.v7().v7Milliseconds)) - now) < 60_000)
    }

    @Test func `other versions have no time`() {
        #expect(UUID().v7Milliseconds == nil)
        #expect(UUID(bits: 0).v7Milliseconds == nil)
    }
}

import FoundationEssentials
import Synchronization
import Time

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Makes UUIDs of version 7 (RFC 9562, 5.7) that grow from one call to the next.
///
/// 48 bits of milliseconds, then 12 bits of the fraction of that millisecond (method 3 of section 6.2: a step is
/// 244 ns), then 62 random bits. When the clock stands still or goes back, the 60 bits of time count on by one.
final class UUIDv7Source: Sendable {
    private struct State {
        /// The 60 bits of time used last.
        var time: UInt64 = 0
        /// Random numbers to come. Asked of the system many at a time, for each time is a call of it.
        var random: [UInt64] = []
    }

    private let state = Mutex(State())
    private let nanoseconds: @Sendable () -> UInt64

    /// `nanoseconds` tells the time since 1970-01-01T00:00:00Z.
    init(nanoseconds: @escaping @Sendable () -> UInt64) { self.nanoseconds = nanoseconds }

    static let system = UUIDv7Source {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(max(now.tv_sec, 0)) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    func next() -> UUID {
        let (milliseconds, rest) = nanoseconds().quotientAndRemainder(dividingBy: 1_000_000)
        let now = milliseconds << 12 | (rest << 12) / 1_000_000
        let (time, random) = state.withLock { state in
            state.time = max(now, state.time + 1)
            if state.random.isEmpty { state.random = Self.random() }
            return (state.time, state.random.removeLast())
        }
        let high = (time >> 12) << 16 | 0x7000 | time & 0xFFF
        let low = UInt64(2) << 62 | random >> 2
        return UUID(bits: UInt128(high) << 64 | UInt128(low))
    }

    /// As many as the system gives at once: 256 bytes.
    private static func random() -> [UInt64] {
        var numbers = [UInt64](repeating: 0, count: 32)
        let failure = numbers.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) }
        precondition(failure == 0, "the system has no random numbers")
        return numbers
    }
}

extension UUID {
    /// A UUID of version 7, greater than every one this process made before.
    static func v7() -> UUID { UUIDv7Source.system.next() }

    /// The least UUID of version 7 that could have been made at this instant: all that were made before are smaller.
    static func firstV7(at instant: Instant) -> UUID {
        let milliseconds = UInt64(clamping: instant.microseconds / 1000)
        return UUID(bits: UInt128(milliseconds << 16 | 0x7000) << 64 | UInt128(UInt64(2) << 62))
    }

    /// When a UUID of version 7 was made, in milliseconds since 1970-01-01T00:00:00Z; nil for other versions.
    var v7Milliseconds: Int64? {
        let bits = bits
        guard (bits >> 76) & 0xF == 7, (bits >> 62) & 0x3 == 2 else { return nil }
        return Int64(truncatingIfNeeded: bits >> 80)
    }
}

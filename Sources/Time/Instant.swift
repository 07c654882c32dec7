/// A point in time: whole microseconds since 1970-01-01T00:00:00Z, which is what PostgreSQL's `timestamptz` holds.
///
/// An integer, not a `Double`: two instants read from the same row compare equal, and a paging cursor made from one
/// neither skips nor repeats a row.
public struct Instant: Hashable, Comparable, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z, negative before it.
    public var microseconds: Int64

    @inlinable
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// An instant given in whole seconds since 1970-01-01T00:00:00Z, as UNIX time counts them.
    @inlinable
    public init(seconds: Int64) {
        self.microseconds = seconds * 1_000_000
    }

    @inlinable
    public static func < (a: Instant, b: Instant) -> Bool { a.microseconds < b.microseconds }

    /// Elapsed time from `b` to `a`.
    public static func - (a: Instant, b: Instant) -> Duration { .microseconds(a.microseconds - b.microseconds) }
    public static func + (a: Instant, b: Duration) -> Instant { Instant(microseconds: a.microseconds + b.microseconds) }
    public static func - (a: Instant, b: Duration) -> Instant { Instant(microseconds: a.microseconds - b.microseconds) }
}

extension Duration {
    /// The whole microseconds of this duration, rounded towards zero.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

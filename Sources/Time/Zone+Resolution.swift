/// The instant a local time means, and how sure that is.
public struct Resolution: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, Codable {
        /// The local time happens once.
        case unique
        /// The clock jumps over the local time: the instant is as far behind the jump as the time was into the gap.
        case gap
        /// The clock shows the local time more than once: the instant is the first.
        case fold
    }

    public let instant: Instant
    public let kind: Kind

    public init(instant: Instant, kind: Kind) {
        self.instant = instant
        self.kind = kind
    }
}

extension Zone {
    /// What the wall shows at `instant`, cut to whole seconds towards the past.
    public func local(at instant: Instant) -> LocalDateTime {
        let seconds = instant.microseconds.dividedDown(by: 1_000_000)
        return LocalDateTime(wallSeconds: seconds + offset(at: seconds))
    }

    /// The instant at which the wall shows `local`.
    ///
    /// A local time the clock jumps over is shifted forward by the length of the gap: 02:30 becomes 03:30 when 02:00
    /// becomes 03:00, and a time on a day the zone skips is the same time on the next. A local time shown twice is
    /// the first of the two.
    public func instant(of local: LocalDateTime) -> Resolution {
        let wall = local.wallSeconds
        // No offset ever reached 16 hours, so the offsets of the zone 16 hours to either side are the one before and
        // the one after any change this wall time can meet. (The data has no two changes that close since 1970.)
        let reach: Int64 = 16 * 3600
        let before = offset(at: wall - reach)
        let after = offset(at: wall + reach)
        if before == after { return Resolution(instant: Instant(seconds: wall - before), kind: .unique) }

        let happensBefore = offset(at: wall - before) == before
        let happensAfter = offset(at: wall - after) == after
        // In a gap the offset before the change gives an instant after it, which is the shift forward.
        let seconds = happensAfter && !happensBefore ? wall - after : wall - before
        let kind: Resolution.Kind =
            switch (happensBefore, happensAfter) {
            case (true, true): .fold
            case (false, false): .gap
            default: .unique
            }
        return Resolution(instant: Instant(seconds: seconds), kind: kind)
    }

    /// The instant of `time` on `date`.
    public func instant(of time: LocalTimeOfDay, on date: LocalDate) -> Resolution {
        instant(of: LocalDateTime(date, time))
    }

    /// `time` on the local date `days` calendar days after the local date of `start`.
    ///
    /// "In 3 days at 09:00". For "in 72 hours" add to the instant: the two differ when the clock is changed between.
    public func instant(daysLater days: Int, than start: Instant, at time: LocalTimeOfDay) -> Resolution {
        instant(of: time, on: local(at: start).date.adding(days: days))
    }
}

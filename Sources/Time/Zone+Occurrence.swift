/// One run of something that happens every day at a local time.
public struct Occurrence: Hashable, Sendable {
    /// The day it is for, which is the key of a once-a-day run. A gap at the end of a day can move the instant into
    /// the next day, so the date the wall shows at `instant` is not that key.
    public let date: LocalDate
    public let instant: Instant

    public init(date: LocalDate, instant: Instant) {
        self.date = date
        self.instant = instant
    }
}

extension Zone {
    /// The first instant strictly after `instant` at which a daily `time` falls due: once for each local date, in a
    /// gap shifted forward, in a fold the first.
    public func nextOccurrence(of time: LocalTimeOfDay, after instant: Instant) -> Instant {
        next(time, after: instant).instant
    }

    /// As `nextOccurrence(of:after:)`, with the date it is for.
    public func next(_ time: LocalTimeOfDay, after instant: Instant) -> Occurrence {
        // The day before's may have been shifted into this day.
        var date = local(at: instant).date.adding(days: -1)
        var due = self.instant(of: time, on: date).instant
        while due <= instant {
            date = date.adding(days: 1)
            due = self.instant(of: time, on: date).instant
        }
        // A day the zone skips resolves to the day after it; that day is the one that exists.
        let following = date.adding(days: 1)
        return Occurrence(date: self.instant(of: time, on: following).instant == due ? following : date, instant: due)
    }
}

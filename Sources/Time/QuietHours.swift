/// The hours of a recipient's day in which nothing is sent: from `start` up to but not including `end`, over midnight
/// when `end` is the earlier.
public struct QuietHours: Hashable, Sendable {
    public let start: LocalTimeOfDay
    public let end: LocalTimeOfDay

    public enum Invalid: Error, Hashable {
        /// Start and end are the same, which could mean the whole day or nothing. Neither is allowed: a message held
        /// for the whole day would never leave.
        case emptyOrWholeDay
    }

    /// - Throws: `Invalid.emptyOrWholeDay` when the two are the same.
    public init(from start: LocalTimeOfDay, to end: LocalTimeOfDay) throws(Invalid) {
        guard start != end else { throw .emptyOrWholeDay }
        self.start = start
        self.end = end
    }

    /// When the quiet that `instant` falls into ends; nil when it is not quiet then. At the answer it is not quiet.
    ///
    /// When the clock is changed inside the window or at its edge, it is quiet while either reading says so: while the
    /// wall shows a time in the window, and from the resolved start to the resolved end (`Zone.instant(of:)`). So a
    /// window that ends at 02:30 on the night this is skipped lasts to 03:30, and a time shown twice is quiet twice.
    public func end(ifQuietAt instant: Instant, in zone: Zone) -> Instant? {
        var answer: Instant?
        // After a gap the end of one window can lie in the next.
        while let end = endOfOneWindow(at: answer ?? instant, in: zone) {
            answer = end
        }
        return answer
    }

    private func endOfOneWindow(at instant: Instant, in zone: Zone) -> Instant? {
        let local = zone.local(at: instant)
        let endDate = contains(local.time) && local.time >= end ? local.date.adding(days: 1) : local.date
        if contains(local.time) {
            let resolved = zone.instant(of: end, on: endDate).instant
            if resolved > instant { return resolved }
            // The second time round a fold: the first end has passed, the wall shows it once more.
            let wall = LocalDateTime(endDate, end).wallSeconds - local.wallSeconds
            let second = instant.microseconds.dividedDown(by: 1_000_000) + wall
            return Instant(seconds: second)
        }
        for startDate in [local.date.adding(days: -1), local.date] {
            let opens = zone.instant(of: start, on: startDate).instant
            let closes = zone.instant(of: end, on: wraps ? startDate.adding(days: 1) : startDate).instant
            if opens <= instant, instant < closes { return closes }
        }
        return nil
    }

    private var wraps: Bool { end < start }

    private func contains(_ time: LocalTimeOfDay) -> Bool {
        wraps ? time >= start || time < end : time >= start && time < end
    }
}

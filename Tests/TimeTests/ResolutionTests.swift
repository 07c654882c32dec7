import Testing
import Time

/// Edge case 31 of the domain research: spring gap, autumn overlap, half-hour zones, Lord Howe, no DST, date line, year
/// end and 29 February. The first seven rows were checked against PostgreSQL too, which takes the second of a fold.
@Suite struct ResolutionTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let zone: String
        let wall: String
        let instant: String
        let kind: Resolution.Kind

        init(_ zone: String, _ wall: String, _ instant: String, _ kind: Resolution.Kind) {
            (self.zone, self.wall, self.instant, self.kind) = (zone, wall, instant, kind)
        }

        var testDescription: String { "\(zone) \(wall)" }
    }

    func check(_ example: Example) throws {
        let resolution = try zone(example.zone).instant(of: wall(example.wall))
        #expect(try resolution == Resolution(instant: instant(example.instant), kind: example.kind))
    }

    @Test(arguments: [
        Example("America/New_York", "2026-03-08T02:30", "2026-03-08T03:30:00-04:00", .gap),
        Example("America/New_York", "2026-03-08T02:00", "2026-03-08T03:00:00-04:00", .gap),
        Example("America/New_York", "2026-03-08T02:59:59", "2026-03-08T03:59:59-04:00", .gap),
        Example("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T03:30:00+02:00", .gap),
        Example("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:45:00+11:00", .gap),
        Example("America/Santiago", "2026-09-06T00:30", "2026-09-06T01:30:00-03:00", .gap),
        Example("Africa/Cairo", "2026-04-24T00:30", "2026-04-24T01:30:00+03:00", .gap),
        // The gap of Nuuk lies at the end of the day.
        Example("America/Nuuk", "2026-03-28T23:30", "2026-03-29T00:30:00-01:00", .gap),
    ])
    func `a gap shifts forward by its length (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        Example("America/New_York", "2026-11-01T01:00", "2026-11-01T01:00:00-04:00", .fold),
        Example("America/New_York", "2026-11-01T01:30", "2026-11-01T01:30:00-04:00", .fold),
        Example("America/New_York", "2026-11-01T01:59:59", "2026-11-01T01:59:59-04:00", .fold),
        Example("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T02:30:00+02:00", .fold),
        Example("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45:00+11:00", .fold),
        Example("America/Santiago", "2026-04-04T23:30", "2026-04-04T23:30:00-03:00", .fold),
    ])
    func `a fold takes the first occurrence (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        Example("America/New_York", "2026-03-08T01:59:59", "2026-03-08T01:59:59-05:00", .unique),
        Example("America/New_York", "2026-03-08T03:00", "2026-03-08T03:00:00-04:00", .unique),
        Example("America/New_York", "2026-11-01T00:59:59", "2026-11-01T00:59:59-04:00", .unique),
        Example("America/New_York", "2026-11-01T02:00", "2026-11-01T02:00:00-05:00", .unique),
        Example("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-04T02:30:00+11:00", .unique),
        Example("Australia/Lord_Howe", "2026-04-05T01:29:59", "2026-04-05T01:29:59+11:00", .unique),
        Example("Australia/Lord_Howe", "2026-04-05T02:00", "2026-04-05T02:00:00+10:30", .unique),
    ])
    func `the edges of a gap and of a fold are unique (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        Example("Asia/Kolkata", "2026-03-08T02:30", "2026-03-08T02:30:00+05:30", .unique),
        Example("Asia/Kathmandu", "2026-03-08T02:30", "2026-03-08T02:30:00+05:45", .unique),
        Example("Australia/Eucla", "2026-03-08T02:30", "2026-03-08T02:30:00+08:45", .unique),
        Example("Pacific/Chatham", "2026-09-27T03:00", "2026-09-27T04:00:00+13:45", .gap),
        Example("America/St_Johns", "2026-03-08T02:30", "2026-03-08T03:30:00-02:30", .gap),
    ])
    func `half-hour and quarter-hour zones keep their minutes (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        Example("Asia/Tokyo", "2026-03-29T02:30", "2026-03-29T02:30:00+09:00", .unique),
        Example("America/Phoenix", "2026-03-08T02:30", "2026-03-08T02:30:00-07:00", .unique),
        Example("UTC", "2026-03-08T02:30", "2026-03-08T02:30:00Z", .unique),
        Example("Etc/GMT+2", "2026-03-08T02:30", "2026-03-08T02:30:00-02:00", .unique),
    ])
    func `a zone with no DST has no gaps and no folds (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        // Samoa crossed the date line: 29 December 2011 was followed by the 31st.
        Example("Pacific/Apia", "2011-12-29T23:59:59", "2011-12-29T23:59:59-10:00", .unique),
        Example("Pacific/Apia", "2011-12-30T00:00", "2011-12-31T00:00:00+14:00", .gap),
        Example("Pacific/Apia", "2011-12-30T09:00", "2011-12-31T09:00:00+14:00", .gap),
        Example("Pacific/Apia", "2011-12-30T23:59:59", "2011-12-31T23:59:59+14:00", .gap),
        Example("Pacific/Apia", "2011-12-31T00:00", "2011-12-31T00:00:00+14:00", .unique),
        Example("Pacific/Kiritimati", "2026-01-01T00:00", "2025-12-31T10:00:00Z", .unique),
        Example("Pacific/Pago_Pago", "2026-01-01T00:00", "2026-01-01T11:00:00Z", .unique),
    ])
    func `the date line can take a whole day (edge case 31)`(example: Example) throws {
        try check(example)
    }

    @Test(arguments: [
        Example("Europe/Berlin", "2026-12-31T23:59:59", "2026-12-31T22:59:59Z", .unique),
        Example("America/Los_Angeles", "2026-12-31T16:00", "2027-01-01T00:00:00Z", .unique),
        Example("Asia/Tokyo", "2024-02-29T08:59", "2024-02-28T23:59:00Z", .unique),
        Example("America/New_York", "2024-02-29T19:00", "2024-03-01T00:00:00Z", .unique),
    ])
    func `year end and 29 February (edge case 31)`(example: Example) throws {
        try check(example)
        #expect(try zone(example.zone).local(at: instant(example.instant)) == wall(example.wall))
    }

    @Test func `the wall shows whole seconds, cut towards the past`() throws {
        let utc = Zone.utc
        #expect(try utc.local(at: instant("1969-12-31T23:59:59.999999Z")) == wall("1969-12-31T23:59:59"))
        #expect(try utc.local(at: instant("2026-03-08T07:30:00.999999Z")) == wall("2026-03-08T07:30:00"))
    }

    @Test func `days later keep the wall time, hours later do not`() throws {
        let newYork = try zone("America/New_York")
        let friday = try instant("2026-03-06T09:00:00-05:00")
        let later = try newYork.instant(daysLater: 3, than: friday, at: time("09:00"))
        #expect(try later.instant == instant("2026-03-09T09:00:00-04:00"))
        #expect(friday + .seconds(72 * 3600) - later.instant == .seconds(3600))
        // Two days on, 02:30 is in the gap.
        let gap = try newYork.instant(daysLater: 2, than: friday, at: time("02:30"))
        #expect(try gap == Resolution(instant: instant("2026-03-08T03:30:00-04:00"), kind: .gap))
    }

    @Test func `days later are counted from the local date, not the UTC date`() throws {
        let tokyo = try zone("Asia/Tokyo")
        let due = try tokyo.instant(daysLater: 1, than: instant("2026-03-08T20:00:00Z"), at: time("09:00"))
        #expect(try due.instant == instant("2026-03-10T09:00:00+09:00"))
    }

    @Test func `another zone moves the instant and keeps the intent (edge case 31)`() throws {
        let intent = try wall("2026-03-29T02:30")
        let before = try zone("Europe/Berlin").instant(of: intent)
        let after = try zone("America/New_York").instant(of: intent)
        #expect(before.kind == .gap)
        #expect(after.kind == .unique)
        #expect(after.instant - before.instant == .seconds(5 * 3600))
    }
}

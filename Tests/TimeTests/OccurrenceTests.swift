import Testing
import Time

@Suite struct OccurrenceTests {
    func run(_ zoneName: String, _ text: String, after start: String, count: Int) throws -> [Occurrence] {
        let (zone, time) = try (zone(zoneName), time(text))
        var occurrences: [Occurrence] = []
        var last = try instant(start)
        for _ in 0..<count {
            let next = zone.next(time, after: last)
            occurrences.append(next)
            last = next.instant
        }
        return occurrences
    }

    @Test func `the next occurrence is strictly after`() throws {
        let berlin = try zone("Europe/Berlin")
        let nine = try time("09:00")
        let due = try instant("2026-06-01T09:00:00+02:00")
        #expect(berlin.nextOccurrence(of: nine, after: due - .microseconds(1)) == due)
        #expect(try berlin.nextOccurrence(of: nine, after: due) == instant("2026-06-02T09:00:00+02:00"))
    }

    @Test func `a time in a gap runs once that day, shifted (edge case 31)`() throws {
        let runs = try run("America/New_York", "02:30", after: "2026-03-07T12:00:00Z", count: 2)
        #expect(try runs[0].instant == instant("2026-03-08T03:30:00-04:00"))
        #expect(try runs[1].instant == instant("2026-03-09T02:30:00-04:00"))
    }

    @Test func `a time in a fold runs once that day (edge case 31)`() throws {
        let runs = try run("America/New_York", "01:30", after: "2026-10-31T12:00:00Z", count: 2)
        #expect(try runs[0].instant == instant("2026-11-01T01:30:00-04:00"))
        #expect(try runs[1].instant == instant("2026-11-02T01:30:00-05:00"))
        // Between the two 01:30s the day's run is already past.
        let between = try zone("America/New_York").nextOccurrence(
            of: time("01:30"),
            after: instant("2026-11-01T06:15:00Z")
        )
        #expect(between == runs[1].instant)
    }

    @Test func `a gap at the end of a day keeps the date the run is for (edge case 31)`() throws {
        let runs = try run("America/Nuuk", "23:30", after: "2026-03-28T12:00:00Z", count: 2)
        #expect(runs.map(\.date.description) == ["2026-03-28", "2026-03-29"])
        #expect(try runs[0].instant == instant("2026-03-29T00:30:00-01:00"))
        #expect(try runs[1].instant == instant("2026-03-29T23:30:00-01:00"))
    }

    @Test func `a day that the date line took has no run of its own (edge case 31)`() throws {
        let runs = try run("Pacific/Apia", "09:00", after: "2011-12-29T00:00:00Z", count: 3)
        #expect(runs.map(\.date.description) == ["2011-12-29", "2011-12-31", "2012-01-01"])
        #expect(try runs[1].instant == instant("2011-12-31T09:00:00+14:00"))
    }

    @Test(arguments: [
        "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "America/Nuuk",
        "Africa/Casablanca", "Pacific/Chatham", "Asia/Kathmandu", "America/Scoresbysund", "Asia/Tehran", "UTC",
    ])
    func `a daily run comes once for each local date of three years (edge case 32)`(zoneName: String) throws {
        let start = try instant("2023-12-31T12:00:00Z")
        let first = try zone(zoneName).local(at: start).date
        for text in ["00:00", "00:30", "01:30", "02:30", "23:30"] {
            let runs = try run(zoneName, text, after: start.rfc3339, count: 3 * 366)
            let offset = runs[0].date.daysSince1970 - first.daysSince1970
            #expect(0...1 ~= offset)
            let expected = runs.indices.map { runs[0].date.adding(days: $0) }
            #expect(runs.map(\.date) == expected, "\(zoneName) \(text)")
        }
    }
}

import Testing
import Time

/// Edge case 33 of the domain research: over midnight, exactly at the edge, the whole day; and on days the clock changes.
@Suite struct QuietHoursTests {
    func end(_ from: String, _ to: String, _ zoneName: String, at text: String) throws -> Instant? {
        try QuietHours(from: time(from), to: time(to)).end(ifQuietAt: instant(text), in: zone(zoneName))
    }

    @Test func `a window over midnight ends the next morning (edge case 33)`() throws {
        let morning = try instant("2026-06-02T08:00:00+02:00")
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-01T22:30:00+02:00") == morning)
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-02T00:00:00+02:00") == morning)
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-02T07:59:59.999999+02:00") == morning)
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-02T12:00:00+02:00") == nil)
    }

    @Test func `the start is quiet and the end is not (edge case 33)`() throws {
        let morning = try instant("2026-06-02T08:00:00+02:00")
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-01T21:59:59.999999+02:00") == nil)
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-01T22:00:00+02:00") == morning)
        #expect(try end("22:00", "08:00", "Europe/Berlin", at: "2026-06-02T08:00:00+02:00") == nil)
    }

    @Test func `a window within a day, and up to or from midnight`() throws {
        #expect(
            try end("12:00", "14:00", "Asia/Tokyo", at: "2026-06-01T13:00:00+09:00")?.rfc3339
                == "2026-06-01T05:00:00.000Z"
        )
        #expect(try end("12:00", "14:00", "Asia/Tokyo", at: "2026-06-01T14:00:00+09:00") == nil)
        #expect(try end("22:00", "00:00", "UTC", at: "2026-12-31T23:00:00Z")?.rfc3339 == "2027-01-01T00:00:00.000Z")
        #expect(try end("22:00", "00:00", "UTC", at: "2027-01-01T00:00:00Z") == nil)
        #expect(try end("00:00", "06:00", "UTC", at: "2024-02-29T00:00:00Z")?.rfc3339 == "2024-02-29T06:00:00.000Z")
    }

    @Test func `a window that is empty or the whole day is refused (edge case 33)`() throws {
        #expect(throws: QuietHours.Invalid.emptyOrWholeDay) { try QuietHours(from: .midnight, to: .midnight) }
        #expect(throws: QuietHours.Invalid.emptyOrWholeDay) { try QuietHours(from: time("09:00"), to: time("09:00")) }
    }

    @Test func `an end that the clock skips is shifted, and it is quiet until then`() throws {
        let shifted = try instant("2026-03-08T03:30:00-04:00")
        #expect(try end("22:00", "02:30", "America/New_York", at: "2026-03-08T01:59:00-05:00") == shifted)
        #expect(try end("22:00", "02:30", "America/New_York", at: "2026-03-08T03:15:00-04:00") == shifted)
        #expect(try end("22:00", "02:30", "America/New_York", at: "2026-03-08T03:30:00-04:00") == nil)
    }

    @Test func `a start that the clock skips leaves what the wall shows quiet`() throws {
        let morning = try instant("2026-03-08T08:00:00-04:00")
        #expect(try end("02:30", "08:00", "America/New_York", at: "2026-03-08T01:59:00-05:00") == nil)
        #expect(try end("02:30", "08:00", "America/New_York", at: "2026-03-08T03:00:00-04:00") == morning)
    }

    @Test func `an end that is shown twice is the first, and the second time round is quiet again`() throws {
        let first = try instant("2026-11-01T01:30:00-04:00")
        #expect(try end("22:00", "01:30", "America/New_York", at: "2026-11-01T00:30:00-04:00") == first)
        #expect(try end("22:00", "01:30", "America/New_York", at: "2026-11-01T01:30:00-04:00") == nil)
        let second = try instant("2026-11-01T01:30:00-05:00")
        #expect(try end("22:00", "01:30", "America/New_York", at: "2026-11-01T01:15:00.25-05:00") == second)
        #expect(try end("22:00", "01:30", "America/New_York", at: "2026-11-01T01:30:00-05:00") == nil)
    }

    @Test func `a start that is shown twice is the first, and it stays quiet`() throws {
        let morning = try instant("2026-11-01T08:00:00-05:00")
        #expect(try end("01:30", "08:00", "America/New_York", at: "2026-11-01T01:29:00-04:00") == nil)
        #expect(try end("01:30", "08:00", "America/New_York", at: "2026-11-01T01:30:00-04:00") == morning)
        #expect(try end("01:30", "08:00", "America/New_York", at: "2026-11-01T01:15:00-05:00") == morning)
    }

    @Test func `where the end falls into the next window, the answer is past that one too`() throws {
        // 02:30 is skipped and becomes 03:30, which is in the window that starts at 03:10.
        let next = try end("03:10", "02:30", "America/New_York", at: "2026-03-08T01:00:00-05:00")
        #expect(try next == instant("2026-03-09T02:30:00-04:00"))
    }

    @Test(arguments: [
        "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "America/Nuuk", "Asia/Kolkata",
    ])
    func `at the end it is never quiet, and what the wall shows in the window always is`(zoneName: String) throws {
        let zone = try zone(zoneName)
        let first = try instant("2026-01-01T00:00:00Z")
        var random = SeededGenerator(seed: 33)
        for _ in 0..<2000 {
            let times = try (0..<2).map { _ in
                try #require(
                    LocalTimeOfDay(
                        hour: .random(in: 0..<24, using: &random),
                        minute: .random(in: 0..<60, using: &random)
                    )
                )
            }
            guard times[0] != times[1] else { continue }
            let hours = try QuietHours(from: times[0], to: times[1])
            let moment = first + .seconds(Int.random(in: 0..<365 * 86_400, using: &random))
            let shown = zone.local(at: moment).time
            let inWindow =
                hours.start < hours.end
                ? shown >= hours.start && shown < hours.end : shown >= hours.start || shown < hours.end
            let end = hours.end(ifQuietAt: moment, in: zone)
            if inWindow { #expect(end != nil, "\(hours) \(moment)") }
            if let end {
                #expect(end > moment && end - moment < .seconds(49 * 3600), "\(hours) \(moment)")
                #expect(hours.end(ifQuietAt: end, in: zone) == nil, "\(hours) \(moment)")
            }
        }
    }
}

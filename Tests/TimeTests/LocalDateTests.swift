import Foundation
import Testing
import Time

@Suite struct LocalDateTests {
    @Test func `29 February exists in leap years only (edge case 31)`() {
        #expect(LocalDate(year: 2024, month: 2, day: 29)?.description == "2024-02-29")
        #expect(LocalDate(year: 2000, month: 2, day: 29) != nil)
        #expect(LocalDate(year: 2026, month: 2, day: 29) == nil)
        #expect(LocalDate(year: 1900, month: 2, day: 29) == nil)
        #expect(LocalDate(year: 2100, month: 2, day: 29) == nil)
    }

    @Test(arguments: [
        ("2024-02-28", 1, "2024-02-29"), ("2026-02-28", 1, "2026-03-01"), ("2024-02-29", 365, "2025-02-28"),
        ("2026-12-31", 1, "2027-01-01"), ("2026-01-01", -1, "2025-12-31"), ("1970-01-01", -719_528, "0000-01-01"),
        ("2026-03-08", 0, "2026-03-08"), ("9999-12-31", 1, "+010000-01-01"),
    ])
    func `adding days crosses months, years and leap days (edge case 31)`(start: String, days: Int, end: String) throws
    {
        #expect(try #require(LocalDate(start)).adding(days: days).description == end)
    }

    @Test func `weekdays follow the ISO week, before 1970 too`() {
        #expect(LocalDate("1970-01-01")?.weekday == .thursday)
        #expect(LocalDate("1969-12-31")?.weekday == .wednesday)
        #expect(LocalDate("1969-12-28")?.weekday == .sunday)
        #expect(LocalDate("2026-03-08")?.weekday == .sunday)
        #expect(LocalDate("2026-03-09")?.weekday == .monday)
        #expect(Weekday.sunday.rawValue == 7)
    }

    @Test func `every day of 400 years, which is the calendar's cycle, has its number and its text`() throws {
        var previous = try #require(LocalDate("1800-01-01"))
        let last = try #require(LocalDate("2199-12-31"))
        var count = 1
        while previous < last {
            let date = previous.adding(days: 1)
            let follows =
                date.day == previous.day + 1 && date.month == previous.month && date.year == previous.year
                || date.day == 1 && date.month == previous.month + 1 && date.year == previous.year
                || date.day == 1 && date.month == 1 && previous.month == 12 && date.year == previous.year + 1
            if !follows || LocalDate(year: date.year, month: date.month, day: date.day) != date {
                Issue.record("\(previous) is followed by \(date)")
            }
            if LocalDate(date.description) != date {
                Issue.record("\(date) is not read back")
            }
            previous = date
            count += 1
        }
        #expect(count == 146_097)
    }

    @Test(arguments: [
        "", "2026-3-8", "2026-03-08T", "2026-02-30", "26-03-08", "2026/03/08", "20260308", "2026-03-08 ",
        "+002026-03-08",
    ])
    func `other forms of a date are refused`(text: String) {
        #expect(LocalDate(text) == nil)
    }

    @Test func `a time of day is read and written with seconds only when there are some`() {
        #expect(LocalTimeOfDay("09:05")?.description == "09:05")
        #expect(LocalTimeOfDay("09:05:00")?.description == "09:05")
        #expect(LocalTimeOfDay("23:59:59")?.description == "23:59:59")
        #expect(LocalTimeOfDay("00:00") == .midnight)
        #expect(LocalTimeOfDay(hour: 9, minute: 5, second: 7)?.secondOfDay == 32_707)
        for text in ["24:00", "9:05", "09:60", "09:05:60", "09", "09:05:", "09:05:0", "0905", "09:05 ", "-1:00"] {
            #expect(LocalTimeOfDay(text) == nil, "\(text)")
        }
    }

    @Test func `a local date and time has no offset`() {
        #expect(LocalDateTime("2026-03-08T02:30")?.description == "2026-03-08T02:30:00")
        #expect(LocalDateTime("2026-03-08 02:30:15")?.description == "2026-03-08T02:30:15")
        for text in ["2026-03-08T02:30:00Z", "2026-03-08T02:30:00-05:00", "2026-03-08", "2026-03-08T24:00"] {
            #expect(LocalDateTime(text) == nil, "\(text)")
        }
    }

    @Test func `local dates and times keep their JSON form`() throws {
        struct Intent: Codable, Equatable {
            let date: LocalDate
            let time: LocalTimeOfDay
            let both: LocalDateTime
            let zone: Zone
        }
        let json = #"{"both":"2026-03-08T02:30:00","date":"2026-03-08","time":"02:30","zone":"Europe\/Berlin"}"#
        let intent = try JSONDecoder().decode(Intent.self, from: Data(json.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(try String(decoding: encoder.encode(intent), as: UTF8.self) == json)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Zone].self, from: Data(#"["CET"]"#.utf8))
        }
    }
}

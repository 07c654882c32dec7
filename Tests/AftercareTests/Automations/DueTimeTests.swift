import FoundationEssentials
import Testing
import Time

@testable import Aftercare

@Suite struct `Due times` {
    private func due(
        after happenedAt: String,
        days: Int,
        at time: String,
        quiet: QuietHours? = nil,
        zone: String = "Europe/Berlin"
    ) throws -> DueTime {
        let localTime = try #require(LocalTimeOfDay(time))
        let question = try QuestionExample.fact {
            $0.schedule = .own(days: days, localTime: localTime)
            $0.quietHours = quiet
            $0.zone = zone
        }
        return question.dueTime(after: try .at(happenedAt))
    }

    @Test(arguments: [
        // Days of 23 and 25 hours between: the hour on the wall stays.
        ("2026-03-27T12:00:00Z", 3, "10:00", "2026-03-30T08:00:00.000Z", Resolution.Kind.unique),
        ("2026-10-23T12:00:00Z", 3, "10:00", "2026-10-26T09:00:00.000Z", .unique),
        // The clock jumps over 02:30, and shows it twice.
        ("2026-03-26T12:00:00Z", 3, "02:30", "2026-03-29T01:30:00.000Z", .gap),
        ("2026-10-22T12:00:00Z", 3, "02:30", "2026-10-25T00:30:00.000Z", .fold),
        // Days are counted on the store's calendar: 23:30Z is the next day in Berlin.
        ("2026-05-04T23:30:00Z", 1, "10:00", "2026-05-06T08:00:00.000Z", .unique),
    ])
    func `a due time is the local time that many local days later`(
        _ happenedAt: String,
        _ days: Int,
        _ time: String,
        _ expected: String,
        _ kind: Resolution.Kind
    ) throws {
        let due = try due(after: happenedAt, days: days, at: time)
        #expect(due.instant.rfc3339 == expected)
        #expect(due.kind == kind)
        #expect(due.intent?.time.description == time)
        #expect(due.notAfter - due.instant == .seconds(48 * 3600))
    }

    @Test func `a day the zone skipped gives the day after`() throws {
        let due = try due(after: "2011-12-28T22:00:00Z", days: 2, at: "09:00", zone: "Pacific/Apia")
        #expect(due.instant.rfc3339 == "2011-12-30T19:00:00.000Z")
        #expect(due.kind == .gap)
    }

    @Test func `nothing falls due before the fact itself`() throws {
        // Delivered at 14:00 in Berlin: 10:00 of that day is past.
        let due = try due(after: "2026-05-04T12:00:00Z", days: 0, at: "10:00")
        #expect(due.instant.rfc3339 == "2026-05-05T08:00:00.000Z")
        let later = try self.due(after: "2026-05-04T12:00:00Z", days: 0, at: "14:00")
        #expect(later.instant.rfc3339 == "2026-05-04T12:00:00.000Z")
    }

    @Test(arguments: [
        ("22:00", "2026-05-08T06:00:00.000Z", true), ("07:59", "2026-05-07T06:00:00.000Z", true),
        ("08:00", "2026-05-07T06:00:00.000Z", false), ("20:59", "2026-05-07T18:59:00.000Z", false),
        ("21:00", "2026-05-08T06:00:00.000Z", true),
    ])
    func `what falls into the quiet hours is due when they end`(
        _ time: String,
        _ expected: String,
        _ isMoved: Bool
    ) throws {
        let quiet = try QuietHours(from: .hour(21), to: .hour(8))
        let due = try due(after: "2026-05-04T12:00:00Z", days: 3, at: time, quiet: quiet)
        #expect(due.instant.rfc3339 == expected)
        #expect(due.isMovedByQuietHours == isMoved)
        // What was meant is kept as it was meant.
        #expect(due.intent?.description == "2026-05-07T\(time):00")
    }
}

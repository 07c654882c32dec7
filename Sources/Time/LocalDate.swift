/// A calendar date with no time and no zone: what a person means by "8 March".
public struct LocalDate: Hashable, Comparable, Sendable {
    /// Days since 1970-01-01, negative before it.
    public let daysSince1970: Int

    public init(daysSince1970: Int) {
        self.daysSince1970 = daysSince1970
    }

    /// Nil for a date the (proleptic Gregorian) calendar does not have, and for years outside 0...9999.
    public init?(year: Int, month: Int, day: Int) {
        guard 0...9999 ~= year, let date = CivilDate(year: year, month: month, day: day) else { return nil }
        daysSince1970 = date.daysSince1970
    }

    public var year: Int { civil.year }
    /// 1 is January.
    public var month: Int { civil.month }
    /// The day of the month, from 1.
    public var day: Int { civil.day }

    public var weekday: Weekday {
        // 1970-01-01 was a Thursday, the fourth day of the ISO week.
        let fromMonday = daysSince1970 + 3
        return Weekday.allCases[fromMonday - fromMonday.dividedDown(by: 7) * 7]
    }

    /// The date `days` calendar days later, or earlier when negative.
    public func adding(days: Int) -> LocalDate { LocalDate(daysSince1970: daysSince1970 + days) }

    public static func < (a: LocalDate, b: LocalDate) -> Bool { a.daysSince1970 < b.daysSince1970 }

    var civil: CivilDate { CivilDate(daysSince1970: daysSince1970) }
}

/// A day of the week; raw values are ISO 8601's, 1 is Monday and 7 is Sunday.
public enum Weekday: Int, Hashable, Sendable, CaseIterable, Codable {
    case monday = 1
    case tuesday, wednesday, thursday, friday, saturday, sunday
}

extension LocalDate: LosslessStringConvertible {
    /// Reads `2026-03-08`; nil for any other form and for a date that does not exist.
    public init?(_ description: String) {
        guard let date = ASCIIReader.read(description, { $0.civilDate() }) else { return nil }
        daysSince1970 = date.daysSince1970
    }

    /// `2026-03-08`.
    public var description: String { ASCIIWriter.string { $0.put(civil) } }
}

/// Encoded as `2026-03-08`.
extension LocalDate: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decoder.text("a date such as 2026-03-08") { LocalDate($0) }
    }

    public func encode(to encoder: any Encoder) throws {
        try encoder.encode(text: description)
    }
}

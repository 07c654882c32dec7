/// A date and a time on the wall, in no zone yet: an intent, which a `Zone` turns into an `Instant`.
public struct LocalDateTime: Hashable, Comparable, Sendable {
    public var date: LocalDate
    public var time: LocalTimeOfDay

    public init(_ date: LocalDate, _ time: LocalTimeOfDay) {
        self.date = date
        self.time = time
    }

    public static func < (a: LocalDateTime, b: LocalDateTime) -> Bool { a.wallSeconds < b.wallSeconds }

    /// Seconds from 1970-01-01T00:00 on the wall, every day having 86,400.
    var wallSeconds: Int64 { Int64(date.daysSince1970) * 86_400 + Int64(time.secondOfDay) }

    init(wallSeconds: Int64) {
        let days = wallSeconds.dividedDown(by: 86_400)
        date = LocalDate(daysSince1970: Int(days))
        time = LocalTimeOfDay(secondOfDay: Int(wallSeconds - days * 86_400))
    }
}

extension LocalDateTime: LosslessStringConvertible {
    /// Reads `2026-03-08T02:30` or `2026-03-08T02:30:00`, also with a space for the `T`, as PostgreSQL writes a
    /// `timestamp`; nil for any other form, above all for one with an offset.
    public init?(_ description: String) {
        let read = ASCIIReader.read(description) { reader -> LocalDateTime? in
            guard let date = reader.civilDate(), reader.take("T") || reader.take(" "), let time = reader.timeOfDay()
            else { return nil }
            return LocalDateTime(LocalDate(daysSince1970: date.daysSince1970), time)
        }
        guard let read else { return nil }
        self = read
    }

    /// `2026-03-08T02:30:00`.
    public var description: String {
        ASCIIWriter.string { writer in
            writer.put(date.civil)
            writer.put("T")
            writer.put(secondOfDay: time.secondOfDay, withSeconds: true)
        }
    }
}

/// Encoded as `2026-03-08T02:30:00`.
extension LocalDateTime: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decoder.text("a local date and time such as 2026-03-08T02:30:00") { LocalDateTime($0) }
    }

    public func encode(to encoder: any Encoder) throws {
        try encoder.encode(text: description)
    }
}

/// What a clock on the wall shows, 00:00:00 to 23:59:59. There is no 24:00.
public struct LocalTimeOfDay: Hashable, Comparable, Sendable {
    /// Seconds since 00:00 as a clock counts them, 0...86,399: not elapsed time on a day the clock was changed.
    public let secondOfDay: Int

    public static let midnight = LocalTimeOfDay(secondOfDay: 0)

    /// Nil outside 00:00:00...23:59:59.
    public init?(hour: Int, minute: Int, second: Int = 0) {
        guard 0..<24 ~= hour, 0..<60 ~= minute, 0..<60 ~= second else { return nil }
        secondOfDay = hour * 3600 + minute * 60 + second
    }

    init(secondOfDay: Int) {
        self.secondOfDay = secondOfDay
    }

    public var hour: Int { secondOfDay / 3600 }
    public var minute: Int { secondOfDay / 60 % 60 }
    public var second: Int { secondOfDay % 60 }

    public static func < (a: LocalTimeOfDay, b: LocalTimeOfDay) -> Bool { a.secondOfDay < b.secondOfDay }
}

extension LocalTimeOfDay: LosslessStringConvertible {
    /// Reads `HH:MM` or `HH:MM:SS`; nil for any other form and for 24:00.
    public init?(_ description: String) {
        guard let time = ASCIIReader.read(description, { $0.timeOfDay() }) else { return nil }
        self = time
    }

    /// `HH:MM`, or `HH:MM:SS` when the seconds are not zero.
    public var description: String {
        ASCIIWriter.string { $0.put(secondOfDay: secondOfDay, withSeconds: second != 0) }
    }
}

/// Encoded as `HH:MM` or `HH:MM:SS`.
extension LocalTimeOfDay: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decoder.text("a time of day such as 09:00") { LocalTimeOfDay($0) }
    }

    public func encode(to encoder: any Encoder) throws {
        try encoder.encode(text: description)
    }
}

extension ASCIIReader {
    /// `HH:MM` or `HH:MM:SS`.
    mutating func timeOfDay() -> LocalTimeOfDay? {
        guard let hour = number(digits: 2), take(":"), let minute = number(digits: 2) else { return nil }
        guard take(":") else { return LocalTimeOfDay(hour: hour, minute: minute) }
        guard let second = number(digits: 2) else { return nil }
        return LocalTimeOfDay(hour: hour, minute: minute, second: second)
    }
}

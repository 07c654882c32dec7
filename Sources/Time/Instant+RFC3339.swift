extension Instant {
    /// RFC 3339 in UTC with milliseconds, such as `2026-03-08T07:30:00.000Z`. What is finer than a millisecond is cut
    /// off towards the past, also before 1970. A year outside 0000...9999, which RFC 3339 cannot write, gets a sign
    /// and six digits.
    public var rfc3339: String { rfc3339(fractionDigits: 3) }

    /// As `rfc3339`, with as many digits as it takes to lose nothing: three when the instant is a whole millisecond,
    /// else six.
    public var rfc3339Exact: String { rfc3339(fractionDigits: microseconds % 1000 == 0 ? 3 : 6) }

    /// Reads an RFC 3339 date-time.
    ///
    /// Any number of fractional digits is taken and cut to microseconds (Shopify sends up to nanoseconds); `T` and `Z`
    /// may be lower case; `-00:00` is UTC. A leap second, `:60` in the last minute of a UTC month, is the start of the
    /// next second. Nil for everything else, including a date or time that does not exist, an offset beyond 23:59, a
    /// space for the `T`, a missing offset, text around it, and what an offset moves out of the years 0000...9999 of
    /// UTC: nobody could read how we would write that.
    public init?(rfc3339 text: some StringProtocol) {
        guard let instant = ASCIIReader.read(text, Self.read) else { return nil }
        self = instant
    }

    private static func read(_ reader: inout ASCIIReader) -> Instant? {
        guard let date = reader.civilDate(), reader.take("T") || reader.take("t"),
            let hour = reader.number(digits: 2), hour < 24, reader.take(":"),
            let minute = reader.number(digits: 2), minute < 60, reader.take(":"),
            let second = reader.number(digits: 2), second <= 60,
            let fraction = reader.microsecondFraction(), let offset = reader.utcOffset()
        else { return nil }
        let seconds = date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second - offset
        if second == 60 {
            let day = seconds.dividedDown(by: 86_400)
            guard seconds == day * 86_400, CivilDate(daysSince1970: day).day == 1, writable.contains(seconds) else {
                return nil
            }
            return Instant(seconds: Int64(seconds))
        }
        guard writable.contains(seconds) else { return nil }
        return Instant(microseconds: Int64(seconds) * 1_000_000 + Int64(fraction))
    }

    /// From 0000-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
    private static let writable = -62_167_219_200...253_402_300_799

    private func rfc3339(fractionDigits: Int) -> String {
        let seconds = microseconds.dividedDown(by: 1_000_000)
        // Not a subtraction from `seconds * 1_000_000`, which overflows at the lowest instant.
        let remainder = Int(microseconds % 1_000_000)
        let fraction = remainder < 0 ? remainder + 1_000_000 : remainder
        let days = Int(seconds).dividedDown(by: 86_400)
        return ASCIIWriter.string { writer in
            writer.put(CivilDate(daysSince1970: days))
            writer.put("T")
            writer.put(secondOfDay: Int(seconds) - days * 86_400, withSeconds: true)
            writer.put(".")
            writer.put(fractionDigits == 3 ? fraction / 1000 : fraction, digits: fractionDigits)
            writer.put("Z")
        }
    }
}

extension Instant: CustomStringConvertible {
    public var description: String { rfc3339Exact }
}

/// Encoded as `rfc3339Exact`, so that nothing is lost on the way back.
extension Instant: Codable {
    public init(from decoder: any Decoder) throws {
        self = try decoder.text("an RFC 3339 date-time") { Instant(rfc3339: $0) }
    }

    public func encode(to encoder: any Encoder) throws {
        try encoder.encode(text: rfc3339Exact)
    }
}

extension ASCIIReader {
    /// `YYYY-MM-DD`, a date that exists.
    mutating func civilDate() -> CivilDate? {
        guard let year = number(digits: 4), take("-"), let month = number(digits: 2), take("-"),
            let day = number(digits: 2)
        else { return nil }
        return CivilDate(year: year, month: month, day: day)
    }

    /// An optional fraction of a second in whole microseconds; nil when a point has no digit after it.
    fileprivate mutating func microsecondFraction() -> Int? {
        guard take(".") else { return 0 }
        guard let first = digit() else { return nil }
        var (value, count) = (first, 1)
        while let next = digit() {
            if count < 6 {
                value = value * 10 + next
                count += 1
            }
        }
        while count < 6 {
            value *= 10
            count += 1
        }
        return value
    }

    /// `Z` or `±hh:mm`, in seconds east of UTC.
    fileprivate mutating func utcOffset() -> Int? {
        if take("Z") || take("z") { return 0 }
        let east = take("+")
        guard east || take("-"), let hours = number(digits: 2), hours < 24, take(":"),
            let minutes = number(digits: 2), minutes < 60
        else { return nil }
        let offset = hours * 3600 + minutes * 60
        return east ? offset : -offset
    }
}

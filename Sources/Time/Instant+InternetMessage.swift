extension Instant {
    /// As the headers of mails (RFC 5322, 3.3) and of HTTP (RFC 9110, 5.6.7) write it, up to the zone, which is theirs
    /// to name: `Mon, 23 Nov 2026 09:05:00`. In UTC, to the second.
    public var internetMessageDate: String {
        let local = Zone.utc.local(at: self)
        let (date, time) = (local.date, local.time)
        let clock = [time.hour, time.minute, time.second].map(Self.twoDigits).joined(separator: ":")
        let weekday = Self.weekdays[date.weekday.rawValue - 1]
        return "\(weekday), \(Self.twoDigits(date.day)) \(Self.months[date.month - 1]) \(date.year) \(clock)"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private static let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}

import Time

/// When a carrier says that something happened, and how well that is known.
///
/// Some carriers write the time on the wall where the parcel was and no zone, which the provider passes on as it is.
/// No zone is guessed for it: `latest` is the latest instant that it can mean anywhere on earth, never after the
/// provider knew of it. So such times keep their order among themselves, and nothing is believed earlier than it was.
struct CarrierTime: Hashable, Sendable {
    let latest: Instant
    let precision: TrackingEvent.Precision
    /// As it was written, where it names no zone.
    let local: String?

    /// - Parameter known: when the provider knew of it.
    init(_ text: String?, known: Instant) {
        if let text, let instant = Instant(rfc3339: text) {
            (latest, precision, local) = (instant, .exact, nil)
        } else if let text, text.utf8.count <= 64, let wall = Self.wall(text) {
            (latest, precision, local) = (min(wall, known), .local, text)
        } else {
            (latest, precision, local) = (known, .reported, nil)
        }
    }

    /// What is told without a time of its own had happened by then.
    init(knownBy instant: Instant) { self.init(nil, known: instant) }

    /// The latest instant: the clock that is furthest behind UTC is twelve hours behind. A date ends with its day.
    private static func wall(_ text: String) -> Instant? {
        if let date = LocalDate(text) {
            return Instant(rfc3339: "\(date)T00:00:00Z").map { $0 + .seconds((24 + 12) * 3600) }
        }
        let time = text.contains("T") ? text : text.replacing(" ", with: "T", maxReplacements: 1)
        return Instant(rfc3339: time + "Z").map { $0 + .seconds(12 * 3600) }
    }
}

extension TrackingEvent {
    /// The earliest instant that its time can mean; nil where nobody knows. The clock furthest ahead of UTC is fourteen
    /// hours ahead.
    var earliest: Instant? {
        switch precision {
        case .exact: happenedAt
        case .local: happenedAt - .seconds((localTime.flatMap { LocalDate($0) } == nil ? 26 : 50) * 3600)
        case .reported: nil
        }
    }
}

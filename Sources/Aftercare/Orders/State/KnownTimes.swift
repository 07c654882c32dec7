import Time

/// How old something that is known is. Three times that are often taken for one: when it happened or was said by the
/// source's own clock, when that reached us, and when the source was last asked whether it is still so.
struct KnownTimes: Hashable, Sendable {
    var happenedAt: Instant?
    /// Of the statement that holds.
    var receivedAt: Instant?
    var verifiedAt: Instant?
    /// The latest instant at which it is known to have been so. Not when we were told: retries come hours late.
    var asOf: Instant?

    /// One of several things, and whether it will not change any more.
    struct Part: Hashable, Sendable {
        let times: KnownTimes
        var isSettled = false
    }

    /// In whole seconds; a source whose clock is ahead tells of nothing younger than new.
    func age(at now: Instant) -> Int64? { asOf.map { max(0, (now - $0).microseconds / 1_000_000) } }
}

extension KnownTimes {
    /// What one statement said.
    init(_ stamp: Stamp?, verifiedAt: Instant?) {
        self.init(
            happenedAt: stamp?.at,
            receivedAt: stamp?.receivedAt,
            verifiedAt: verifiedAt,
            // Of what nobody has told there is nothing to be so.
            asOf: stamp == nil ? nil : Self.latest(stamp?.at, verifiedAt)
        )
    }

    /// Of several things at once: all of them are known to have been so as of the oldest of those that may still
    /// change, and where none may, as of the newest.
    init(of parts: [Part]) {
        let newest = parts.map(\.times).max { ($0.happenedAt ?? .distantPast) < ($1.happenedAt ?? .distantPast) }
        let open = parts.filter { !$0.isSettled }.map(\.times)
        self.init(
            happenedAt: newest?.happenedAt,
            receivedAt: newest?.receivedAt,
            verifiedAt: Self.oldest(open.isEmpty ? parts.map(\.times.verifiedAt) : open.map(\.verifiedAt)),
            asOf: open.isEmpty ? parts.compactMap(\.times.asOf).max() : Self.oldest(open.map(\.asOf))
        )
    }

    static func latest(_ instants: Instant?...) -> Instant? { instants.compactMap { $0 }.max() }

    /// Nil where one of them is not known, and where there are none.
    static func oldest(_ instants: [Instant?]) -> Instant? {
        let known = instants.compactMap { $0 }
        return known.count == instants.count ? known.min() : nil
    }
}

extension Instant {
    fileprivate static let distantPast = Instant(microseconds: .min)
}

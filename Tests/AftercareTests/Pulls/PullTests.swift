import Testing
import Time

@testable import Aftercare

/// How far a pull is, without shop and database.
@Suite struct `A pull` {
    private static let start = Instant(seconds: 1_800_000_000)
    private let overlap = Duration.seconds(600)
    private let interval = Duration.seconds(900)

    private func page(_ next: String?, newest: Instant? = nil, askedAt: Instant = start) -> Pull.Page {
        Pull.Page(orders: 2, changed: 1, next: next, newest: newest, askedAt: askedAt)
    }

    private func begun(_ kind: Pull.Kind) -> Pull {
        var pull = Pull(kind)
        pull.begin(at: Self.start, connectedAt: Self.start - .seconds(3600), overlap: overlap)
        return pull
    }

    // domain.md 4, pain 10: from the data, not from the clock.
    @Test func `the next run begins at the newest change that was seen, and some minutes before`() {
        var pull = begun(.reconcile)
        #expect(pull.since == Self.start - .seconds(3600) - overlap)
        let newest = Self.start - .seconds(7200)
        pull.turn(page("2", newest: newest), at: Self.start, interval: interval)
        #expect(pull.cursor == "2" && pull.nextAt == Self.start && pull.startedAt == Self.start)
        pull.turn(page(nil, newest: newest - .seconds(5)), at: Self.start, interval: interval)
        #expect(pull.startedAt == nil && pull.cursor == nil && pull.lastSucceededAt == Self.start)
        #expect(pull.nextAt == Self.start + interval && pull.counts == .init(pages: 2, orders: 4, changed: 2))
        // Days later.
        pull.begin(at: Self.start + .seconds(500_000), connectedAt: Self.start, overlap: overlap)
        #expect(pull.since == newest - overlap && pull.counts == .init())
    }

    @Test func `a shop whose clock is ahead does not hide what it changes until then`() {
        var pull = begun(.reconcile)
        pull.turn(page(nil, newest: Self.start + .seconds(86_400)), at: Self.start, interval: interval)
        #expect(pull.newestSeen == Self.start)
    }

    @Test func `a run that was interrupted goes on where it was`() {
        var pull = begun(.reconcile)
        pull.turn(page("2"), at: Self.start, interval: interval)
        let (since, cursor) = (pull.since, pull.cursor)
        pull.begin(at: Self.start + .seconds(99), connectedAt: Self.start, overlap: overlap)
        #expect(pull.since == since && pull.cursor == cursor && pull.startedAt == Self.start)
    }

    @Test func `a sweep asks for everything, and then for what was not listed`() {
        var pull = begun(.sweep)
        #expect(pull.since == nil && pull.phase == .listing)
        pull.turn(page("2", newest: Self.start), at: Self.start, interval: interval)
        pull.turn(page(nil), at: Self.start, interval: interval)
        #expect(pull.phase == .missing && pull.cursor == nil && pull.startedAt != nil && pull.newestSeen == nil)
        pull.turn(missing: 2, changed: 3, upTo: "731", at: Self.start, interval: interval)
        #expect(pull.cursor == "731" && pull.phase == .missing && pull.nextAt == Self.start)
        pull.turn(missing: 0, changed: 0, upTo: nil, at: Self.start, interval: interval)
        #expect(pull.startedAt == nil && pull.phase == .listing && pull.lastSucceededAt == Self.start)
        #expect(pull.counts == .init(pages: 2, orders: 4, changed: 5, missing: 2))
    }

    @Test func `a page that names itself as the next ends the run`() {
        var pull = begun(.reconcile)
        pull.turn(page("2"), at: Self.start, interval: interval)
        pull.turn(page("2"), at: Self.start, interval: interval)
        #expect(pull.startedAt == nil)
    }

    @Test func `each failure has its name, and its wait`() {
        let hour = Duration.seconds(3600)
        let cases: [(PullFailure, Pull.Failure, String?, Duration)] = [
            (.unauthorized, .credentialsRefused, nil, hour), (.forbidden, .accessDenied, nil, hour),
            (.missingScope("read_orders"), .missingScope, "read_orders", hour),
            (.apiSunset("2024-01"), .apiSunset, "2024-01", hour),
            (.throttled(retryAfter: .seconds(17)), .throttled, nil, .seconds(17)),
            (.throttled(retryAfter: .seconds(0)), .throttled, nil, .seconds(1)),
            (.throttled(retryAfter: .seconds(99_999)), .throttled, nil, hour),
            (.throttled(retryAfter: nil), .throttled, nil, .seconds(10)),
            (.unavailable("HTTP 500"), .unreachable, "HTTP 500", .seconds(4)),
            (.unreadable("a list that is none"), .unreadable, "a list that is none", .seconds(60)),
        ]
        for (failure, name, detail, wait) in cases {
            var pull = begun(.reconcile)
            pull.turn(page("2"), at: Self.start, interval: interval)
            pull.fail(failure, at: Self.start, delay: .seconds(4))
            #expect(pull.failure == name && pull.failureDetail == detail && pull.failures == 1, "\(failure)")
            #expect(pull.nextAt == Self.start + wait && pull.lastFailedAt == Self.start, "\(failure)")
            // Nothing of the run is lost.
            #expect(pull.cursor == "2" && pull.startedAt == Self.start, "\(failure)")
            pull.turn(page("3"), at: Self.start, interval: interval)
            #expect(pull.failure == nil && pull.failureDetail == nil && pull.failures == 0, "\(failure)")
        }
    }

    @Test func `a page that stays unreadable is not asked for for ever`() {
        var pull = begun(.reconcile)
        pull.turn(page("2"), at: Self.start, interval: interval)
        for _ in 0..<Pull.triesOfUnreadable {
            #expect(pull.startedAt != nil)
            pull.fail(.unreadable("?"), at: Self.start, delay: .seconds(1))
        }
        // It would come to that page again.
        #expect(pull.nextAt == Self.start + .seconds(3600))
        pull.begin(at: Self.start, connectedAt: Self.start, overlap: overlap)
        #expect(pull.cursor == nil)
    }
}

import FoundationEssentials
import Time

/// How far one connection's pulling is: the run under way, the last one, and when the next is due. Pure.
///
/// A run goes page by page. Where it stands is stored with each page, so that it goes on there, whoever died.
struct Pull: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// What has changed lately.
        case reconcile
        /// Every order there is, because shops change some without a new time; and those that are there no more.
        case sweep
    }

    /// Of a sweep: what the shop lists, then what it did not list and we know.
    enum Phase: String, CaseIterable, Sendable { case listing, missing }

    /// Why the last try failed, for whoever looks after the connection.
    enum Failure: String, CaseIterable, Sendable {
        case credentialsRefused = "credentials_refused"
        case accessDenied = "access_denied"
        case missingScope = "missing_scope"
        case apiSunset = "api_sunset"
        case throttled, unreachable, unreadable

        init(_ failure: PullFailure) {
            self =
                switch failure {
                case .unauthorized: .credentialsRefused
                case .forbidden: .accessDenied
                case .missingScope: .missingScope
                case .apiSunset: .apiSunset
                case .throttled: .throttled
                case .unavailable: .unreachable
                case .unreadable: .unreadable
                }
        }
    }

    let kind: Kind
    private(set) var startedAt: Instant?
    private(set) var phase = Phase.listing
    private(set) var cursor: String?
    /// From when on changed orders are asked for; nil for all.
    private(set) var since: Instant?
    /// The shop's own time of the newest change ever seen.
    private(set) var newestSeen: Instant?
    private(set) var counts = Counts()
    private(set) var lastSucceededAt: Instant?
    private(set) var lastFailedAt: Instant?
    private(set) var failure: Failure?
    private(set) var failureDetail: String?
    private(set) var failures = 0
    private(set) var nextAt: Instant?

    /// Of the run under way, or of the last one.
    struct Counts: Hashable, Sendable {
        var pages = 0
        var orders = 0
        var changed = 0
        var missing = 0
    }

    init(_ kind: Kind) { self.kind = kind }

    /// As it is stored.
    init(
        _ kind: Kind,
        startedAt: Instant?,
        phase: Phase,
        cursor: String?,
        since: Instant?,
        newestSeen: Instant?,
        counts: Counts,
        lastSucceededAt: Instant?,
        lastFailedAt: Instant?,
        failure: Failure?,
        failureDetail: String?,
        failures: Int,
        nextAt: Instant?
    ) {
        self.kind = kind
        (self.startedAt, self.phase, self.cursor, self.since) = (startedAt, phase, cursor, since)
        (self.newestSeen, self.counts) = (newestSeen, counts)
        (self.lastSucceededAt, self.lastFailedAt, self.nextAt) = (lastSucceededAt, lastFailedAt, nextAt)
        (self.failure, self.failureDetail, self.failures) = (failure, failureDetail, failures)
    }

    // MARK: A run

    /// Begins a run, unless one is under way. It goes by the shop's own times and never by our clock: what the shop
    /// changed while its clock, or ours, was wrong is found all the same.
    ///
    /// - Parameter connectedAt: where nothing was seen yet. What is older is the sweep's to find.
    mutating func begin(at now: Instant, connectedAt: Instant, overlap: Duration) {
        guard startedAt == nil else { return }
        startedAt = now
        (phase, cursor, counts) = (.listing, nil, Counts())
        since = kind == .reconcile ? (newestSeen ?? connectedAt) - overlap : nil
    }

    /// What a page of the shop's list came to.
    struct Page: Hashable, Sendable {
        var orders: Int
        var changed: Int
        var next: String?
        /// The shop's own time of the newest change on it.
        var newest: Instant?
        var askedAt: Instant
    }

    mutating func turn(_ page: Page, at now: Instant, interval: Duration) {
        recover()
        counts.pages += 1
        counts.orders += page.orders
        counts.changed += page.changed
        // A shop whose clock is ahead must not hide from us what it changes until then.
        if kind == .reconcile, let newest = page.newest.map({ min($0, page.askedAt) }) {
            newestSeen = max(newestSeen ?? newest, newest)
        }
        // A page that names itself as the next would be asked for ever.
        if let next = page.next, next != cursor {
            cursor = next
            nextAt = now
            return
        }
        switch kind {
        case .reconcile: end(at: now, interval: interval)
        case .sweep: (phase, cursor, nextAt) = (.missing, nil, now)
        }
    }

    /// Orders that the shop did not list were asked for one by one, up to and with this one; nil where none is left.
    mutating func turn(missing: Int, changed: Int, upTo last: String?, at now: Instant, interval: Duration) {
        recover()
        counts.missing += missing
        counts.changed += changed
        guard let last else {
            return end(at: now, interval: interval)
        }
        (cursor, nextAt) = (last, now)
    }

    private mutating func end(at now: Instant, interval: Duration) {
        (startedAt, phase, cursor, since) = (nil, .listing, nil, nil)
        (lastSucceededAt, nextAt) = (now, now + interval)
    }

    private mutating func recover() { (failure, failureDetail, failures) = (nil, nil, 0) }

    // MARK: Failing

    /// A page that cannot be read this often in a row is not asked for again: the run begins anew, in an hour, for it may
    /// well come to the same page.
    static let triesOfUnreadable = 3

    /// - Parameter delay: how long to wait where the shop does not say.
    mutating func fail(_ failure: PullFailure, at now: Instant, delay: Duration) {
        failures += 1
        (self.failure, failureDetail, lastFailedAt) = (Failure(failure), failure.detail, now)
        switch failure {
        case .throttled(let wait?): nextAt = now + min(max(wait, .seconds(1)), Self.longestWait)
        case .throttled(nil): nextAt = now + max(delay, .seconds(10))
        case .unavailable: nextAt = now + delay
        case .unreadable:
            nextAt = now + max(delay, .seconds(60))
            if failures >= Self.triesOfUnreadable { (startedAt, nextAt) = (nil, now + Self.longestWait) }
        // Somebody has to do something about these; new credentials are tried at once.
        case .unauthorized, .forbidden, .missingScope, .apiSunset: nextAt = now + Self.longestWait
        }
    }

    static let longestWait = Duration.seconds(3600)
}

extension PullFailure {
    /// What the source named; nil where it named nothing. Nothing of libcurl's, and nothing of the answer itself.
    var detail: String? {
        switch self {
        case .missingScope(let named), .apiSunset(let named): named.map { InboundEvent.Headers.worthKeeping($0) }
        case .unreadable(let what), .unavailable(let what): InboundEvent.Headers.worthKeeping(what)
        case .unauthorized, .forbidden, .throttled: nil
        }
    }
}

/// How often shops are asked.
struct PullSettings: Hashable, Sendable {
    /// From the end of one run to the beginning of the next.
    var reconcile = Duration.seconds(900)
    var sweep = Duration.seconds(86_400)
    /// How far before the newest change that was seen a run begins.
    var overlap = Duration.seconds(600)

    func interval(of kind: Pull.Kind) -> Duration {
        switch kind {
        case .reconcile: reconcile
        case .sweep: sweep
        }
    }
}

import FoundationEssentials
import JSON
import Time

/// That somebody wanted an order compared with its shop at once, and what came of it. An order has the last one.
struct Refresh: Hashable, Sendable {
    enum State: String, CaseIterable, Sendable { case running, succeeded, failed }

    /// Why it failed: what a pull fails for, or that there was nobody to ask.
    enum Failure: String, CaseIterable, Sendable {
        case credentialsRefused = "credentials_refused"
        case accessDenied = "access_denied"
        case missingScope = "missing_scope"
        case apiSunset = "api_sunset"
        case throttled, unreachable, unreadable
        /// The connection was disabled, or lost its credentials, meanwhile.
        case notInUse = "not_in_use"

        init(_ failure: PullFailure) { self = Self(rawValue: Pull.Failure(failure).rawValue) ?? .unreadable }
    }

    let order: OrderID
    let store: StoreID
    let connection: ConnectionID
    private(set) var state = State.running
    private(set) var failure: Failure?
    private(set) var failureDetail: String?
    private(set) var attempts = 0
    /// Has the answer, and is not applied yet.
    private(set) var event: InboundEventID?
    let requestedAt: Instant
    private(set) var finishedAt: Instant?

    init(order: OrderID, store: StoreID, connection: ConnectionID, requestedAt: Instant) {
        (self.order, self.store, self.connection, self.requestedAt) = (order, store, connection, requestedAt)
    }

    /// As it is stored.
    init(
        order: OrderID,
        store: StoreID,
        connection: ConnectionID,
        state: State,
        failure: Failure?,
        failureDetail: String?,
        attempts: Int,
        event: InboundEventID?,
        requestedAt: Instant,
        finishedAt: Instant?
    ) {
        self.init(order: order, store: store, connection: connection, requestedAt: requestedAt)
        (self.state, self.failure, self.failureDetail, self.attempts) = (state, failure, failureDetail, attempts)
        (self.event, self.finishedAt) = (event, finishedAt)
    }

    /// Longer nobody works on it.
    private static let patience = Duration.seconds(600)

    func isUnderWay(_ now: Instant) -> Bool { state == .running && now - requestedAt < Self.patience }

    /// When to look again what came of it: often at first.
    func nextLook(_ now: Instant) -> Instant {
        now + min(max((now - requestedAt) / 4, .milliseconds(200)), .seconds(10))
    }

    mutating func wait(for event: InboundEventID) { self.event = event }

    mutating func succeed(at now: Instant) { (state, event, finishedAt) = (.succeeded, nil, now) }

    mutating func fail(_ failure: Failure, _ detail: String?, at now: Instant) {
        (state, event, finishedAt) = (.failed, nil, now)
        (self.failure, failureDetail) = (failure, detail)
    }

    /// Whoever wants an order compared waits for it: a few tries, seconds apart.
    static let tries = 3

    /// - Returns: when to ask again; nil where it has failed for good.
    mutating func fail(_ failure: PullFailure, at now: Instant, delay: Duration) -> Instant? {
        attempts += 1
        let wait: Duration? =
            switch failure {
            case .throttled(let wait): wait ?? delay
            case .unavailable: delay
            case .unauthorized, .forbidden, .missingScope, .apiSunset, .unreadable: nil
            }
        if let wait, wait <= .seconds(60), attempts < Self.tries { return now + wait }
        fail(Failure(failure), failure.detail, at: now)
        return nil
    }
}

extension Refresh {
    /// Null where nobody ever asked for it.
    static func write(_ refresh: Refresh?, of order: OrderID, to object: inout JSONObjectWriter) {
        object.member("order_id", order)
        object.member("connection_id", refresh?.connection)
        object.member("state", refresh?.state.rawValue)
        object.member("failure", refresh?.failure?.rawValue)
        object.member("failure_detail", refresh?.failureDetail)
        object.member("requested_at", refresh?.requestedAt)
        object.member("finished_at", refresh?.finishedAt)
    }
}

import Time

/// One order as the shop told it when asked.
struct PulledOrder: Sendable {
    let externalID: String
    /// JSON of that one order, as the source told it.
    let body: [UInt8]
}

/// A page of orders, in the source's own order of change.
struct PulledPage: Sendable {
    let orders: [PulledOrder]
    /// Opaque cursor of the source; nil at the end.
    let next: String?
}

/// Why a shop gave no answer that says anything about its orders.
enum PullFailure: Error, Hashable, Sendable {
    /// 401: the credentials are not accepted, or not any longer.
    case unauthorized
    /// 403
    case forbidden
    /// What the source names as missing.
    case missingScope(String?)
    /// The version of the API, or the route, is no longer served.
    case apiSunset(String?)
    case throttled(retryAfter: Duration?)
    /// 5xx, no connection, a timeout.
    case unavailable(String)
    /// An answer of another shape.
    case unreadable(String)
}

/// A shop that can be asked about its orders.
protocol OrderSource: Sendable {
    /// Nil where the shop has none such, or none any more.
    func order(_ externalID: String) async throws(PullFailure) -> PulledOrder?

    /// - Parameters:
    ///   - instant: orders changed at that time or later; nil for all there are.
    ///   - cursor: what the page before named as the next; nil for the first.
    func orders(updatedSince instant: Instant?, after cursor: String?) async throws(PullFailure) -> PulledPage

    /// The version of its API that answered in place of the one asked for; nil where none did.
    var otherVersion: String? { get }
}

extension OrderSource {
    var otherVersion: String? { nil }
}

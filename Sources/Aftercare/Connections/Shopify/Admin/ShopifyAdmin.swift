import Curl
import JSON
import Observability
import Synchronization
import Time

/// A Shopify shop, asked over its GraphQL Admin API.
///
/// Every answer says what it cost and how much is left. That is kept, and what cannot be afforded is not asked: the
/// shop would refuse it, and count it.
final class ShopifyAdmin: OrderSource {
    /// What is asked for. Shopify serves each version for a year, and then answers in the oldest it still serves.
    static let version = "2026-07"

    private let endpoint: String
    private let accessToken: Secret<String>
    private let transport: ShopTransport
    private let now: @Sendable () -> ContinuousClock.Instant
    private let budget: ShopifyBudgets.Key
    private let answeredBy = Mutex<String?>(nil)

    /// - Parameter shop: its domain, such as `demo.myshopify.com`.
    init(
        shop: String,
        accessToken: Secret<String>,
        transport: ShopTransport,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        endpoint = transport.origin("https://\(shop)") + "/admin/api/\(Self.version)/graphql.json"
        budget = ShopifyBudgets.Key(endpoint: endpoint, accessToken: accessToken.reveal())
        (self.accessToken, self.transport, self.now) = (accessToken, transport, now)
    }

    /// The version that answers in place of the one asked for, which is served no more: its answers may mean something
    /// else. Nil while all is well.
    var otherVersion: String? { answeredBy.withLock { $0 }.flatMap { $0 == Self.version ? nil : $0 } }

    // MARK: Orders

    /// The scope without which a shop shows no order older than sixty days.
    private static let allOrders = "read_all_orders"

    func order(_ externalID: String) async throws(PullFailure) -> PulledOrder? {
        guard Self.isID(externalID) else { return nil }
        var bounds = ShopifyQuery.Bounds.one
        var answered = try await answer(to: .order(externalID, bounds))
        if answered == nil {
            bounds = .least
            answered = try await answer(to: .order(externalID, bounds))
        }
        guard let data = answered else { throw .unreadable(Self.tooCostly) }
        switch data["order"] {
        case .object(let order)?: return try await pulled(order, bounds)
        case .null?:
            let scopes = data["currentAppInstallation"]?["accessScopes"]?.arrayValue ?? []
            // Old or gone: only who may see the old ones can tell.
            guard scopes.contains(where: { $0["handle"]?.stringValue == Self.allOrders }) else {
                throw .missingScope(Self.allOrders)
            }
            return nil
        default: throw .unreadable("no order")
        }
    }

    /// The shop gives digits only: it has no order of another name.
    static func isID(_ text: String) -> Bool {
        (1...20).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    func orders(updatedSince instant: Instant?, after cursor: String?) async throws(PullFailure) -> PulledPage {
        var place = try ShopifyPlace(cursor, since: instant)
        var size = transport.shopifyBudgets.with(budget) { $0.size(of: "Orders") }
        var bounds = ShopifyQuery.Bounds.each
        var answered = try await answer(to: .orders(since: place.since, after: place.cursor, first: size, bounds))
        while answered == nil, bounds != .least {
            (size, bounds) = size > 1 ? (size / 2, bounds) : (1, .least)
            answered = try await answer(to: .orders(since: place.since, after: place.cursor, first: size, bounds))
        }
        guard let data = answered else { throw .unreadable(Self.tooCostly) }
        guard let edges = data["orders"]?["edges"]?.arrayValue,
            let hasMore = data["orders"]?["pageInfo"]?["hasNextPage"]?.boolValue
        else { throw .unreadable("no orders") }
        var orders: [PulledOrder] = []
        for edge in edges {
            guard let order = edge["node"]?.objectValue, let cursor = edge["cursor"]?.stringValue else {
                throw .unreadable("no order in the place of one")
            }
            do throws(PullFailure) {
                orders.append(try await pulled(order, bounds))
            } catch {
                // What is there already is not asked for again.
                guard case .throttled = error, !orders.isEmpty else { throw error }
                return PulledPage(orders: orders, next: place.text)
            }
            place.pass(cursor, changedAt: order["updatedAt"]?.stringValue.flatMap { Instant(rfc3339: $0) })
        }
        guard hasMore else { return PulledPage(orders: orders, next: nil) }
        guard !orders.isEmpty else { throw .unreadable("a page without orders, and more to come") }
        return PulledPage(orders: orders, next: place.text)
    }

    private static let tooCostly = "one order costs more than one question may"

    private func pulled(_ order: JSONObject, _ bounds: ShopifyQuery.Bounds) async throws(PullFailure) -> PulledOrder {
        let whole = try await whole(order, bounds)
        guard let id = try? BodyReader(whole).id("id") else { throw .unreadable("an order without an id") }
        return PulledOrder(externalID: id, body: JSON.object(whole).serializedBytes)
    }

    // MARK: Asking

    /// What has to be answered, whatever it costs.
    func data(for query: ShopifyQuery) async throws(PullFailure) -> JSONObject {
        guard let data = try await answer(to: query) else { throw .unreadable(Self.tooCostly) }
        return data
    }

    /// Nil where the question may cost more than one question may.
    func answer(to query: ShopifyQuery) async throws(PullFailure) -> JSONObject? {
        let answer: ShopifyAnswer
        do throws(ShopTransport.Silence) {
            answer = try await send(query)
        } catch {
            throw error.failure
        }
        switch answer.outcome {
        case .data(let data): return data
        case .tooCostly: return nil
        case .failure(let failure): throw failure
        }
    }

    func send(_ query: ShopifyQuery) async throws(ShopTransport.Silence) -> ShopifyAnswer {
        let asking = now()
        let budgets = transport.shopifyBudgets
        if let wait = budgets.with(budget, { $0.take(for: query, at: asking) }) {
            throw ShopTransport.Silence(.throttled(retryAfter: wait), mayHaveArrived: false)
        }
        let answer = ShopifyAnswer(try await transport.send(request(query)))
        let answered = now()
        if let cost = answer.cost { budgets.with(budget) { $0.note(cost, of: query, at: answered) } }
        if let version = answer.version { answeredBy.withLock { $0 = version } }
        return answer
    }

    private func request(_ query: ShopifyQuery) -> HTTPClient.Request {
        HTTPClient.Request(
            "POST",
            endpoint,
            headers: [
                ("Content-Type", "application/json"), ("Accept", "application/json"),
                ("User-Agent", "Aftercare"), ("X-Shopify-Access-Token", accessToken.reveal()),
            ],
            body: query.body,
            maximumResponseBytes: 10 << 20
        )
    }
}

/// Where a walk through the orders stands, as the text that is kept between two pages.
struct ShopifyPlace: Hashable, Sendable {
    /// From when on changed orders are asked for.
    private(set) var since: Instant?
    /// The shop's own cursor.
    private(set) var cursor: String?
    /// How many orders it has passed with this `since`.
    private(set) var count = 0

    /// The shop leads nobody past the 25,000th of a list.
    static let most = 20_000

    /// - Parameter text: of the page before; nil for the first.
    init(_ text: String?, since instant: Instant?) throws(PullFailure) {
        since = instant
        guard let text else { return }
        let parts = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let count = Int(parts[0]), count >= 0 else { throw .unreadable("a cursor of ours") }
        if let microseconds = Int64(parts[1]) { since = Instant(microseconds: microseconds) }
        (self.count, cursor) = (count, parts[2].isEmpty ? nil : String(parts[2]))
    }

    /// An order is passed. Where the list gets too long another is begun, of what was changed since.
    mutating func pass(_ cursor: String, changedAt instant: Instant?) {
        count += 1
        self.cursor = cursor
        guard count >= Self.most, let instant, since.map({ $0 < instant }) ?? true else { return }
        (since, self.cursor, count) = (instant, nil, 0)
    }

    var text: String { "\(count) \(since.map { "\($0.microseconds)" } ?? "-") \(cursor ?? "")" }
}

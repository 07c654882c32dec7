import Curl
import FoundationEssentials
import JSON
import Observability
import Time

/// A WooCommerce shop's REST API, version 3, as far as it tells of orders.
///
/// Pages are found by the time of the last order on the page before, not by their number: an order that changes while the
/// list is read moves to its end, and by numbers its place would be taken by one that is then never seen. Only where more
/// orders have one time than go on a page, their pages are counted.
struct WooCommerceREST: OrderSource {
    let site: String
    let consumerKey: String
    let consumerSecret: Secret<String>
    let transport: ShopTransport

    static let pageSize = 50
    /// An order has some kilobytes; one of hundreds of lines has hundreds of them.
    private static let maximumAnswer = 32 << 20

    // MARK: One order

    func order(_ externalID: String) async throws(PullFailure) -> PulledOrder? {
        // Ids are numbers, here as in webhooks: another shop's words must not become a path.
        guard Self.isID(externalID) else { return nil }
        let answer = try await get("orders/\(externalID)", [])
        guard answer.isThere else { return nil }
        guard let order = answer.json.objectValue else { throw .unreadable("an order that is no object") }
        return try await pulled(order)
    }

    static func isID(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    // MARK: Pages

    func orders(updatedSince instant: Instant?, after cursor: String?) async throws(PullFailure) -> PulledPage {
        let place = try cursor.map { (text) throws(PullFailure) in
            guard let place = Place(text) else { throw .unreadable("a cursor that is none of ours") }
            return place
        }
        // What is listed does not change its place under the one order, and moves to the end under the other.
        let (time, member) = instant == nil ? ("date", "date_created_gmt") : ("modified", "date_modified_gmt")
        let (after, number) = (place?.after ?? instant.map { $0 - .seconds(1) }, place?.page ?? 1)
        var query = [
            ("orderby", time), ("order", "asc"), ("per_page", "\(Self.pageSize)"), ("page", "\(number)"),
            ("dates_are_gmt", "true"),
        ]
        if let after { query.append((instant == nil ? "after" : "modified_after", Self.text(after))) }
        let answer = try await get("orders", query)
        guard answer.isThere, let elements = answer.json.arrayValue else { throw .unreadable("a list that is none") }
        var orders: [PulledOrder] = []
        var last: Instant?
        for element in elements {
            guard let order = element.objectValue else { throw .unreadable("an order that is no object") }
            do throws(PullFailure) {
                orders.append(try await pulled(order))
            } catch {
                // What is there already is not asked for again, or a shop that lets few questions through would never
                // get past the page.
                guard case .throttled = error, let next = Place(past: last, from: after) else { throw error }
                return PulledPage(orders: orders, next: next.text)
            }
            last = order[member]?.stringValue.flatMap { Instant(rfc3339: $0 + "Z") } ?? last
        }
        let isLast = answer.pages.map { $0 <= number } ?? (elements.count < Self.pageSize)
        guard !isLast, !elements.isEmpty else { return PulledPage(orders: orders, next: nil) }
        let next = Place(past: last, from: after) ?? Place(after: after, page: number + 1)
        return PulledPage(orders: orders, next: next.text)
    }

    /// Where a list goes on.
    private struct Place {
        let after: Instant?
        let page: Int

        init(after: Instant?, page: Int) { (self.after, self.page) = (after, page) }

        /// From the last order's time on; nil where that is no step forward. `after` is exclusive, and times are whole
        /// seconds.
        init?(past last: Instant?, from after: Instant?) {
            guard let last, last - .seconds(1) > after ?? Instant(seconds: 0) else { return nil }
            self.init(after: last - .seconds(1), page: 1)
        }

        init?(_ text: String) {
            let parts = text.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let page = Int(parts[1]), page > 0 else { return nil }
            self.page = page
            after = Instant(rfc3339: parts[0])
            guard after != nil || parts[0] == "-" else { return nil }
        }

        var text: String { "\(after?.rfc3339 ?? "-") \(page)" }
    }

    /// As WooCommerce reads a time: whole seconds, and no zone.
    private static func text(_ instant: Instant) -> String { String(instant.rfc3339.prefix(19)) }

    // MARK: Refunds

    /// The order with what only its refunds tell: whether the shop had the payment provider send the money, and when it
    /// was recorded. An order lists its refunds without that.
    private func pulled(_ order: JSONObject) async throws(PullFailure) -> PulledOrder {
        guard let id = order["id"]?.numberValue?.text ?? order["id"]?.stringValue else {
            throw .unreadable("an order without an id")
        }
        var order = order
        if let listed = order["refunds"]?.arrayValue, !listed.isEmpty {
            let answer = try await get("orders/\(id)/refunds", [("per_page", "100")])
            // Deleted since: then the order is told as it was.
            if answer.isThere {
                guard let rows = answer.json.arrayValue else { throw .unreadable("refunds that are no list") }
                order["refunds"] = .array(listed.map { Self.refund($0, rows) })
            }
        }
        return PulledOrder(externalID: id, body: JSON.object(order).serializedBytes)
    }

    private static func refund(_ listed: JSON, _ rows: [JSON]) -> JSON {
        guard var refund = listed.objectValue, let id = refund["id"], let row = rows.first(where: { $0["id"] == id })
        else { return listed }
        for name in ["refunded_payment", "date_created_gmt"] { refund[name] = row[name] }
        return .object(refund)
    }

    // MARK: Asking

    private struct Answer {
        /// False where the shop has no such thing.
        let isThere: Bool
        let json: JSON
        let pages: Int?
    }

    private func get(_ path: String, _ query: [(String, String)]) async throws(PullFailure) -> Answer {
        let response: HTTPClient.Response
        do throws(ShopTransport.Silence) {
            response = try await transport.send(request("GET", path, query))
        } catch {
            throw error.failure
        }
        let json = Self.json(response)
        guard response.status == 200 else {
            if Self.isMissing(response.status, json) { return Answer(isThere: false, json: .null, pages: nil) }
            throw Self.failure(response, json)
        }
        guard let json else { throw .unreadable("a body that is no JSON") }
        return Answer(isThere: true, json: json, pages: response["X-WP-TotalPages"].flatMap { Int($0) })
    }

    /// Nil for what is no JSON. A file of the shop's program that was saved with a byte order mark puts one before all that
    /// it answers.
    static func json(_ response: HTTPClient.Response) -> JSON? {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let body = response.body.starts(with: mark) ? Array(response.body.dropFirst(mark.count)) : response.body
        return try? JSON(parsing: body, limits: .foreign)
    }

    /// With the key pair. The names and values of queries need no percent signs but for the colons of times.
    func request(
        _ method: String,
        _ path: String,
        _ query: [(String, String)] = [],
        body: JSON? = nil
    ) -> HTTPClient.Request {
        let text = query.map { "\($0)=\($1.replacing(":", with: "%3A"))" }.joined(separator: "&")
        let url = "\(transport.origin(site))/wp-json/wc/v3/\(path)\(text.isEmpty ? "" : "?\(text)")"
        let pair = Data("\(consumerKey):\(consumerSecret.reveal())".utf8).base64EncodedString()
        var headers = [
            ("Authorization", "Basic \(pair)"), ("Accept", "application/json"), ("User-Agent", "Aftercare"),
        ]
        if body != nil { headers.append(("Content-Type", "application/json")) }
        return HTTPClient.Request(
            method,
            url,
            headers: headers,
            body: body?.serializedBytes ?? [],
            maximumResponseBytes: Self.maximumAnswer
        )
    }

    /// No order of that id; not: no such route.
    private static func isMissing(_ status: Int, _ json: JSON?) -> Bool {
        status == 404
            && ["woocommerce_rest_shop_order_invalid_id", "woocommerce_rest_invalid_order_id"]
                .contains(json?["code"]?.stringValue)
    }

    private static func failure(_ response: HTTPClient.Response, _ json: JSON?) -> PullFailure {
        let code = json?["code"]?.stringValue
        switch response.status {
        case 401: return .unauthorized
        case 403: return .forbidden
        // The program was taken out, or its addresses were changed: the route is not there.
        case 404, 410: return .apiSunset(code)
        // Shops that are busy, or being updated, answer 503 and say how long.
        case 429: return .throttled(retryAfter: retryAfter(response))
        case 503 where response["Retry-After"] != nil: return .throttled(retryAfter: retryAfter(response))
        case 500...599: return .unavailable("HTTP \(response.status)")
        default: return .unreadable("HTTP \(response.status)" + (code.map { " \($0)" } ?? ""))
        }
    }

    /// In seconds; a date is left to our own judgement.
    static func retryAfter(_ response: HTTPClient.Response) -> Duration? {
        response["Retry-After"].flatMap { Int64($0) }.flatMap { (0...86_400).contains($0) ? .seconds($0) : nil }
    }
}

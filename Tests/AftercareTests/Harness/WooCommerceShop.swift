import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import JSON
import Logging
import NIOCore
import Postgres
import Support
import Synchronization
import Time

@testable import Aftercare

/// A WooCommerce shop to be asked: its REST API, version 3, over local HTTP, as far as orders and their refunds go. It
/// filters, sorts, pages and refuses as the real one does.
final class WooCommerceShop: Sendable {
    static let (key, secret) = ("ck_0a1b2c", "cs_3d4e5f")

    /// What comes instead of the answer.
    struct Fault: Sendable {
        var status = 500
        var headers: [(String, String)] = []
        var body = ""
        /// It never answers.
        var isSilent = false

        static let silence = Fault(isSilent: true)

        /// As WordPress writes one.
        static func error(_ status: Int, _ code: String, headers: [(String, String)] = []) -> Fault {
            let json: JSON = [
                "code": .string(code), "message": "Told in the shop's language.",
                "data": ["status": .number(JSONNumber(status))],
            ]
            return Fault(status: status, headers: headers, body: json.serialized)
        }
    }

    private struct State {
        var orders: [Int: JSON] = [:]
        var refunds: [Int: [JSON]] = [:]
        var faults: [Fault] = []
        var standing: Fault?
        var requests: [String] = []
        /// What it was told about orders.
        var told: [JSON] = []
        /// What comes instead of the answer to that; what it was told is done all the same, or not.
        var lossAfterTelling: (fault: Fault, isDone: Bool)?
        var afterRequest: (@Sendable (WooCommerceShop, Int) -> Void)?
    }

    private let state = Mutex(State())
    private let bound = Mutex(0)
    var port: Int { bound.withLock { $0 } }

    /// As a connection's account; the tests' configuration leaves the `s` out.
    var account: String { "https://127.0.0.1:\(port)/shop" }
    /// What was asked for, path and query.
    var requests: [String] { state.withLock { $0.requests } }

    /// Serves for the length of `body`.
    static func run(
        isolation: isolated (any Actor)? = #isolation,
        _ body: (WooCommerceShop) async throws -> Void
    ) async throws {
        let shop = WooCommerceShop()
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                try await shop.respond(to: request)
            },
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) },
            logger: Logger(label: "shop") { _ in SwiftLogNoOpLogHandler() }
        )
        let serving = Task.detached { try await application.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        guard let number = await iterator.next() else { throw TestServer.NotStarted() }
        shop.bound.withLock { $0 = number }
        try await body(shop)
    }

    // MARK: What the shop's people do

    func put(_ order: JSON) {
        guard let id = order["id"]?.int64Value else { return }
        state.withLock { $0.orders[Int(id)] = order }
    }

    /// What it was told about orders, in order.
    var told: [JSON] { state.withLock { $0.told } }

    /// The next time it is told something, the answer does not come, whether it is done or not.
    func lose(_ fault: Fault, isDone: Bool) { state.withLock { $0.lossAfterTelling = (fault, isDone) } }

    func delete(_ id: Int) { state.withLock { $0.orders[id] = nil } }

    /// A refund's own row, which tells whether the gateway moved the money.
    func putRefund(_ id: Int, of order: Int, amount: String, isPaid: Bool, at instant: Instant) {
        let row: JSON = [
            "id": .number(JSONNumber(id)), "date_created_gmt": WooOrder.gmt(instant), "amount": .string(amount),
            "reason": "", "refunded_by": 1, "refunded_payment": .bool(isPaid), "meta_data": [], "line_items": [],
        ]
        state.withLock { $0.refunds[order, default: []].append(row) }
    }

    /// The same, as they were recorded elsewhere.
    func putRefunds(_ rows: [JSON], of order: Int) { state.withLock { $0.refunds[order] = rows } }

    /// The next requests get these instead of an answer, one each.
    func fail(_ faults: Fault...) { state.withLock { $0.faults += faults } }

    /// Every request does, until nil.
    func failAlways(_ fault: Fault?) { state.withLock { $0.standing = fault } }

    /// Runs after the n-th request was answered, from 1.
    func afterEachRequest(_ change: @escaping @Sendable (WooCommerceShop, Int) -> Void) {
        state.withLock { $0.afterRequest = change }
    }

    func forgetRequests() { state.withLock { $0.requests = [] } }

    // MARK: Answering

    private func respond(to request: Request) async throws -> Response {
        let target = request.uri.string
        let (fault, count) = state.withLock { state in
            state.requests.append(target)
            let fault = state.faults.isEmpty ? state.standing : state.faults.removeFirst()
            return (fault, state.requests.count)
        }
        defer {
            let change = state.withLock { $0.afterRequest }
            change?(self, count)
        }
        if let fault {
            if fault.isSilent { try await Task.sleep(for: .seconds(3600)) }
            return Self.response(fault.status, fault.headers, fault.body)
        }
        let pair = Data("\(Self.key):\(Self.secret)".utf8).base64EncodedString()
        guard request.headers[.authorization] == "Basic \(pair)" else {
            return Self.refusal(.error(401, "woocommerce_rest_authentication_error"))
        }
        let components = URLComponents(string: target)
        let query = Dictionary(
            (components?.queryItems ?? []).map { ($0.name, $0.value ?? "") },
            uniquingKeysWith: { _, last in last }
        )
        let path = (components?.path ?? "").split(separator: "/").map(String.init)
        guard path.starts(with: ["shop", "wp-json", "wc", "v3", "orders"]) else {
            return Self.refusal(.error(404, "rest_no_route"))
        }
        if request.method == .put, path.count == 6, let id = Int(path[5]) {
            let body = try await request.body.collect(upTo: 1 << 20)
            return try await change(id, try JSON(parsing: Array(body.readableBytesView)))
        }
        return answer(Array(path.dropFirst(5)), query)
    }

    private static var now: Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    /// As the shop does: what is named changes, also within the address, and the time with it.
    private func change(_ id: Int, _ body: JSON) async throws -> Response {
        let loss = state.withLock { state in
            state.told.append(body)
            defer { state.lossAfterTelling = nil }
            return state.lossAfterTelling
        }
        if loss?.isDone != false {
            state.withLock { state in
                guard var order = state.orders[id] else { return }
                for member in body.objectValue ?? [:] {
                    let parts = (member.value.objectValue ?? [:]).reduce(order[member.name] ?? [:]) {
                        $0.with($1.name, $1.value)
                    }
                    order = order.with(member.name, member.value.objectValue == nil ? member.value : parts)
                }
                state.orders[id] = order.with("date_modified_gmt", WooOrder.gmt(Self.now))
            }
        }
        if let fault = loss?.fault {
            if fault.isSilent { try await Task.sleep(for: .seconds(3600)) }
            return Self.response(fault.status, fault.headers, fault.body)
        }
        guard let order = state.withLock({ $0.orders[id] }) else {
            return Self.refusal(.error(404, "woocommerce_rest_shop_order_invalid_id"))
        }
        return Self.response(200, [], order.serialized)
    }

    private func answer(_ path: [String], _ query: [String: String]) -> Response {
        let (orders, refunds) = state.withLock { ($0.orders, $0.refunds) }
        guard let first = path.first else { return list(Array(orders.values), query) }
        guard let id = Int(first), let order = orders[id] else {
            return Self.refusal(.error(404, "woocommerce_rest_shop_order_invalid_id"))
        }
        switch path.dropFirst().first {
        case nil: return Self.response(200, [], order.serialized)
        case "refunds"?: return Self.response(200, [], JSON.array(refunds[id] ?? []).serialized)
        case _?: return Self.refusal(.error(404, "rest_no_route"))
        }
    }

    /// In order of time and id, from after a time to the second; what lies in the bin is not listed.
    private func list(_ orders: [JSON], _ query: [String: String]) -> Response {
        let (time, filter) =
            query["orderby"] == "modified"
            ? ("date_modified_gmt", "modified_after") : ("date_created_gmt", "after")
        guard query["dates_are_gmt"] == "true", query["order"] == "asc",
            let size = query["per_page"].flatMap(Int.init), let page = query["page"].flatMap(Int.init)
        else { return Self.refusal(.error(400, "rest_invalid_param")) }
        func key(_ order: JSON) -> (String, Int64) { (order[time]?.stringValue ?? "", order["id"]?.int64Value ?? 0) }
        let listed = orders.filter { order in
            order["status"] != "trash" && (query[filter].map { key(order).0 > $0 } ?? true)
        }.sorted { key($0) < key($1) }
        let pages = (listed.count + size - 1) / size
        let rows = Array(listed.dropFirst((page - 1) * size).prefix(size))
        let headers = [("X-WP-Total", "\(listed.count)"), ("X-WP-TotalPages", "\(pages)")]
        return Self.response(200, headers, JSON.array(rows).serialized)
    }

    private static func refusal(_ fault: Fault) -> Response { response(fault.status, fault.headers, fault.body) }

    private static func response(_ status: Int, _ headers: [(String, String)], _ body: String) -> Response {
        var fields: HTTPFields = [.contentType: "application/json; charset=UTF-8"]
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return Response(
            status: HTTPResponse.Status(code: status),
            headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(string: body))
        )
    }
}

extension TestServer {
    /// Where the tests' doubles of shops are: the port is in the account.
    static func shopOrigin(_ account: String) -> String {
        if account.hasPrefix("https://127.0.0.1:") { return "http" + account.dropFirst("https".count) }
        // A Shopify shop has a domain and no port: `port-1234.myshopify.com`.
        let port = account.dropFirst("https://port-".count).prefix { $0.isNumber }
        if account == "https://port-\(port).myshopify.com" { return "http://127.0.0.1:\(port)" }
        return account
    }
}

extension WooShop {
    /// A double that is connected to the tenant's store, with its credentials or without.
    static func connect(_ tenant: TestTenant, to shop: WooCommerceShop, asks: Bool = true) async throws -> WooShop {
        let connected = try await connect(tenant, account: shop.account)
        if asks { try await connected.giveCredentials() }
        return connected
    }

    func giveCredentials(secret: String = WooCommerceShop.secret) async throws {
        let body: JSON = ["consumer_key": .string(WooCommerceShop.key), "consumer_secret": .string(secret)]
        let put = try await tenant.send("PUT", "/v1/connections/\(connection)/credentials", body)
        guard put.status == 200 else { throw Unexpected(put) }
    }

    func pulls() async throws -> JSON { try await tenant.get("/v1/connections/\(connection)/pulls").json }

    /// Has the shop asked, and waits until that run, and all that came of it, is over.
    @discardableResult
    func pull(_ kind: Pull.Kind) async throws -> JSON {
        let path = "/v1/connections/\(connection)/pulls"
        let started = try await tenant.send("POST", path, ["kind": .string(kind.rawValue)])
        guard started.status == 202 else { throw Unexpected(started) }
        try await tenant.settle()
        return try await pulls()[kind.rawValue] ?? .null
    }

    /// Has the order compared with the shop, and waits for the outcome.
    func refresh(_ order: String) async throws -> JSON {
        let started = try await tenant.send("POST", "/v1/orders/\(order)/refresh")
        guard started.status == 202 else { throw Unexpected(started) }
        var refresh = started.json
        try await eventually {
            refresh = try await tenant.get("/v1/orders/\(order)/refresh").json
            return refresh["state"] != "running"
        }
        return refresh
    }

    func verifiedAt(_ id: Int = 727) async throws -> Instant? {
        let rows = try await tenant.rows(
            """
            SELECT verified_at FROM orders
             WHERE tenant_id = \(tenant.id.uuid) AND store_id = \(tenant.store.uuid) AND external_id = \("\(id)")
            """
        )
        return try rows.first?("verified_at")
    }
}

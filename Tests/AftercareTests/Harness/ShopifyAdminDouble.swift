import Foundation
import JSON
import Support
import Synchronization

@testable import Aftercare

/// A Shopify shop's Admin API on loopback, as far as it is asked: who asks is checked, lists are cut and paged, each
/// question costs points out of a bucket that somebody has to fill again, and anything can be told to go wrong.
final class ShopifyAdminDouble: Sendable {
    static let token = "shpat_0123456789abcdef0123456789abcdef"

    /// What is answered in place of what was asked for.
    enum Mishap: Sendable {
        case status(Int, headers: [(String, String)] = [], body: String = #"{"errors":"Said so"}"#)
        case body(String)
        /// The member of `data` that may not be seen, and the scope it would take.
        case denied(String, scope: String)
        /// Data, and an error beside it.
        case partial
    }

    struct State: Sendable {
        var orders: [ShopifyStoreOrder] = []
        var scopes = ["read_orders", "read_all_orders", "read_customers"]
        /// The one that answers.
        var version = ShopifyAdmin.version
        var size = 2000
        var left = 2000
        var perSecond = 100
        /// The most that one question may cost.
        var most = 1000
        /// Each is for one answer.
        var mishaps: [Mishap] = []
        /// The names of what was asked, and with which variables.
        var asked: [String] = []
        var variables: [JSON] = []
        /// What the orders become after so many questions.
        var change: (after: Int, orders: [ShopifyStoreOrder])?
        /// What it says to commands that it does not carry out.
        var userErrors: [String] = []
        /// How many of each line of a shipment can be returned.
        var returnable: [(fulfillment: Int, lines: [(id: Int, of: Int, quantity: Int)])] = []
        /// What it was told: the address of an order, and the state of a return, by their global ids.
        var addresses: [String: JSON] = [:]
        var returns: [String: String] = [:]
        /// All returns of an order, by its global id, as they are told with `read_returns`.
        var returnsOfOrders: [String: [JSON]] = [:]
        /// The status that comes instead of the answer, the next time it is told something; it does it all the same.
        var lossAfterTelling: Int?
    }

    private final class Shared: Sendable {
        let state: Mutex<State>
        init(_ state: State) { self.state = Mutex(state) }
    }

    private let shared: Shared
    private let server: LoopbackHTTP

    init(_ orders: [ShopifyStoreOrder] = []) throws {
        let shared = Shared(State(orders: orders))
        self.shared = shared
        server = try LoopbackHTTP { request in shared.state.withLock { Self.answer(request, &$0) } }
    }

    var port: Int { server.port }
    var url: String { "http://127.0.0.1:\(port)" }
    var state: State { shared.state.withLock { $0 } }
    func change(_ body: (inout State) -> Void) { shared.state.withLock { body(&$0) } }

    // MARK: Answering

    private static func answer(_ request: LoopbackHTTP.Request, _ state: inout State) -> LoopbackHTTP.Answer {
        let mishap = state.mishaps.isEmpty ? nil : state.mishaps.removeFirst()
        if case .status(let status, let headers, let body)? = mishap {
            return LoopbackHTTP.Answer(status, headers: headers, body: Array(body.utf8))
        }
        guard request.method == "POST", request.target == "/admin/api/\(ShopifyAdmin.version)/graphql.json",
            request.headers["content-type"] == "application/json"
        else { return LoopbackHTTP.Answer(404, body: Array(#"{"errors":"Not Found"}"#.utf8)) }
        guard request.headers["x-shopify-access-token"] == token else {
            let text = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return LoopbackHTTP.Answer(401, body: JSON.object(["errors": .string(text)]).serializedBytes)
        }
        let json = (try? JSON(parsing: request.body)) ?? .null
        let (name, variables) = (json["operationName"]?.stringValue ?? "", json["variables"] ?? .null)
        state.asked.append(name)
        state.variables.append(variables)
        if let change = state.change, state.asked.count > change.after {
            (state.orders, state.change) = (change.orders, nil)
        }
        let headers = [("X-Shopify-API-Version", state.version), ("Content-Type", "application/json; charset=utf-8")]
        if case .body(let text)? = mishap { return LoopbackHTTP.Answer(200, headers: headers, body: Array(text.utf8)) }
        // Whose an order is may only be asked with a scope of its own.
        let asksWhose = json["query"]?.stringValue?.contains("customer {") == true
        let lacksReturns = name == "Returns" && !state.scopes.contains("read_returns")
        let denial: Mishap? =
            asksWhose && !state.scopes.contains("read_customers")
            ? .denied(name == "Orders" ? "orders" : "order", scope: "read_customers")
            : lacksReturns ? .denied("order", scope: "read_returns") : nil
        let body = answer(name, variables, mishap ?? denial, &state)
        if json["query"]?.stringValue?.hasPrefix("mutation") == true, let status = state.lossAfterTelling {
            state.lossAfterTelling = nil
            return LoopbackHTTP.Answer(status)
        }
        return LoopbackHTTP.Answer(200, headers: headers, body: JSON.object(body).serializedBytes)
    }

    private static func answer(_ name: String, _ variables: JSON, _ mishap: Mishap?, _ state: inout State) -> JSONObject
    {
        let requested = cost(name, variables)
        guard requested <= state.most else {
            let text = "Query cost is \(requested), which exceeds the single query max cost limit (\(state.most))."
            let extensions: JSON = [
                "code": "MAX_COST_EXCEEDED", "cost": .number(JSONNumber(requested)),
                "maxCost": .number(JSONNumber(state.most)),
            ]
            return ["errors": [["message": .string(text), "extensions": extensions]]]
        }
        guard requested <= state.left else {
            let extensions: JSON = ["code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"]
            return [
                "errors": [["message": "Throttled", "extensions": extensions]],
                "extensions": extras(requested, actual: nil, state),
            ]
        }
        // What it did not cost is given back.
        let actual = requested / 4
        state.left -= actual
        var answer: JSONObject = [
            "data": data(name, variables, &state), "extensions": extras(requested, actual: actual, state),
        ]
        switch mishap {
        case .denied(let member, let scope)?:
            let required = "`\(scope)` access scope or `read_marketplace_orders` access scope."
            answer["data"] = .object([member: nil])
            answer["errors"] = [
                [
                    "message": .string("Access denied for \(member) field. Required access: \(required)"),
                    "locations": [["line": 2, "column": 3]], "path": [.string(member)],
                    "extensions": ["code": "ACCESS_DENIED", "requiredAccess": .string(required)],
                ]
            ]
        case .partial?:
            let error: JSON = ["message": "Something went wrong", "extensions": ["code": "INTERNAL_SERVER_ERROR"]]
            answer["errors"] = [error]
        default: break
        }
        return answer
    }

    private static func extras(_ requested: Int, actual: Int?, _ state: State) -> JSON {
        func points(_ value: Int) -> JSON { .number(JSONNumber(text: "\(value).0") ?? JSONNumber(value)) }
        let status: JSON = [
            "maximumAvailable": points(state.size), "currentlyAvailable": .number(JSONNumber(state.left)),
            "restoreRate": points(state.perSecond),
        ]
        return [
            "cost": [
                "requestedQueryCost": .number(JSONNumber(requested)),
                "actualQueryCost": actual.map { JSON.number(JSONNumber($0)) } ?? JSON.null, "throttleStatus": status,
            ]
        ]
    }

    /// Every object a point, and every list as many as it may have.
    private static func cost(_ name: String, _ variables: JSON) -> Int {
        func most(_ name: String) -> Int { variables[name]?.int64Value.map(Int.init) ?? 0 }
        let parcels = most("parcels") * (2 + most("events"))
        let refunds = most("refunds") * (1 + 4 * most("payments"))
        let order = 8 + 2 * most("lines") + parcels + refunds
        return switch name {
        case "Order": order + 2
        case "Orders": 2 + most("first") * order
        case "Lines": 302
        case "Events", "Payments": 102
        case "Parts": 501
        case "Fulfillments": (variables["ids"]?.arrayValue?.count ?? 0) * (2 + most("events"))
        case "Refunds": (variables["ids"]?.arrayValue?.count ?? 0) * (1 + 4 * most("payments"))
        default: 10
        }
    }
}

// MARK: What is asked for

extension ShopifyAdminDouble {
    private static func data(_ name: String, _ variables: JSON, _ state: inout State) -> JSON {
        let id = variables["id"]?.stringValue ?? ""
        let order = state.orders.first { $0.answer["id"]?.stringValue == id }?.answer
        switch name {
        case "Order":
            let scopes = state.scopes.map { JSON.object(["handle": .string($0)]) }
            return [
                "order": order.map { cut($0, variables) } ?? JSON.null,
                "currentAppInstallation": ["accessScopes": .array(scopes)],
            ]
        case "Orders": return ["orders": page(variables, state)]
        case "Lines": return ["order": order.map { rest(of: $0, "lineItems", variables, most: 100) } ?? JSON.null]
        case "Returns":
            let start = variables["after"]?.stringValue.flatMap { Int($0.dropFirst("item:".count)) } ?? 0
            let returns = piece(state.returnsOfOrders[id] ?? [], from: start, most: 5)
            return ["order": ["updatedAt": order?["updatedAt"] ?? .null, "returns": returns]]
        case "Parts":
            var parts = JSONObject()
            parts["updatedAt"] = order?["updatedAt"]
            for list in ["fulfillments", "refunds"] {
                parts[list] = .array((order?[list]?.arrayValue ?? []).map { .object(["id": $0["id"] ?? .null]) })
            }
            return ["order": .object(parts)]
        case "Fulfillments", "Refunds":
            let ids = variables["ids"]?.arrayValue ?? []
            return [
                "nodes": .array(
                    ids.map { id in part(id.stringValue ?? "", state).map { cut($0, variables) } ?? JSON.null }
                )
            ]
        case "Events":
            return ["node": part(id, state).map { rest(of: $0, "events", variables, most: 100) } ?? JSON.null]
        case "Payments":
            return ["node": part(id, state).map { rest(of: $0, "transactions", variables, most: 50) } ?? JSON.null]
        case "CancelOrder", "ChangeAddress", "CreateReturn": return command(name, variables, &state)
        case "Returnable": return ["returnableFulfillments": returnable(variables, state)]
        case "ShippingAddress":
            return ["order": order == nil ? JSON.null : ["shippingAddress": state.addresses[id] ?? .null]]
        case "Return":
            return ["return": state.returns[id].map { ["id": .string(id), "status": .string($0)] } ?? JSON.null]
        default: return .null
        }
    }

    private static func command(_ name: String, _ variables: JSON, _ state: inout State) -> JSON {
        let errors = JSON.array(state.userErrors.map { .object(["message": .string($0)]) })
        let isDone = state.userErrors.isEmpty
        if isDone { carryOut(name, variables, &state) }
        switch name {
        case "CancelOrder":
            let job: JSON = isDone ? ["id": "gid://shopify/Job/6f1d"] : .null
            return ["orderCancel": ["job": job, "orderCancelUserErrors": errors, "userErrors": []]]
        case "ChangeAddress":
            let order: JSON = ["id": variables["input"]?["id"] ?? .null]
            return ["orderUpdate": ["order": isDone ? order : .null, "userErrors": errors]]
        default:
            let new: JSON = isDone ? ["id": "gid://shopify/Return/945"] : .null
            return ["returnCreate": ["return": new, "userErrors": errors]]
        }
    }

    private static func carryOut(_ name: String, _ variables: JSON, _ state: inout State) {
        switch name {
        case "CancelOrder":
            for index in state.orders.indices where state.orders[index].answer["id"] == variables["id"] {
                state.orders[index].updatedAt += 1
                state.orders[index].cancelledAt = state.orders[index].updatedAt
            }
        case "ChangeAddress":
            state.addresses[variables["input"]?["id"]?.stringValue ?? ""] = variables["input"]?["shippingAddress"]
        default:
            state.returns["gid://shopify/Return/945"] = "OPEN"
        }
    }

    private static func returnable(_ variables: JSON, _ state: State) -> JSON {
        let nodes = state.returnable.map { shipment -> JSON in
            let lines = shipment.lines.map { line -> JSON in
                [
                    "quantity": .number(JSONNumber(line.quantity)),
                    "fulfillmentLineItem": [
                        "id": ShopifyStoreOrder.gid("FulfillmentLineItem", line.id),
                        "lineItem": ["id": ShopifyStoreOrder.gid("LineItem", line.of)],
                    ],
                ]
            }
            return ["returnableFulfillmentLineItems": ShopifyStoreOrder.connection(lines)]
        }
        let start = variables["after"]?.stringValue.flatMap { Int($0.dropFirst("item:".count)) } ?? 0
        return piece(nodes, from: start, most: 3)
    }

    private static func part(_ id: String, _ state: State) -> JSON? {
        let lists = state.orders.map(\.answer).flatMap { order in
            ["fulfillments", "refunds"].flatMap { order[$0]?.arrayValue ?? [] }
        }
        return lists.first { $0["id"]?.stringValue == id }
    }

    private static func page(_ variables: JSON, _ state: State) -> JSON {
        let since = String((variables["query"]?.stringValue ?? "").dropFirst("updated_at:>='".count).dropLast())
        let sorted = state.orders.sorted { ($0.updatedAt, $0.id) < ($1.updatedAt, $1.id) }
        let found = sorted.map(\.answer).filter { ($0["updatedAt"]?.stringValue ?? "") >= since }
        let start = variables["after"]?.stringValue.flatMap { Int($0.dropFirst("place:".count)) } ?? 0
        let first = variables["first"]?.int64Value.map(Int.init) ?? 0
        let edges = found.enumerated().dropFirst(start).prefix(first).map { place, order -> JSON in
            ["cursor": .string("place:\(place + 1)"), "node": cut(order, variables)]
        }
        return ["edges": .array(Array(edges)), "pageInfo": ["hasNextPage": .bool(start + first < found.count)]]
    }

    /// With as much of its lists as was asked for.
    private static func cut(_ node: JSON, _ variables: JSON) -> JSON {
        func most(_ name: String) -> Int { variables[name]?.int64Value.map(Int.init) ?? 0 }
        var cut = node
        let connections = ["lineItems": "lines", "events": "events", "transactions": "payments"]
        for (list, variable) in connections {
            guard let nodes = node[list]?["nodes"]?.arrayValue else { continue }
            cut = cut.with(list, piece(nodes, from: 0, most: most(variable)))
        }
        for (list, variable) in ["fulfillments": "parcels", "refunds": "refunds"] {
            guard let parts = node[list]?.arrayValue else { continue }
            cut = cut.with(list, .array(parts.prefix(most(variable)).map { Self.cut($0, variables) }))
        }
        return cut
    }

    private static func rest(of node: JSON, _ list: String, _ variables: JSON, most: Int) -> JSON {
        let nodes = node[list]?["nodes"]?.arrayValue ?? []
        let start = variables["after"]?.stringValue.flatMap { Int($0.dropFirst("item:".count)) } ?? 0
        var rest: JSONObject = ["updatedAt": node["updatedAt"] ?? .null]
        rest[list] = piece(nodes, from: start, most: most)
        return .object(rest)
    }

    private static func piece(_ nodes: [JSON], from start: Int, most: Int) -> JSON {
        let end = min(nodes.count, start + most)
        return ShopifyStoreOrder.connection(
            Array(nodes[min(start, end)..<end]),
            hasMore: end < nodes.count,
            cursor: end > 0 ? "item:\(end)" : nil
        )
    }
}

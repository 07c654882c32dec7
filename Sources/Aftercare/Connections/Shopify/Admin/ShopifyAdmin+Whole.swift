import JSON

/// What an answer has left out of an order: fetched, so that what is told of it is all there is.
extension ShopifyAdmin {
    func whole(_ told: JSONObject, _ bounds: ShopifyQuery.Bounds) async throws(PullFailure) -> JSONObject {
        guard let id = told["id"]?.stringValue else { throw .unreadable("an order without an id") }
        var order = told
        let updatedAt = told["updatedAt"]?.stringValue
        order["lineItems"] = try await all(told["lineItems"], in: "order", "lineItems", as: updatedAt) {
            .lines(ofOrder: id, after: $0)
        }
        let missing = try await missingParts(of: told, id, bounds)
        let fulfillments = try await parts(told["fulfillments"], missing.fulfillments) { .fulfillments($0, bounds) }
        order["fulfillments"] = .array(
            try await whole(fulfillments, "events") { .events(ofFulfillment: $0, after: $1) }
        )
        let refunds = try await parts(told["refunds"], missing.refunds) { .refunds($0, bounds) }
        order["refunds"] = .array(
            try await whole(refunds, "transactions") { .payments(ofRefund: $0, after: $1) }
        )
        order["returns"] = try await returns(of: told, id)
        return order
    }

    /// Nil where the order has none, and where the app may not see them: they are known by webhooks alone then. What cannot
    /// be read of them does not hold up their order.
    private func returns(of order: JSONObject, _ id: String) async throws(PullFailure) -> JSON? {
        guard let status = order["returnStatus"]?.stringValue, status != "NO_RETURN" else { return nil }
        let updatedAt = order["updatedAt"]?.stringValue
        do throws(PullFailure) {
            let data = try await data(for: .returns(ofOrder: id))
            try check(data["order"], as: updatedAt)
            return try await all(data["order"]?["returns"], in: "order", "returns", as: updatedAt) {
                .returns(ofOrder: id, after: $0)
            }
        } catch {
            switch error {
            case .missingScope, .unreadable: return nil
            case .unauthorized, .forbidden, .apiSunset, .throttled, .unavailable: throw error
            }
        }
    }

    private func isPart(_ connection: JSON?) -> Bool { connection?["pageInfo"]?["hasNextPage"]?.boolValue == true }

    // MARK: Lists without a cursor

    private struct Missing {
        var fulfillments: [String] = []
        var refunds: [String] = []
    }

    /// Nobody says whether such a list is all there is: one that is as long as was asked for may not be.
    private func missingParts(
        of order: JSONObject,
        _ id: String,
        _ bounds: ShopifyQuery.Bounds
    ) async throws(PullFailure) -> Missing {
        let fulfillments = order["fulfillments"]?.arrayValue ?? []
        let refunds = order["refunds"]?.arrayValue ?? []
        guard fulfillments.count >= bounds.parcels || refunds.count >= bounds.refunds else { return Missing() }
        let data = try await data(for: .parts(ofOrder: id))
        try check(data["order"], as: order["updatedAt"]?.stringValue)
        return Missing(
            fulfillments: try ids(data["order"]?["fulfillments"], besides: fulfillments),
            refunds: try ids(data["order"]?["refunds"], besides: refunds)
        )
    }

    private func ids(_ list: JSON?, besides told: [JSON]) throws(PullFailure) -> [String] {
        guard let list = list?.arrayValue else { throw .unreadable("no list of an order's parts") }
        guard list.count < ShopifyQuery.mostParts else {
            throw .unreadable("more parts of an order than can be listed")
        }
        let known = Set(told.map { $0["id"]?.stringValue })
        return list.compactMap { $0["id"]?.stringValue }.filter { !known.contains($0) }
    }

    /// Fulfillments or refunds: those that were told, and those that were not.
    private func parts(
        _ told: JSON?,
        _ missing: [String],
        _ ask: ([String]) -> ShopifyQuery
    ) async throws(PullFailure) -> [JSON] {
        guard var parts = told?.arrayValue else { throw .unreadable("no list of an order's parts") }
        var rest = missing[...]
        while !rest.isEmpty {
            let ids = Array(rest.prefix(10))
            rest = rest.dropFirst(10)
            let nodes = try await data(for: ask(ids))["nodes"]?.arrayValue ?? []
            let found = nodes.filter { $0["id"] != nil }
            guard found.count == ids.count else { throw .unavailable(Self.changed) }
            parts += found
        }
        return parts
    }

    /// Each with all of its own list.
    private func whole(
        _ told: [JSON],
        _ list: String,
        _ next: (String, String) -> ShopifyQuery
    ) async throws(PullFailure) -> [JSON] {
        var parts = told
        for index in parts.indices {
            guard var part = parts[index].objectValue, let id = part["id"]?.stringValue else {
                throw .unreadable("a part of an order without an id")
            }
            let updatedAt = part["updatedAt"]?.stringValue
            part[list] = try await all(part[list], in: "node", list, as: updatedAt) { next(id, $0) }
            parts[index] = .object(part)
        }
        return parts
    }

    // MARK: Lists with a cursor

    /// All of a list of which the beginning was told, or all. Without cursors: however it was asked for, the same order
    /// is the same text.
    private func all(
        _ told: JSON?,
        in parent: String,
        _ name: String,
        as updatedAt: String?,
        _ next: (String) -> ShopifyQuery
    ) async throws(PullFailure) -> JSON {
        guard var nodes = told?["nodes"]?.arrayValue else { throw .unreadable("no list of an order's") }
        var connection = told
        var seen: Set<String> = []
        while isPart(connection) {
            guard let cursor = connection?["pageInfo"]?["endCursor"]?.stringValue, seen.insert(cursor).inserted else {
                throw .unreadable("a list that does not end")
            }
            let data = try await data(for: next(cursor))
            try check(data[parent], as: updatedAt)
            connection = data[parent]?[name]
            guard let more = connection?["nodes"]?.arrayValue else { throw .unreadable("no rest of a list") }
            nodes += more
        }
        return ["nodes": .array(nodes), "pageInfo": ["hasNextPage": false]]
    }

    /// The rest has to be of the same order, not of what became of it meanwhile.
    private func check(_ part: JSON?, as updatedAt: String?) throws(PullFailure) {
        guard part?["updatedAt"]?.stringValue == updatedAt else { throw .unavailable(Self.changed) }
    }

    private static let changed = "the order was changed while it was read"
}

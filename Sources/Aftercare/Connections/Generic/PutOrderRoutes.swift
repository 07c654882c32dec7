import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/stores/{store_id}/orders/by-external-id/{external_id}`: orders of shops we have no connector for, by the id
/// they have there.
struct PutOrderRoutes {
    let environment: Environment

    private static let path = "/v1/stores/{store_id}/orders/by-external-id/{external_id}"

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .ordersRead), get),
            Route(.put, Self.path, .holder(of: .ordersWrite), body: .json, put),
        ]
    }

    private var orders: OrderRoutes { OrderRoutes(environment: environment) }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let (_, rows) = try await environment.access.find(call) {
            OrderStore.whole(externalID: externalID, store: store, tenant: $0.tenant)
        }
        guard let order = try OrderStore.decodeWhole(rows) else { throw Problem.notFound }
        let reply = Reply.json(version: order.version) { orders.writeWhole(order, to: &$0) }
        return call.unlessMatching(version: order.version, reply)
    }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        try await PutToOrder(environment: environment).put(call) { call in
            let order = try call.decode(PutOrder.init)
            return PutToOrder.Told(
                times: order.times,
                isHistorical: order.isHistorical,
                isWhole: true,
                taken: { known in known.flatMap { order.taken(in: $0) } },
                apply: { known, id, now in order.apply(to: known, of: id, receivedAt: now) }
            )
        }
    }
}

extension Call {
    /// A segment of the path that is somebody else's id, decoded: 1 to 255 characters.
    func externalID(_ name: String = "external_id") throws(Problem) -> String {
        func refuse(_ code: FieldError.Code, _ detail: String) -> Problem {
            var problem = Problem(.invalidParameter, "1 parameter is invalid.")
            problem.errors = [.parameter(name, code: code, detail: detail)]
            return problem
        }
        guard let text = pathParameter(name),
            let id = QueryParameters.decode(text[...], plusIsSpace: false)
        else { throw refuse(.invalidFormat, "is not percent-encoded UTF-8") }
        guard (1...255).contains(id.unicodeScalars.count) else {
            throw refuse(.tooLong, "must have at most 255 characters")
        }
        return id
    }
}

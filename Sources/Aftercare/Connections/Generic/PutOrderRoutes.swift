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
        let (_, rows) = try await environment.access.read(call) {
            OrderStore.whole(externalID: externalID, store: store, tenant: $0.tenant)
        }
        guard let order = try OrderStore.decodeWhole(rows) else { throw Problem.notFound }
        let reply = Reply.json(version: order.version) { orders.writeWhole(order, to: &$0) }
        return call.unlessMatching(version: order.version, reply)
    }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let order = try call.decode(PutOrder.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.time(order.asOf, in: shop, now: now)
            let held = try await OrderMirrorStore.hold(
                externalID,
                tenant: principal.tenant,
                store: store,
                now: now,
                in: transaction
            )
            try PutChecks.match(call, version: held.version, isThere: held.state != nil, "order")
            return try await apply(order, to: held, of: externalID, now: now, in: transaction)
        }
        environment.wakeWorker()
        return reply
    }

    private func apply(
        _ order: PutOrder,
        to held: OrderMirrorStore.Held,
        of externalID: String,
        now: Instant,
        in transaction: Transaction
    ) async throws -> Reply {
        let (outcome, next) = order.apply(to: held.state, of: externalID, receivedAt: now)
        if let next {
            for statement in OrderMirrorStore.save(next.state, over: held, now: now) { transaction.add(statement) }
        }
        let link = next.map { CustomerStore.link($0.state, of: held, source: CustomerStore.Place.api, now: now) }
        for statement in link?.statements ?? [] { transaction.add(statement) }
        let rows = try await transaction.query(OrderStore.whole(held.id, tenant: held.tenant))
        guard let mirrored = try OrderStore.decodeWhole(rows) else { throw UnreadableRow(table: "orders") }
        if let next {
            let raise = OrderMirrorStore.raise(
                next.facts,
                of: held,
                isHistorical: order.isHistorical,
                event: nil,
                now: now
            )
            var follow = FollowTracking()
            follow.add(next.state, over: held, now: now)
            for statement in follow.statements { transaction.add(statement) }
            // They enqueue, and so come last.
            let enqueuing = (link?.last ?? []) + (raise.map { [$0] } ?? []) + follow.last
            for statement in enqueuing { transaction.add(statement) }
        }
        return reply(outcome, mirrored)
    }

    private func reply(_ outcome: PutOrder.Outcome, _ order: Order) -> Reply {
        func write(to object: inout JSONObjectWriter) {
            object.member("outcome", outcome.rawValue)
            object.object("order") { orders.writeWhole(order, to: &$0) }
        }
        return switch outcome {
        case .created: .created(at: "/v1/orders/\(order.id)", version: order.version, write)
        case .updated, .unchanged, .stale: .json(version: order.version, write)
        }
    }
}

extension Call {
    /// The last segment of the path, decoded: 1 to 255 characters.
    func externalID() throws(Problem) -> String {
        func refuse(_ code: FieldError.Code, _ detail: String) -> Problem {
            var problem = Problem(.invalidParameter, "1 parameter is invalid.")
            problem.errors = [.parameter("external_id", code: code, detail: detail)]
            return problem
        }
        guard let text = pathParameters["external_id"],
            let id = QueryParameters.decode(text[...], plusIsSpace: false)
        else { throw refuse(.invalidFormat, "is not percent-encoded UTF-8") }
        guard (1...255).contains(id.unicodeScalars.count) else {
            throw refuse(.tooLong, "must have at most 255 characters")
        }
        return id
    }
}

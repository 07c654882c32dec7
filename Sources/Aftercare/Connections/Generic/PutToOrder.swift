import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// The one way of everything that is put about an order by its id in the shop, all of it or a part: the order is held, or
/// its place made; what is told is applied; facts are raised and people told; the answer has the order as it is.
struct PutToOrder {
    let environment: Environment

    /// A body that was read, and what it makes of what is known.
    struct Told {
        /// What decides between two bodies, and between this and what is told later.
        let times: [ToldTime]
        let isHistorical: Bool
        /// It is all of the order, and so also says whose it is.
        var isWhole = false
        /// What it tells and what is known to be somebody else's.
        var taken: (_ known: OrderState?) -> [FieldError]? = { _ in nil }
        /// Nothing comes next where it changes nothing.
        let apply: (_ known: OrderState?, _ order: String, _ now: Instant) -> (PutOrder.Outcome, OrderMirror.Outcome?)
    }

    private var orders: OrderRoutes { OrderRoutes(environment: environment) }

    func put(_ call: Call, _ read: (Call) throws -> Told) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let told = try read(call)
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.times(told.times, in: shop, now: now)
            let held = try await OrderMirrorStore.hold(
                externalID,
                tenant: principal.tenant,
                store: store,
                now: now,
                in: transaction
            )
            try PutChecks.match(call, version: held.version, isThere: held.state != nil, "order")
            if let taken = told.taken(held.state) { throw Problem(FieldErrors(taken)) }
            let (outcome, order) = try await apply(told, to: held, of: externalID, now: now, in: transaction)
            return self.reply(outcome, order)
        }
        environment.wakeWorker()
        return reply
    }

    /// - Parameter origin: the public id of who told it, where that is a person.
    func apply(
        _ told: Told,
        to held: OrderMirrorStore.Held,
        of externalID: String,
        by origin: String? = nil,
        now: Instant,
        in transaction: Transaction
    ) async throws -> (PutOrder.Outcome, Order) {
        let (outcome, next) = told.apply(held.state, externalID, now)
        if let next {
            for statement in OrderMirrorStore.save(next.state, over: held, now: now) { transaction.add(statement) }
        }
        let whole = told.isWhole ? next : nil
        let link = whole.map { CustomerStore.link($0.state, of: held, source: CustomerStore.Place.api, now: now) }
        for statement in link?.statements ?? [] { transaction.add(statement) }
        let rows = try await transaction.query(OrderStore.whole(held.id, tenant: held.tenant))
        guard let mirrored = try OrderStore.decodeWhole(rows) else { throw UnreadableRow(table: "orders") }
        if let next {
            let raise = OrderMirrorStore.raise(
                next.facts,
                of: held,
                isHistorical: told.isHistorical,
                event: nil,
                now: now
            )
            var follow = FollowTracking()
            follow.add(next.state, over: held, by: origin, now: now)
            for statement in follow.statements { transaction.add(statement) }
            // They enqueue, and so come last.
            let enqueuing = (link?.last ?? []) + (raise.map { [$0] } ?? []) + follow.last
            for statement in enqueuing { transaction.add(statement) }
        }
        return (outcome, mirrored)
    }

    private func reply(_ outcome: PutOrder.Outcome, _ order: Order) -> Reply {
        .put(outcome, at: "/v1/orders/\(order.id)", version: order.version) { object in
            object.object("order") { orders.writeWhole(order, to: &$0) }
        }
    }
}

extension Reply {
    /// What became of a body that was put, and then the thing as it is now; 201 where it was made.
    static func put(
        _ outcome: PutOrder.Outcome,
        at location: String,
        version: Int64,
        _ write: (inout JSONObjectWriter) -> Void
    ) -> Reply {
        func whole(to object: inout JSONObjectWriter) {
            object.member("outcome", outcome.rawValue)
            write(&object)
        }
        return switch outcome {
        case .created: .created(at: location, version: version, whole)
        case .updated, .unchanged, .stale: .json(version: version, whole)
        }
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `PUT /v1/stores/{store_id}/returns/by-external-id/{external_id}`: returns of shops we have no connector for, and
/// what a warehouse counted of any shop's.
struct PutReturnRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(
                .put,
                "/v1/stores/{store_id}/returns/by-external-id/{external_id}",
                .holder(of: .ordersWrite),
                body: .json,
                put
            )
        ]
    }

    private var returns: ReturnRoutes { ReturnRoutes(environment: environment) }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let externalID = try call.externalID()
        let body = try call.decode(PutReturn.init)
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let shop = try await PutChecks.store(store, of: principal.tenant, in: transaction)
            try PutChecks.times([.asOf(body.asOf)], in: shop, now: now)
            let held = try await ReturnStore.hold(
                externalID,
                tenant: principal.tenant,
                store: store,
                now: now,
                in: transaction
            )
            try check(call, body, against: held)
            let apply = ApplyReturn(
                tenant: principal.tenant,
                store: shop,
                receivedAt: now,
                isHistorical: body.isHistorical,
                now: now
            )
            let change = ReturnChange(externalID: externalID, order: body.order, statement: body.statement)
            let applied = try await apply.apply(change, to: held, in: transaction)
            let rows = try await transaction.query(
                ReturnStore.return(held.id, tenant: principal.tenant),
                ReturnStore.lines(held.id, tenant: principal.tenant)
            )
            guard let mirrored = try rows[0].first.map(ReturnStore.decode) else {
                throw UnreadableRow(table: "returns")
            }
            let lines = try rows[1].map(ReturnStore.decodeLine)
            // They enqueue, and so come last.
            for statement in applied.last { transaction.add(statement) }
            return answer(body.outcome(held.state, applied.state), mirrored, lines)
        }
        environment.wakeWorker()
        return reply
    }

    private func check(_ call: Call, _ body: PutReturn, against held: ReturnStore.Held) throws(Problem) {
        try PutChecks.match(call, version: held.version, isThere: held.state != nil, "return")
        if held.order == nil, body.order == nil {
            throw Problem.field(
                "#/order_external_id",
                .required,
                "is required until it is known which order the return is of"
            )
        }
        if let order = held.order, let named = body.order, order != named {
            throw Problem.field("#/order_external_id", .unknownValue, "is not the order that the return is of")
        }
    }

    private func answer(
        _ outcome: PutOrder.Outcome,
        _ mirrored: MirroredReturn,
        _ lines: [MirroredReturn.Line]
    ) -> Reply {
        .put(outcome, at: "/v1/returns/\(mirrored.id)", version: mirrored.version) { object in
            object.object("return") { returns.write(mirrored, lines, to: &$0) }
        }
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `PATCH /v1/orders/{order_id}`: what a person found out about an order's risk. All else of an order is its shop's to say.
struct OrderRiskRoutes {
    let environment: Environment

    var routes: [Route] {
        [Route(.patch, "/v1/orders/{order_id}", .holder(of: .ordersWrite), body: .mergePatch, update)]
    }

    private var orders: OrderRoutes { OrderRoutes(environment: environment) }

    private struct Word {
        let level: RiskLevel
        let reasons: [String]

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (level, reasons) = try body.finish(
                body.required("level", .choice()),
                body.optional("reasons", .reasons).map { $0 ?? [] }
            )
        }
    }

    @Sendable private func update(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let risk = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.patch("risk", .object(Word.init)))
        }
        let reply = try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let rows = try await transaction.query(TrackerStore.order(id.uuid, tenant: principal.tenant.uuid))
            guard let (store, externalID) = try rows[0].first?.decode((UUID, String).self) else {
                throw Problem.notFound
            }
            let shop = try await PutChecks.store(StoreID(store), of: principal.tenant, in: transaction)
            let held = try await OrderMirrorStore.hold(
                externalID,
                tenant: principal.tenant,
                store: shop.id,
                now: now,
                in: transaction
            )
            guard let known = held.state else { throw Problem.notFound }
            try call.checkMatch(version: held.version)
            let next = Self.state(known, risk, at: known.timeOfPersonsWord(shop.now(now)))
            // That a person looked at it does not make an imported order a living one: only the shop does.
            let told = PutToOrder.Told(times: [], isHistorical: known.isHistorical) { _, _, _ in
                (.updated, OrderMirror.Outcome(state: next, facts: [], regressions: []))
            }
            let (_, order) = try await PutToOrder(environment: environment).apply(
                told,
                to: held,
                of: externalID,
                by: principal.name,
                now: now,
                in: transaction
            )
            return .json(version: order.version) { orders.writeWhole(order, to: &$0) }
        }
        environment.wakeWorker()
        return reply
    }

    private static func state(_ known: OrderState, _ risk: Patch<Word>, at instant: Instant) -> OrderState {
        var state = known
        switch risk {
        case .absent: break
        case .null: state.risks[OrderState.person] = nil
        case .value(let word):
            let json: JSON = [
                "level": .string(word.level.rawValue), "reasons": .array(word.reasons.map { .string($0) }),
            ]
            state.risks[OrderState.person] = RiskAssessment(
                level: word.level,
                reasons: word.reasons,
                assessedAt: instant,
                stamp: Stamp(at: instant, json: json)
            )
        }
        state.settleRedaction()
        return state
    }
}

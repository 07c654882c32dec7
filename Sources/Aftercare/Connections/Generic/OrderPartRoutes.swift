import FoundationEssentials
import HTTPTypes
import JSON
import Time

/// What is told of an order in parts, by whoever knows that part: a warehouse of a parcel, a payment provider of a refund,
/// a fraud service of the risk. Any of them may be the first to name the order, which then has a place and no more.
struct OrderPartRoutes {
    let environment: Environment

    private static let order = "/v1/stores/{store_id}/orders/by-external-id/{external_id}"

    var routes: [Route] {
        [
            Route(
                .put,
                "\(Self.order)/shipments/{shipment_external_id}",
                .holder(of: .ordersWrite),
                body: .json,
                putShipment
            ),
            Route(
                .post,
                "\(Self.order)/shipments/{shipment_external_id}/tracking-events",
                .holder(of: .ordersWrite),
                body: .json,
                addTracking
            ),
            Route(
                .put,
                "\(Self.order)/refunds/{refund_external_id}",
                .holder(of: .ordersWrite),
                body: .json,
                putRefund
            ),
            Route(.put, "\(Self.order)/risk", .holder(of: .ordersWrite), body: .json, putRisk),
        ]
    }

    private var parts: PutToOrder { PutToOrder(environment: environment) }

    @Sendable private func putShipment(_ call: Call) async throws -> Reply {
        try await parts.put(call) { call in
            let id = try call.externalID("shipment_external_id")
            let told = try call.decode { (body) throws(FieldErrors) in try PutShipment(&body, id) }
            return PutToOrder.Told(times: told.times, isHistorical: told.isHistorical) { known, order, now in
                told.apply(to: known, of: order, receivedAt: now)
            }
        }
    }

    @Sendable private func addTracking(_ call: Call) async throws -> Reply {
        try await parts.put(call) { call in
            let id = try call.externalID("shipment_external_id")
            let told = try call.decode(PutTracking.init)
            return PutToOrder.Told(times: told.times, isHistorical: told.isHistorical) { known, order, now in
                told.apply(to: known, of: order, shipment: id, receivedAt: now)
            }
        }
    }

    @Sendable private func putRefund(_ call: Call) async throws -> Reply {
        try await parts.put(call) { call in
            let id = try call.externalID("refund_external_id")
            let told = try call.decode { (body) throws(FieldErrors) in try PutRefund(&body, id) }
            return PutToOrder.Told(
                times: [.asOf(told.asOf)],
                isHistorical: told.isHistorical,
                taken: { known in known.flatMap { told.refund.taken(in: $0, at: []) } },
                apply: { known, order, now in told.apply(to: known, of: order, receivedAt: now) }
            )
        }
    }

    @Sendable private func putRisk(_ call: Call) async throws -> Reply {
        try await parts.put(call) { call in
            let told = try call.decode(PutRisk.init)
            return PutToOrder.Told(times: [.asOf(told.asOf)], isHistorical: told.isHistorical) { known, order, now in
                told.apply(to: known, of: order, receivedAt: now)
            }
        }
    }
}

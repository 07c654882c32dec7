import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `/v1/stores/{store_id}/watermark`: up to when a shop that only pushes has told us all there was.
struct WatermarkRoutes {
    let environment: Environment

    private static let path = "/v1/stores/{store_id}/watermark"

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .ordersRead), get),
            Route(.put, Self.path, .holder(of: .ordersWrite), body: .json, put),
        ]
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let (_, rows) = try await environment.access.find(call) {
            [TenantStore.store(store, tenant: $0.tenant), WatermarkStore.watermark(of: store, tenant: $0.tenant)]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        return reply(store, try rows[1].first.map(WatermarkStore.decode))
    }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let store = try call.id("store_id", StoreKind.self)
        let told = try call.decode { (body) throws(FieldErrors) in
            try body.finish(body.required("complete_as_of", .instant { Instant(rfc3339: $0) }))
        }
        return try await environment.access.write(call) { transaction, principal in
            let now = environment.clock.now()
            let stores = try await transaction.query(TenantStore.store(store, tenant: principal.tenant))
            guard let shop = try stores[0].first.map(TenantStore.decode) else { throw Problem.notFound }
            guard told <= shop.now(now) + PutOrder.reach else {
                throw Problem.field("#/complete_as_of", .outOfRange, ToldTime.tooFarAhead)
            }
            let rows = try await transaction.query(
                WatermarkStore.move(store, tenant: principal.tenant, to: told, now: now),
                WatermarkStore.watermark(of: store, tenant: principal.tenant)
            )
            guard let watermark = try rows[1].first.map(WatermarkStore.decode) else {
                throw UnreadableRow(table: "store_watermarks")
            }
            guard watermark.completeAsOf <= told else {
                throw Problem(
                    .stateConflict,
                    "The watermark only moves forwards, and stands at \(watermark.completeAsOf.rfc3339)."
                )
            }
            return reply(store, watermark)
        }
    }

    private func reply(_ store: StoreID, _ watermark: Watermark?) -> Reply {
        .json { object in
            object.member("store_id", store)
            object.member("complete_as_of", watermark?.completeAsOf)
            object.member("updated_at", watermark?.updatedAt)
        }
    }
}

/// How far a shop's word goes: what is not known by now, was not there by then.
struct Watermark: Hashable, Sendable {
    let completeAsOf: Instant
    /// When it was last moved.
    let updatedAt: Instant
}

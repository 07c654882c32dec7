import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/orders/{order_id}/refresh`: compares an order with its shop at once.
struct RefreshRoutes {
    let environment: Environment

    private static let path = "/v1/orders/{order_id}/refresh"

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .ordersRead), get),
            Route(.post, Self.path, .holder(of: .ordersRefresh), begin),
        ]
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [TimelineStore.order(id, tenant: $0.tenant), RefreshStore.refresh(id, tenant: $0.tenant)]
        }
        guard !rows[0].isEmpty else { throw Problem.notFound }
        let refresh = try rows[1].first.map(RefreshStore.decode)
        return .json { Refresh.write(refresh, of: id, to: &$0) }
    }

    /// One that runs is enough for everybody who waits.
    @Sendable private func begin(_ call: Call) async throws -> Reply {
        let id = try call.id("order_id", OrderKind.self)
        let reply = try await environment.access.write(call) { transaction, principal in
            let tenant = principal.tenant
            let rows = try await transaction.query(
                TimelineStore.order(id, tenant: tenant),
                RefreshStore.refresh(id, tenant: tenant),
                PullStore.connection(for: id, tenant: tenant)
            )
            guard !rows[0].isEmpty else { throw Problem.notFound }
            guard let row = rows[2].first else {
                throw Problem(
                    .stateConflict,
                    "No connection that has told of the order is in use and has credentials to ask with."
                )
            }
            let (connection, store): (UUID, UUID) = try (row("id"), row("store_id"))
            let now = environment.clock.now()
            var refresh = try rows[1].first.map(RefreshStore.decode)
            if refresh?.isUnderWay(now) != true {
                let new = Refresh(
                    order: id,
                    store: StoreID(store),
                    connection: ConnectionID(connection),
                    requestedAt: now
                )
                transaction.add(RefreshStore.begin(new, tenant: tenant))
                refresh = new
            }
            if let refresh {
                let job = RefreshOrder.job(refresh, tenant: tenant, at: now)
                transaction.add(JobStore.enqueueCoalescing(job, now: now))
            }
            var reply = Reply.json(.accepted) { Refresh.write(refresh, of: id, to: &$0) }
            reply.headers[.location] = "/v1/orders/\(id)/refresh"
            reply.headers[.retryAfter] = "1"
            return reply
        }
        environment.wakeWorker()
        return reply
    }
}

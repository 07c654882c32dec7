import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// A parcel that is on its way, and of which nothing was heard for too long.
struct SilentShipment: Sendable {
    let id: ShipmentID
    let order: OrderID
    let externalID: String
    let orderNumber: String?
    let carrier: String?
    let trackingNumber: String?
    let status: ShipmentStatus
    let lastEventAt: Instant
    /// Nobody looks after its order: it was imported, or the shop has deleted it.
    let isLeft: Bool
}

/// A store's night has come: tells people of parcels of which nothing was heard for as many days as the store's policy
/// says. Its subject is the store.
///
/// Once for each silence: the row says that it was told, and forgets it with the next event of the carrier.
struct FindSilentShipments {
    static let kind = "find_silent_shipments"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    static func job(for store: UUID, tenant: UUID, now: Instant) -> NewJob {
        NewJob(tenant: tenant, id: .v7(), store: store, kind: kind, subject: store, runAt: now)
    }

    /// What began longer ago is no news: a shop that was connected just now tells of parcels of years.
    static let reach = Duration.seconds(90 * 86_400)

    static let page = 200

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let settings = environment.settings(for: job.tenant)
        let (tenant, storeID) = (TenantID(job.tenant), StoreID(job.subject))
        let rows = try await environment.pool.transaction(
            settings,
            TenantStore.store(storeID, tenant: tenant),
            PolicyStore.current(of: storeID, tenant: tenant)
        )
        guard let store = try rows[0].first.map(TenantStore.decode) else { return .done }
        let policy = try rows[1].first.map(PolicyStore.decode)?.policy ?? .initial
        let days = policy.tracking.silentAfterDays
        let now = store.now(environment.clock.now())
        let limit = now - .seconds(days * 86_400)
        var after: (at: Instant, id: UUID) = (limit - Self.reach, .firstV7(at: limit - Self.reach))
        var told = 0
        while true {
            let found = try await environment.pool.transaction(
                settings,
                SilentShipmentStore.silent(storeID, tenant: tenant, after: after, before: limit, limit: Self.page)
            )
            let shipments = try found[0].map(SilentShipmentStore.decode)
            for shipment in shipments where !shipment.isLeft {
                if try await tell(shipment, tenant: tenant, days: days) { told += 1 }
            }
            guard shipments.count == Self.page, let last = shipments.last else { break }
            after = (last.lastEventAt, last.id.uuid)
        }
        if told > 0 {
            environment.logger.info("found silent parcels", metadata: ["store": "\(storeID)", "count": "\(told)"])
            environment.wakeWorker()
        }
        return .done
    }

    /// False where something was heard meanwhile, or another worker was faster.
    private func tell(_ shipment: SilentShipment, tenant: TenantID, days: Int) async throws -> Bool {
        try await environment.pool.withTransaction(environment.settings(for: tenant.uuid)) { transaction in
            let rows = try await transaction.query(
                SilentShipmentStore.lockOrder(of: shipment, tenant: tenant),
                SilentShipmentStore.mark(shipment, tenant: tenant)
            )
            guard rows[1].affected == 1 else { return false }
            var follow = FollowTracking()
            follow.add(Escalation(silent: shipment, days: days), tenant: tenant, now: environment.clock.now())
            for statement in follow.statements + follow.last { transaction.add(statement) }
            return true
        }
    }
}

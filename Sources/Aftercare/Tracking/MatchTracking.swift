import FoundationEssentials
import Jobs
import Postgres
import Time

/// The job that tells an order's shipments what tracking providers said of their numbers before the shop told of them.
/// Its subject is the order. Applying twice changes nothing.
struct MatchTracking {
    static let kind = "match_tracking"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let wakes = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let now = environment.clock.now()
            try await JobStore.finish(job, in: transaction, now: now)
            let rows = try await transaction.query(TrackerStore.order(job.subject, tenant: job.tenant))
            guard let row = rows[0].first else { return false }
            let (store, order) = try row.decode((UUID, String).self)
            let (tenantID, storeID) = (TenantID(job.tenant), StoreID(store))
            let shipments = try await transaction.query(
                OrderStore.shipments(externalID: order, store: storeID, tenant: tenantID)
            )
            let numbers = try OrderStore.decodeShipments(shipments[0]).compactMap(\.shipment.number)
            guard !numbers.isEmpty else { return false }
            let found = try await transaction.query(
                TrackerStore.trackers(Set(numbers).sorted(), tenant: tenantID, store: storeID)
            )
            let trackers = try found[0].map(TrackerStore.decode)
            guard !trackers.isEmpty else { return false }
            var matched = Matched()
            try await matched.apply(trackers, to: order, tenant: tenantID, store: storeID, now: now, in: transaction)
            for statement in matched.follow.statements { transaction.add(statement) }
            let last = matched.raises + matched.follow.last
            for statement in last { transaction.add(statement) }
            return !last.isEmpty
        }
        if wakes { environment.wakeWorker() }
        return .finished
    }
}

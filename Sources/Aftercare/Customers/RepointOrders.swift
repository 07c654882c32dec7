import FoundationEssentials
import Jobs
import Postgres
import Time

/// The job that moves the orders of customers who were merged to the one they were merged into. Its subject is that one.
///
/// Some orders at a time, so that nobody else waits for long; doing it twice changes nothing. Until it is done their own
/// rows lead to the right customer, and so reads do too.
struct RepointOrders {
    static let kind = "repoint_orders"
    private static let batch = 200
    /// How long an order may be held by somebody else before it is looked at again.
    private static let pause = Duration.seconds(1)

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind) { try await run($0) } }

    static func job(into target: CustomerID, tenant: TenantID, store: StoreID, now: Instant) -> NewJob {
        NewJob(tenant: tenant.uuid, id: .v7(), store: store.uuid, kind: kind, subject: target.uuid, runAt: now)
    }

    private func run(_ job: Job) async throws -> JobOutcome {
        let (tenant, target, now) = (TenantID(job.tenant), CustomerID(job.subject), environment.clock.now())
        let rows = try await environment.pool.transaction(
            environment.settings(for: job.tenant),
            CustomerStore.repoint(into: target, limit: Self.batch, tenant: tenant, now: now),
            CustomerStore.left(into: target, tenant: tenant)
        )
        if rows[1].isEmpty { return .done }
        return .again(at: rows[0].affected == Self.batch ? now : now + Self.pause)
    }
}

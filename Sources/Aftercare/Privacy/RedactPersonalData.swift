import FoundationEssentials
import Jobs
import Postgres
import Time

/// The job that carries a redaction out. Its subject is the request.
///
/// Some rows at a time, each lot in a transaction that also notes how far it is: a program that dies goes on where the
/// last lot ended, and erasing twice erases nothing more.
struct RedactPersonalData {
    static let kind = "redact_personal_data"
    private static let batch = 50

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind) { try await run($0) } }

    static func job(for request: PrivacyRequest, tenant: TenantID, now: Instant) -> NewJob {
        NewJob(
            tenant: tenant.uuid,
            id: .v7(),
            store: request.store.uuid,
            kind: kind,
            subject: request.id.uuid,
            runAt: now
        )
    }

    private func run(_ job: Job) async throws -> JobOutcome {
        let (tenant, now) = (TenantID(job.tenant), environment.clock.now())
        let isDone = try await environment.pool.withTransaction(environment.settings(for: job.tenant)) { transaction in
            let rows = try await transaction.query(PrivacyStore.lock(ID(job.subject), tenant: tenant))
            guard var request = try rows[0].first.map(PrivacyStore.decode), request.state == .open,
                let step = request.step, let subject = request.subject
            else { return true }
            let connections = try await transaction.query(
                request.kind == .storeRedaction
                    ? ConnectionStore.lock(request.connection, tenant: tenant)
                    : ConnectionStore.connection(request.connection, tenant: tenant)
            )
            guard let connection = try connections[0].first.map(ConnectionStore.decode) else {
                throw UnreadableRow(table: "connections")
            }
            if request.kind == .storeRedaction, connection.state == .active {
                // It came back in the middle of it.
                request.end(as: .notCarriedOut, because: .connectionInUse, at: now)
            } else {
                var person: PrivacyStore.Person?
                if request.kind == .customerRedaction {
                    let people = try await transaction.query(
                        PrivacyStore.people(
                            subject,
                            tenant: tenant,
                            store: request.store,
                            source: connection.provider.rawValue
                        )
                    )
                    person = PrivacyStore.Person(orders: subject.orders, ids: try people[0].decode(UUID.self))
                }
                let scope = PrivacyStore.Scope(tenant: tenant, store: request.store, person: person)
                try await erase(step, of: &request, scope, now, in: transaction)
            }
            request.version += 1
            request.updatedAt = now
            transaction.add(PrivacyStore.update(request, tenant: tenant))
            return request.state != .open
        }
        return isDone ? .done : .again(at: now)
    }

    /// One lot of a step, or the change to the next one.
    private func erase(
        _ step: PrivacyRequest.Step,
        of request: inout PrivacyRequest,
        _ scope: PrivacyStore.Scope,
        _ now: Instant,
        in transaction: Transaction
    ) async throws {
        let next =
            switch step {
            case .orders: PrivacyStore.orders(scope, after: request.after, limit: Self.batch)
            case .customers: PrivacyStore.customers(scope, after: request.after, limit: Self.batch)
            case .events: PrivacyStore.events(scope, after: request.after, limit: Self.batch)
            case .tickets: PrivacyStore.tickets(scope, after: request.after, limit: Self.batch)
            }
        let ids = try await transaction.query(next)[0].decode(UUID.self)
        guard let last = ids.last else {
            request.after = nil
            switch step {
            case .orders: request.step = .customers
            case .customers where scope.person == nil: request.step = .events
            case .events: request.step = .tickets
            case .customers, .tickets:
                // The webhook that asked names the person too.
                transaction.add(PrivacyStore.redact(events: [request.event.uuid], tenant: scope.tenant, now: now))
                request.end(as: .done, at: now)
            }
            return
        }
        request.after = last
        let work: [(counted: String?, statement: SQL)] =
            switch step {
            case .orders: PrivacyStore.redact(orders: ids, tenant: scope.tenant, now: now)
            case .customers: PrivacyStore.redact(customers: ids, tenant: scope.tenant, now: now)
            case .events: [("inbound_events", PrivacyStore.redact(events: ids, tenant: scope.tenant, now: now))]
            case .tickets: PrivacyStore.redact(tickets: ids, tenant: scope.tenant, now: now)
            }
        let rows = try await transaction.query(work.map(\.statement))
        for (index, item) in work.enumerated() {
            if let name = item.counted { request.count(name, rows[index].affected) }
        }
    }
}

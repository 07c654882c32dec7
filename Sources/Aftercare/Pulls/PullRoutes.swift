import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/connections/{connection_id}/pulls`: how far asking the shop is, and a run at once.
struct PullRoutes {
    let environment: Environment

    private static let path = "/v1/connections/{connection_id}/pulls"

    var routes: [Route] {
        [
            Route(.get, Self.path, .holder(of: .connectionsRead), get),
            Route(.post, Self.path, .holder(of: .connectionsWrite), body: .json, begin),
        ]
    }

    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let (_, rows) = try await environment.access.read(call) {
            [ConnectionStore.connection(id, tenant: $0.tenant), PullStore.pulls(of: id, tenant: $0.tenant)]
        }
        guard let connection = try rows[0].first.map(ConnectionStore.decode) else { throw Problem.notFound }
        return answer(connection, try rows[1].map(PullStore.decode))
    }

    private struct Begin {
        let kind: Pull.Kind

        init(_ body: inout FieldReader) throws(FieldErrors) {
            kind = try body.finish(body.required("kind", .choice(Pull.Kind.self)))
        }
    }

    /// One that is under way goes on; one that waits for its time, or for its next try, does not wait any longer.
    @Sendable private func begin(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let kind = try call.decode(Begin.init).kind
        let reply = try await environment.access.write(call) { transaction, principal in
            let tenant = principal.tenant
            let rows = try await transaction.query(
                ConnectionStore.connection(id, tenant: tenant),
                PullStore.pulls(of: id, tenant: tenant)
            )
            guard let connection = try rows[0].first.map(ConnectionStore.decode) else { throw Problem.notFound }
            guard connection.credentialsSetAt != nil, connection.state == .active else {
                throw Problem(.stateConflict, "It is not in use, or has no credentials to ask the shop with.")
            }
            let now = environment.clock.now()
            let job = PullOrders.job(kind, of: id, store: connection.store, tenant: tenant, at: now)
            transaction.add(JobStore.enqueueCoalescing(job, now: now))
            return answer(connection, try rows[1].map(PullStore.decode), status: .accepted)
        }
        environment.wakeWorker()
        return reply
    }

    private func answer(_ connection: Connection, _ pulls: [Pull], status: HTTPResponse.Status = .ok) -> Reply {
        .json(status) { object in
            object.member("connection_id", connection.id)
            object.member("credentials_set_at", connection.credentialsSetAt)
            for kind in Pull.Kind.allCases {
                let pull = pulls.first { $0.kind == kind } ?? Pull(kind)
                object.object(kind.rawValue) { pull.write(to: &$0) }
            }
        }
    }
}

extension Pull {
    fileprivate func write(to object: inout JSONObjectWriter) {
        object.member("started_at", startedAt)
        object.member("since", since)
        object.member("newest_seen", newestSeen)
        object.member("pages", counts.pages)
        object.member("orders", counts.orders)
        object.member("changed", counts.changed)
        object.member("missing", counts.missing)
        object.member("last_succeeded_at", lastSucceededAt)
        object.member("last_failed_at", lastFailedAt)
        object.member("failure", failure?.rawValue)
        object.member("failure_detail", failureDetail)
        object.member("failures", failures)
        object.member("next_at", nextAt)
    }
}

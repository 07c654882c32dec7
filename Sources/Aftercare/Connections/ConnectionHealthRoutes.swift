import FoundationEssentials
import HTTPTypes
import JSON
import Postgres
import Time

/// `GET /v1/connections/{connection_id}/health`.
struct ConnectionHealthRoutes {
    let environment: Environment

    var routes: [Route] {
        [Route(.get, "/v1/connections/{connection_id}/health", .holder(of: .connectionsRead), get)]
    }

    /// As of now, and not as of the last check.
    @Sendable private func get(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let now = environment.clock.now()
        let (_, rows) = try await environment.access.read(call) {
            [
                ConnectionStore.connection(id, tenant: $0.tenant),
                ConnectionHealthStore.check(of: id, tenant: $0.tenant),
            ] + ConnectionHealthStore.evidence(of: id, tenant: $0.tenant, now: now)
        }
        guard let connection = try rows[0].first.map(ConnectionStore.decode) else { throw Problem.notFound }
        let check = try rows[1].first.map(ConnectionHealthStore.decodeCheck)
        let evidence = try ConnectionHealthStore.decodeEvidence(rows.dropFirst(2))
        let health = ConnectionHealth(connection, evidence, now: now)
        return .json { object in
            object.member("connection_id", connection.id)
            health.write(to: &object)
            object.member("checked_at", check?.checkedAt)
            object.member("as_of", now)
        }
    }
}

extension ConnectionHealth {
    fileprivate func write(to object: inout JSONObjectWriter) {
        object.member("state", state.rawValue)
        object.array("reasons", findings) { writer, finding in
            writer.object { object in
                object.member("reason", finding.reason.rawValue)
                object.member("state", finding.state.rawValue)
                object.member("since", finding.since)
                object.member("detail", finding.detail)
            }
        }
        object.member("last_event_at", lastEventAt)
        object.member("events_per_day", rhythm?.eventsPerDay)
        object.member("silent_after_seconds", rhythm.map { $0.silentAfter.components.seconds })
        object.member("refused_last_day", refusedLastDay)
    }
}

import FoundationEssentials
import HTTPTypes
import JSON
import Jobs
import Postgres
import Time

/// `/v1/connections/{connection_id}/credentials`: what a shop is asked with. Written, never read.
struct CredentialRoutes {
    let environment: Environment

    private static let path = "/v1/connections/{connection_id}/credentials"

    var routes: [Route] {
        [
            Route(.put, Self.path, .holder(of: .credentialsWrite), body: .json, put),
            Route(.delete, Self.path, .holder(of: .credentialsWrite), delete),
        ]
    }

    @Sendable private func put(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        let reply = try await environment.access.write(call) { transaction, principal in
            let tenant = principal.tenant
            let rows = try await transaction.query(ConnectionStore.lock(id, tenant: tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            var connection = try ConnectionStore.decode(row)
            try call.checkMatch(version: connection.version)
            guard let read = connection.provider.credentials else {
                throw Problem(.stateConflict, "Nobody is asked at this provider: it sends what it knows.")
            }
            let credentials = try call.decode(read)
            let place = ShopCredentials.place(of: id, tenant: tenant)
            let sealed = try environment.masterKey.seal(credentials.bytes, for: place)
            let now = environment.clock.now()
            connection.version += 1
            (connection.updatedAt, connection.credentialsSetAt) = (now, now)
            transaction.add(PullStore.setCredentials(connection, sealed: sealed))
            // Jobs before pulls, as whoever works on them has it: the other way round they wait for each other.
            for statement in PullOrders.beginning(connection, now: now) { transaction.add(statement) }
            transaction.add(PullStore.forgive(id, store: connection.store, tenant: tenant, now: now))
            return .json(version: connection.version) {
                ConnectionRoutes(environment: environment).write(connection, to: &$0)
            }
        }
        environment.wakeWorker()
        return reply
    }

    /// The jobs find none the next time, and end.
    @Sendable private func delete(_ call: Call) async throws -> Reply {
        let id = try call.id("connection_id", ConnectionKind.self)
        return try await environment.access.write(call) { transaction, principal in
            let rows = try await transaction.query(ConnectionStore.lock(id, tenant: principal.tenant))
            guard let row = rows[0].first else { throw Problem.notFound }
            var connection = try ConnectionStore.decode(row)
            try call.checkMatch(version: connection.version)
            guard connection.credentialsSetAt != nil else { return .noContent }
            connection.version += 1
            (connection.updatedAt, connection.credentialsSetAt) = (environment.clock.now(), nil)
            transaction.add(PullStore.setCredentials(connection, sealed: nil))
            return .noContent
        }
    }
}

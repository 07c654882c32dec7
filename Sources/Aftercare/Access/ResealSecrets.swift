import FoundationEssentials
import Jobs
import Logging
import Postgres
import Time

/// While one secret key replaces another: seals a store's secrets under the new one. Its subject is the store. Every
/// night does so, and so after one night nothing needs the former key any more.
struct ResealSecrets {
    static let kind = "reseal_secrets"

    let environment: Environment

    var handler: JobHandler { JobHandler(Self.kind, run: run) }

    static func job(for store: UUID, tenant: UUID, now: Instant) -> NewJob {
        NewJob(tenant: tenant, id: .v7(), store: store, kind: kind, subject: store, runAt: now)
    }

    @Sendable private func run(_ job: Job) async throws -> JobOutcome {
        let count = try await reseal(job.subject, tenant: job.tenant)
        if count > 0 {
            environment.logger.info(
                "sealed under the new key",
                metadata: ["tenant": "\(TenantID(job.tenant))", "rows": "\(count)"]
            )
        }
        return .done
    }

    /// Harmless at any time. How many connections, and endpoints for commands, had something sealed under another key.
    func reseal(_ store: UUID, tenant: UUID) async throws -> Int {
        try await environment.pool.withTransaction(environment.settings(for: tenant)) { transaction in
            // A store has a handful.
            let rows = try await transaction.query(
                PullStore.sealed(of: store, tenant: tenant),
                CommandEndpointStore.lock(of: StoreID(store), tenant: TenantID(tenant))
            )
            var count = 0
            if let endpoint = try rows[1].first.map(CommandEndpointStore.decode),
                let resealed = try endpoint.resealed(TenantID(tenant), environment.masterKey)
            {
                count += 1
                transaction.add(CommandEndpointStore.save(resealed, tenant: TenantID(tenant)))
            }
            for index in 0..<rows[0].count {
                let (uuid, secret, previous, credentials) = try rows[0][index].decode(
                    (UUID, Bytea, Bytea?, Bytea?).self
                )
                let id = ConnectionID(uuid)
                let place = Connection.place(of: id, tenant: TenantID(tenant))
                let credentialsPlace = ShopCredentials.place(of: id, tenant: TenantID(tenant))
                let new = try (
                    environment.masterKey.reseal(secret.bytes, for: place),
                    previous.flatMap { try environment.masterKey.reseal($0.bytes, for: place) },
                    credentials.flatMap { try environment.masterKey.reseal($0.bytes, for: credentialsPlace) }
                )
                guard new.0 != nil || new.1 != nil || new.2 != nil else { continue }
                count += 1
                transaction.add(
                    PullStore.reseal(
                        uuid,
                        tenant: tenant,
                        secret: new.0 ?? secret.bytes,
                        previous: new.1 ?? previous?.bytes,
                        credentials: new.2 ?? credentials?.bytes
                    )
                )
            }
            return count
        }
    }
}

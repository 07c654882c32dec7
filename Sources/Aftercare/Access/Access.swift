import FoundationEssentials
import HTTPTypes
import Postgres
import Time

/// The way to a tenant's data: every authenticated request reads or writes through here, so that the credential is
/// checked in the same transaction, and row level security is set to the credential's tenant and store.
struct Access: Sendable {
    let pool: Pool
    let clock: DatabaseClock
    let limits: RateLimits
    let life: SessionLife

    // MARK: Reading

    /// One round trip: the credential and every statement. The answers are looked at only once the credential holds.
    func read(
        _ call: Call,
        _ statements: (Credential) throws -> [SQL]
    ) async throws -> (principal: Principal, rows: [Rows]) {
        guard let credential = call.credential else { throw Self.unauthenticated }
        let answers = try await pool.transaction(
            credential.settings,
            [AccessStore.look(up: credential)] + (try statements(credential))
        )
        let principal = try verify(credential, answers[0], call.audience)
        try await extendIfIdle(answers[0], principal)
        return (principal, Array(answers.dropFirst()))
    }

    private func verify(_ credential: Credential, _ rows: Rows, _ audience: Route.Audience) throws -> Principal {
        guard let principal = try AccessStore.principal(rows, of: credential, now: clock.now()) else {
            throw Self.unauthenticated
        }
        // Charged once it is known that the caller really belongs to the tenant: nobody else can use up its share.
        limits.charge(tenant: credential.tenant.uuid)
        try principal.demand(audience)
        return principal
    }

    private func extendIfIdle(_ rows: Rows, _ principal: Principal) async throws {
        guard case .user(_, _, let session) = principal.identity, let idleEnd = try AccessStore.idleEnd(rows) else {
            return
        }
        let next = clock.now() + life.idle
        guard next - idleEnd > life.grain else { return }
        let tenant = LocalSetting("app.tenant", principal.tenant.uuid)
        _ = try await pool.transaction(
            [tenant],
            AccessStore.extendSession(session, tenant: principal.tenant, until: next)
        )
    }

    static let unauthenticated = Problem(
        .unauthenticated,
        "Send a valid API key or session token as Authorization: Bearer …."
    )

    // MARK: Writing

    /// A transaction that checks the credential first and then lets `body` write.
    ///
    /// With an `Idempotency-Key`, the key's row is written in the same transaction: a repeated request is answered
    /// with the stored answer, and a crash leaves neither the effect nor the key.
    func write(
        _ call: Call,
        _ body: (Transaction, Principal) async throws -> Reply
    ) async throws -> Reply {
        guard let credential = call.credential else { throw Self.unauthenticated }
        let key = try IdempotencyKey(call)
        do {
            return try await pool.withTransaction(credential.settings) { transaction in
                guard let key else {
                    let rows = try await transaction.query(AccessStore.look(up: credential))
                    return try await body(transaction, try verify(credential, rows[0], call.audience))
                }
                let claim = IdempotencyStore.claim(key, credential, now: clock.now())
                transaction.add(IdempotencyStore.lockBriefly)
                let rows = try await transaction.query(
                    AccessStore.look(up: credential),
                    claim,
                    IdempotencyStore.stored(key, credential)
                )
                let principal = try verify(credential, rows[0], call.audience)
                if rows[1].isEmpty { return try key.replay(rows[2]) }
                transaction.add(IdempotencyStore.lockPatiently)
                let reply = try await body(transaction, principal)
                transaction.add(IdempotencyStore.store(reply, for: key, credential))
                return reply
            }
        } catch let error as PostgresError where key != nil && error.sqlState == .lockNotAvailable {
            throw Problem(.idempotencyInProgress, "The first request with this key is still running.")
                .retry(afterSeconds: 1)
        }
    }
}

extension Credential {
    /// What row level security compares with.
    var settings: [LocalSetting] {
        let tenant = LocalSetting("app.tenant", tenant.uuid)
        return store.map { [tenant, LocalSetting("app.store", $0.uuid)] } ?? [tenant]
    }

    /// Stands for the caller before it is verified.
    var name: String {
        switch subject {
        case .apiKey(let id, _): id.description
        case .session(let id): id.description
        }
    }
}

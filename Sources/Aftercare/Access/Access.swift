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
        let statements = [AccessStore.look(up: credential)] + (try statements(credential))
        let answers = try await pool.transaction(credential.settings, statements)
        return try await admit(call, credential, answers)
    }

    /// As `read`, of rows that are found by their keys: many such requests travel to the database together.
    func find(
        _ call: Call,
        _ statements: (Credential) throws -> [SQL]
    ) async throws -> (principal: Principal, rows: [Rows]) {
        guard let credential = call.credential else { throw Self.unauthenticated }
        let statements = [AccessStore.look(up: credential)] + (try statements(credential))
        return try await admit(call, credential, try await pool.lookUp(credential.settings, statements))
    }

    private func admit(
        _ call: Call,
        _ credential: Credential,
        _ answers: [Rows]
    ) async throws -> (principal: Principal, rows: [Rows]) {
        let principal = try verify(credential, answers[0], call.audience, call.verification)
        if let change = try idleExtension(answers[0], principal) {
            _ = try await pool.transaction([LocalSetting("app.tenant", principal.tenant.uuid)], change)
        }
        return (principal, Array(answers.dropFirst()))
    }

    /// Checks the credential and nothing else: for a request that is refused before its handler got that far. Who is
    /// not known is told so, and nothing about what was asked.
    func check(_ credential: Credential?, _ audience: Route.Audience, _ verification: Verification) async throws {
        guard let credential else { throw Self.unauthenticated }
        let answers = try await pool.lookUp(credential.settings, [AccessStore.look(up: credential)])
        _ = try verify(credential, answers[0], audience, verification)
    }

    private func verify(
        _ credential: Credential,
        _ rows: Rows,
        _ audience: Route.Audience,
        _ verification: Verification
    ) throws -> Principal {
        guard let principal = try AccessStore.principal(rows, of: credential, now: clock.now()) else {
            throw Self.unauthenticated
        }
        // Charged once it is known that the caller really belongs to the tenant: nobody else can use up its share.
        if !verification.holds { limits.charge(tenant: credential.tenant.uuid) }
        verification.succeed()
        try principal.demand(audience)
        return principal
    }

    /// What moves the idle end of a session that is used, if that is due.
    private func idleExtension(_ rows: Rows, _ principal: Principal) throws -> SQL? {
        guard case .user(_, _, let session) = principal.identity, let idleEnd = try AccessStore.idleEnd(rows) else {
            return nil
        }
        let next = clock.now() + life.idle
        guard next - idleEnd > life.grain else { return nil }
        return AccessStore.extendSession(session, tenant: principal.tenant, until: next)
    }

    static let unauthenticated = Problem(
        .unauthenticated,
        "Send a valid API key or session token as Authorization: Bearer …."
    )

    // MARK: Writing

    /// A transaction that checks the credential first and then lets `body` write.
    ///
    /// With an `Idempotency-Key`, the key's row is written in the same transaction: a repeated request is answered
    /// with the stored answer, and a crash leaves neither the effect nor the key. What `body` throws rolls both back;
    /// `keep` stores a refusal after that.
    func write(
        _ call: Call,
        _ body: (Transaction, Principal) async throws -> Reply
    ) async throws -> Reply {
        guard let credential = call.credential else { throw Self.unauthenticated }
        let key = try IdempotencyKey(call)
        return try await pool.withTransaction(credential.settings) { transaction in
            guard let key else {
                let rows = try await transaction.query(AccessStore.look(up: credential))
                return try await body(transaction, try admit(call, credential, rows[0], to: transaction))
            }
            let rows = try await claim(key, credential, in: transaction)
            let principal = try admit(call, credential, rows[0], to: transaction)
            if rows[1].isEmpty { return try key.replay(rows[2]) }
            transaction.add(IdempotencyStore.lockPatiently)
            let reply = try await body(transaction, principal)
            transaction.add(IdempotencyStore.store(reply, for: key, credential))
            return reply
        }
    }

    /// Verifies, and lets the session's new idle end travel with whatever comes next.
    private func admit(
        _ call: Call,
        _ credential: Credential,
        _ rows: Rows,
        to transaction: Transaction
    ) throws -> Principal {
        let principal = try verify(credential, rows, call.audience, call.verification)
        if let change = try idleExtension(rows, principal) { transaction.add(change) }
        return principal
    }

    /// The only lock these statements wait for is the key's: it is held by the request that came first. A lock that the
    /// operation itself waits for in vain is another matter.
    private func claim(
        _ key: IdempotencyKey,
        _ credential: Credential,
        in transaction: Transaction
    ) async throws -> [Rows] {
        transaction.add(IdempotencyStore.lockBriefly)
        do throws(PostgresError) {
            return try await transaction.query(
                AccessStore.look(up: credential),
                IdempotencyStore.claim(key, credential, now: clock.now()),
                IdempotencyStore.stored(key, credential)
            )
        } catch {
            guard error.sqlState == .lockNotAvailable else { throw error }
            throw Problem(.idempotencyInProgress, "The first request with this key is still running.")
                .retry(afterSeconds: 1)
        }
    }

    /// Answers a request that was refused as it will be answered when it is repeated with its Idempotency-Key: keeps the
    /// refusal, or gives the answer that is kept under the key already. The refused request changed nothing, so that a
    /// crash before this one leaves nothing but a key that is still free.
    func keep(_ problem: Problem, for call: Call) async throws -> Reply {
        try await write(call) { _, _ in problem.reply(instance: call.path, requestID: call.requestID) }
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

import FoundationEssentials
import HTTPTypes
import JSON
import Observability
import Postgres
import Time

/// Signing in and out: `/v1/sessions` and `/v1/me`.
struct SessionRoutes {
    let environment: Environment

    var routes: [Route] {
        [
            Route(.post, "/v1/sessions", .anyone, body: .json, signIn),
            Route(.delete, "/v1/sessions/current", .holderOfAny, signOut),
            Route(.get, "/v1/me", .holderOfAny, me),
        ]
    }

    private struct SignIn {
        let email: String
        let password: String

        init(_ body: inout FieldReader) throws(FieldErrors) {
            (email, password) = try body.finish(
                body.required("email", .string(1...320)),
                body.required("password", .string(1...1000))
            )
        }
    }

    /// An unknown address, a wrong password and a disabled person get the same answer after the same work.
    @Sendable private func signIn(_ call: Call) async throws -> Reply {
        let request = try call.decode(SignIn.init)
        let email = MailAddress.normalized(request.email)
        let found = try await environment.pool.execute(AccessStore.user(email: email)).first?.decode((UUID, UUID).self)
        var stored: String?
        if let (tenant, user) = found {
            let rows = try await environment.pool.transaction(
                environment.settings(for: tenant),
                AccessStore.password(tenant: tenant, user: user)
            )
            stored = try rows[0].first?("password_hash")
        }
        guard try await environment.passwords.verify(request.password, against: stored), let (tenant, user) = found
        else { throw Problem(.unauthenticated, "E-mail address or password is wrong.") }
        return try await begin(TenantID(tenant), UserID(user))
    }

    private func begin(_ tenant: TenantID, _ user: UserID) async throws -> Reply {
        let session = SessionID.new()
        let token = Token(tenant: tenant, subject: .session(session), pepper: environment.masterKey.pepper)
        let now = environment.clock.now()
        let life = environment.access.life
        _ = try await environment.pool.transaction(
            environment.settings(for: tenant.uuid),
            AccessStore.insertSession(session, tenant: tenant, user: user, hash: token.hash, now: now, life: life)
        )
        return .created(at: "/v1/me") { object in
            object.member("token", token.text.reveal())
            object.member("tenant_id", tenant)
            object.member("user_id", user)
            object.member("expires_at", now + life.absolute)
        }
    }

    @Sendable private func signOut(_ call: Call) async throws -> Reply {
        try await environment.access.write(call) { transaction, principal in
            guard case .user(_, _, let session) = principal.identity else {
                throw Problem(.stateConflict, "An API key has no session. Revoke the key instead.")
            }
            let now = environment.clock.now()
            transaction.add(AccessStore.revokeSession(session, tenant: principal.tenant, now: now))
            return .noContent
        }
    }

    @Sendable private func me(_ call: Call) async throws -> Reply {
        let (principal, rows) = try await environment.access.find(call) { [TenantStore.tenant($0.tenant)] }
        guard let tenant = rows[0].first else { throw Problem.notFound }
        let name: String = try tenant("name")
        return .json { object in
            object.member("id", principal.name)
            object.member("tenant_id", principal.tenant)
            object.member("tenant_name", name)
            object.member("store_id", principal.store)
            switch principal.identity {
            case .apiKey:
                object.member("kind", "api_key")
                object.member("role", nil as String?)
            case .user(_, let role, _):
                object.member("kind", "user")
                object.member("role", role.rawValue)
            }
            object.member("scopes", principal.scopes.map(\.rawValue).sorted())
        }
    }
}

import FoundationEssentials
import Postgres
import Time

/// Credentials in the database.
enum AccessStore {
    /// The row a credential stands for; none if there is no such credential. By primary key, both kinds.
    static func look(up credential: Credential) -> SQL {
        switch credential.subject {
        case .apiKey(let key, let store):
            // A token of one store that claims another, or none, names no row.
            """
            SELECT secret_hash, expires_at, revoked_at, scopes
              FROM api_keys
             WHERE tenant_id = \(credential.tenant.uuid) AND id = \(key.uuid)
               AND store_id IS NOT DISTINCT FROM \(store?.uuid)
            """
        case .session(let session):
            """
            SELECT sessions.secret_hash, least(sessions.expires_at, sessions.idle_expires_at), sessions.revoked_at,
                   users.id, users.role, users.disabled_at, sessions.idle_expires_at
              FROM sessions
              JOIN users ON users.tenant_id = sessions.tenant_id AND users.id = sessions.user_id
             WHERE sessions.tenant_id = \(credential.tenant.uuid) AND sessions.id = \(session.uuid)
            """
        }
    }

    static func principal(_ rows: Rows, of credential: Credential, now: Instant) throws -> Principal? {
        guard let row = rows.first else { return nil }
        switch credential.subject {
        case .apiKey(let key, let store):
            guard credential.matches(try row("secret_hash", as: Bytea.self).bytes),
                isValid(try row("expires_at"), try row("revoked_at"), now)
            else { return nil }
            return Principal(tenant: credential.tenant, store: store, key: key, scopes: try row("scopes"))
        case .session(let session):
            let (hash, expiresAt, revokedAt, user, role, disabledAt, _) = try row.decode(
                (Bytea, Instant, Instant?, UUID, String, Instant?, Instant).self
            )
            guard credential.matches(hash.bytes), isValid(expiresAt, revokedAt, now), disabledAt == nil,
                let role = Role(rawValue: role)
            else { return nil }
            return Principal(tenant: credential.tenant, user: UserID(user), role, session: session)
        }
    }

    /// When the session ends without use, for `SessionLife` to judge whether to move it.
    static func idleEnd(_ rows: Rows) throws -> Instant? {
        guard let row = rows.first else { return nil }
        return try row("idle_expires_at")
    }

    private static func isValid(_ expiresAt: Instant?, _ revokedAt: Instant?, _ now: Instant) -> Bool {
        (revokedAt.map { $0 > now } ?? true) && (expiresAt.map { $0 > now } ?? true)
    }

    // MARK: Sessions

    static func user(email normalized: String) -> SQL {
        "SELECT tenant_id, user_id FROM sign_in_emails WHERE email_normalized = \(normalized)"
    }

    static func password(tenant: UUID, user: UUID) -> SQL {
        """
        SELECT password_hash
          FROM users
         WHERE tenant_id = \(tenant) AND id = \(user) AND disabled_at IS NULL
        """
    }

    static func insertSession(
        _ id: SessionID,
        tenant: TenantID,
        user: UserID,
        hash: [UInt8],
        now: Instant,
        life: SessionLife
    ) -> SQL {
        """
        INSERT INTO sessions (tenant_id, id, user_id, secret_hash, created_at, idle_expires_at, expires_at)
             VALUES (\(tenant.uuid), \(id.uuid), \(user.uuid), \(Bytea(hash)), \(now),
                     \(now + life.idle), \(now + life.absolute))
        """
    }

    static func extendSession(_ id: SessionID, tenant: TenantID, until idleEnd: Instant) -> SQL {
        """
        UPDATE sessions
           SET idle_expires_at = \(idleEnd)
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND revoked_at IS NULL
        """
    }

    static func revokeSession(_ id: SessionID, tenant: TenantID, now: Instant) -> SQL {
        """
        UPDATE sessions
           SET revoked_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) AND revoked_at IS NULL
        """
    }
}

/// How long a person stays signed in.
struct SessionLife: Sendable {
    /// Without a request, and at most.
    var idle = Duration.seconds(12 * 3600)
    var absolute = Duration.seconds(7 * 24 * 3600)
    /// The idle end is moved no more often than this, so that reading does not write each time.
    var grain = Duration.seconds(600)
}

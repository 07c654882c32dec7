import FoundationEssentials
import Postgres
import Time

/// People in the database.
enum UserStore {
    /// The person and the entry that finds them at sign-in; both or neither.
    static func insert(_ user: User, passwordHash: String) -> [SQL] {
        let normalized = MailAddress.normalized(user.email)
        return [
            """
            INSERT INTO users (tenant_id, id, email, email_normalized, name, role, password_hash, version,
                               created_at, updated_at)
                 VALUES (\(user.tenant.uuid), \(user.id.uuid), \(user.email), \(normalized), \(user.name),
                         \(user.role.rawValue), \(passwordHash), \(user.version), \(user.createdAt), \(user.updatedAt))
            """,
            """
            INSERT INTO sign_in_emails (email_normalized, tenant_id, user_id)
                 VALUES (\(normalized), \(user.tenant.uuid), \(user.id.uuid))
            """,
        ]
    }

    private static let columns =
        "tenant_id, id, email, name, role, disabled_at, version, created_at, updated_at"

    static func user(_ id: UserID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM users WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid)"
    }

    /// Whoever it is, and no row for nobody.
    static func find(_ id: UserID?, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM users WHERE tenant_id = \(tenant.uuid) AND id = \(id?.uuid)"
    }

    static func lock(_ id: UserID, tenant: TenantID) -> SQL {
        "SELECT \(unsafe: columns) FROM users WHERE tenant_id = \(tenant.uuid) AND id = \(id.uuid) FOR UPDATE"
    }

    /// The owners who can sign in, kept from changing: two owners who demote each other at once would leave none.
    static func lockOwners(tenant: TenantID) -> SQL {
        """
        SELECT id
          FROM users
         WHERE tenant_id = \(tenant.uuid) AND role = 'owner' AND disabled_at IS NULL
         ORDER BY id
           FOR UPDATE
        """
    }

    /// Newest first, by `users_by_creation`.
    static func users(_ page: Page, tenant: TenantID) -> SQL {
        """
        SELECT \(unsafe: columns)
          FROM users
         WHERE tenant_id = \(tenant.uuid) AND (created_at, id) < (\(page.createdAt), \(page.id))
         ORDER BY created_at DESC, id DESC
         LIMIT \(page.rowLimit)
        """
    }

    static func update(_ user: User) -> SQL {
        """
        UPDATE users
           SET name = \(user.name), role = \(user.role.rawValue), disabled_at = \(user.disabledAt),
               version = \(user.version), updated_at = \(user.updatedAt)
         WHERE tenant_id = \(user.tenant.uuid) AND id = \(user.id.uuid)
        """
    }

    /// A disabled person's sessions end, and so do those of one whose role changed: both sign in anew.
    static func revokeSessions(of user: User, now: Instant) -> SQL {
        """
        UPDATE sessions
           SET revoked_at = \(now)
         WHERE tenant_id = \(user.tenant.uuid) AND user_id = \(user.id.uuid) AND revoked_at IS NULL
        """
    }

    static func decode(_ row: Row) throws -> User {
        guard let role = Role(rawValue: try row("role")) else { throw UnreadableRow(table: "users") }
        return try User(
            id: ID(row("id")),
            tenant: ID(row("tenant_id")),
            email: row("email"),
            name: row("name"),
            role: role,
            disabledAt: row("disabled_at"),
            version: row("version"),
            createdAt: row("created_at"),
            updatedAt: row("updated_at")
        )
    }

    /// The problem a broken constraint stands for.
    static func problem(_ error: PostgresError) -> Problem? {
        switch error.constraint {
        case "users_email_is_unique", "sign_in_emails_is_one_user":
            Problem(.alreadyExists, "Somebody signs in with this e-mail address already.")
        default: nil
        }
    }
}

import Postgres

/// Questions about the database itself.
enum DatabaseStore {
    /// What the role in use could do that it must not be able to.
    static let roleFaults: SQL = """
        SELECT rolsuper, rolbypassrls, pg_has_role(current_user, 'aftercare_owner', 'MEMBER')
          FROM pg_roles
         WHERE rolname = current_user
        """

    static let ping: SQL = "SELECT 1"
}

/// The checks without which no process serves or works.
enum StartChecks {
    struct Refused: Error, CustomStringConvertible {
        let description: String
    }

    /// Row level security does not apply to these, so one mistake would show one tenant another's data.
    static func role(_ pool: Pool) async throws {
        guard let row = try await pool.execute(DatabaseStore.roleFaults).first else {
            throw Refused(description: "the database does not know its own role")
        }
        let (isSuperuser, bypassesSecurity, owns) = try row.decode((Bool, Bool, Bool).self)
        let fault =
            isSuperuser ? "is a superuser" : bypassesSecurity ? "bypasses row level security" : "owns the tables"
        guard !isSuperuser, !bypassesSecurity, !owns else {
            throw Refused(
                description:
                    "AFTERCARE_DATABASE_URL logs in as a role that \(fault); use aftercare_app or aftercare_worker"
            )
        }
    }
}

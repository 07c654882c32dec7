import Postgres
import Support
import Testing

/// The rules of sql/migrations/0001_tenants.sql, looked up in the catalogue of a migrated database.
@Suite(.timeLimit(.minutes(2))) struct CatalogueTests {
    /// What has to hold, as a query for what breaks it.
    struct Rule: Sendable, CustomTestStringConvertible {
        let name: String
        /// Sees the tenant tables as `tables (oid, name)`; answers names of offenders.
        let offenders: String
        /// A schema change that breaks the rule.
        let breach: String
        /// Because it holds, on purpose, for everything but these.
        var exceptions: Set<String> = []

        var testDescription: String { name }
    }

    private static let tables = """
        WITH tables AS (
            SELECT oid, relname::text AS name
              FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
               -- Which migrations ran; and the one look-up that cannot know its tenant.
               AND relname NOT IN ('schema_migrations', 'sign_in_emails')
        )
        """

    static func offenders(_ rule: Rule, _ database: MigratedDatabase) async throws -> Set<String> {
        let rows = try await database.superuser.execute(SQL(unsafe: "\(tables)\n\(rule.offenders)"))
        return Set(try rows.decode(String.self))
    }

    @Test(arguments: rules) func `the schema keeps the rule`(_ rule: Rule) async throws {
        let offenders = try await Self.offenders(rule, MigratedDatabase.shared())
        #expect(offenders == rule.exceptions)
    }

    @Test func `each rule notices a schema that breaks it`() async throws {
        try await MigratedDatabase.run { database in
            for rule in Self.rules {
                let before = try await Self.offenders(rule, database)
                try await database.superuser.script(rule.breach)
                let after = try await Self.offenders(rule, database)
                #expect(after.count > before.count, "\(rule.name)")
            }
        }
    }

    @Test(arguments: [
        ("tracking_events", ["happened_at", "message", "place", "received_at", "status", "status_raw"]),
        ("facts", ["happened_at"]),
    ])
    func `of a record only what is corrected, or erased, can be changed`(
        _ table: String,
        _ columns: [String]
    ) async throws {
        let rows = try await MigratedDatabase.shared().superuser.execute(
            """
            SELECT DISTINCT attname::text
              FROM pg_attribute, unnest(ARRAY['aftercare_app', 'aftercare_worker']) AS role
             WHERE attrelid = \(table)::regclass AND attnum > 0
               AND has_column_privilege(role, attrelid, attnum, 'UPDATE')
            """
        )
        let changeable: [String] = try rows.decode(String.self)
        #expect(Set(changeable) == Set(columns))
    }

    static let rules: [Rule] = isolationRules + keyRules + simplicityRules + roleRules
}

extension CatalogueTests {
    private static let isolationRules = [
        Rule(
            name: "every tenant table has tenant_id uuid NOT NULL",
            offenders: """
                SELECT name FROM tables
                 WHERE NOT EXISTS (SELECT FROM pg_attribute
                                    WHERE attrelid = oid AND attname = 'tenant_id' AND atttypid = 'uuid'::regtype
                                      AND attnotnull)
                """,
            breach: "CREATE TABLE b1 (tenant_id text)"
        ),
        Rule(
            name: "row level security is enabled and forced",
            offenders: """
                SELECT name FROM tables JOIN pg_class USING (oid) WHERE NOT (relrowsecurity AND relforcerowsecurity)
                """,
            breach: "CREATE TABLE b2 (tenant_id uuid NOT NULL); ALTER TABLE b2 ENABLE ROW LEVEL SECURITY"
        ),
        Rule(
            name: "the policy `tenant` binds what is read and what is written to app.tenant",
            offenders: """
                SELECT name FROM tables
                 WHERE NOT EXISTS (
                           SELECT FROM pg_policies
                            WHERE schemaname = 'public' AND tablename = name AND policyname = 'tenant'
                              AND permissive = 'PERMISSIVE' AND roles = '{public}' AND cmd = 'ALL'
                              AND qual = '(tenant_id = (NULLIF(current_setting(''app.tenant''::text, true), ''''::text))::uuid)'
                              AND with_check = qual)
                """,
            breach: """
                CREATE TABLE b3 (tenant_id uuid NOT NULL);
                CREATE POLICY tenant ON b3 USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
                """
        ),
        Rule(
            name: "no other policy lets anybody in, but the worker into the queue",
            offenders: """
                SELECT tablename || '.' || policyname FROM pg_policies
                 WHERE permissive = 'PERMISSIVE' AND policyname <> 'tenant' AND NOT (policyname = 'worker'
                   AND roles = '{aftercare_worker}' AND tablename IN ('jobs', 'schedule', 'fired'))
                """,
            breach: "CREATE POLICY worker ON orders TO aftercare_worker USING (true)"
        ),
        Rule(
            name: "what a store owns names it, for good",
            offenders: """
                SELECT name FROM tables JOIN pg_attribute ON attrelid = oid
                 WHERE attname = 'store_id' AND NOT (attnotnull AND atttypid = 'uuid'::regtype)
                """,
            breach: "CREATE TABLE b4 (tenant_id uuid NOT NULL, store_id uuid)",
            // A key may act for the whole tenant; a job may be about none of its stores.
            exceptions: ["api_keys", "jobs"]
        ),
        Rule(
            name: "a store's row refers to its tenant's store",
            offenders: """
                SELECT name FROM tables JOIN pg_attribute ON attrelid = oid
                 WHERE attname = 'store_id'
                   AND NOT EXISTS (SELECT FROM pg_constraint
                                    WHERE conrelid = tables.oid AND contype = 'f' AND confrelid = 'stores'::regclass
                                      AND pg_get_constraintdef(pg_constraint.oid)
                                          LIKE 'FOREIGN KEY (tenant_id, store_id) REFERENCES stores(tenant_id, id)%')
                """,
            breach: "CREATE TABLE b5 (tenant_id uuid NOT NULL, store_id uuid NOT NULL)",
            // A job is checked against nothing but its tenant: it is gone in a moment.
            exceptions: ["jobs"]
        ),
        Rule(
            name: "a session bound to a store sees that store's rows",
            offenders: """
                SELECT name
                  FROM tables
                  JOIN pg_attribute ON attrelid = oid AND attname = CASE name WHEN 'stores' THEN 'id' ELSE 'store_id' END
                 WHERE NOT EXISTS (
                           SELECT FROM pg_policies
                            WHERE schemaname = 'public' AND tablename = name AND policyname = 'store'
                              AND permissive = 'RESTRICTIVE' AND roles = '{public}' AND cmd = 'ALL'
                              AND qual = format('((NULLIF(current_setting(''app.store''::text, true), ''''::text) IS NULL)'
                                             || ' OR (%I = (NULLIF(current_setting(''app.store''::text, true),'
                                             || ' ''''::text))::uuid))', attname)
                              AND coalesce(with_check, qual) = qual)
                """,
            breach: """
                CREATE TABLE b6 (tenant_id uuid NOT NULL, store_id uuid NOT NULL);
                CREATE POLICY store ON b6 USING (store_id = nullif(current_setting('app.store', true), '')::uuid)
                """
        ),
    ]

    private static let keyRules = [
        Rule(
            name: "every table has a primary key",
            offenders:
                "SELECT name FROM tables WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = oid AND indisprimary)",
            breach: "CREATE TABLE b7 (tenant_id uuid NOT NULL)"
        ),
        Rule(
            name: "every key and index begins with tenant_id",
            offenders: """
                SELECT indexrelid::regclass::text
                  FROM tables
                  JOIN pg_index ON indrelid = oid
                  LEFT JOIN pg_attribute ON attrelid = oid AND attnum = indkey[0]
                 WHERE attname IS DISTINCT FROM 'tenant_id'
                """,
            breach: "CREATE UNIQUE INDEX b8 ON orders (external_id)",
            // Rescue and promote cross tenants.
            exceptions: ["jobs_leased", "schedule_due"]
        ),
        Rule(
            name: "every foreign key begins with tenant_id, on both sides",
            offenders: """
                SELECT conname::text
                  FROM tables
                  JOIN pg_constraint ON conrelid = tables.oid AND contype = 'f'
                  JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = conkey[1]
                  JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = confkey[1]
                 WHERE own.attname <> 'tenant_id' OR other.attname <> 'tenant_id'
                """,
            breach: """
                ALTER TABLE orders ADD CONSTRAINT b9_key UNIQUE (id);
                CREATE TABLE b9 (tenant_id uuid NOT NULL, order_id uuid NOT NULL REFERENCES orders (id))
                """
        ),
        Rule(
            name: "a deleted row changes no other row",
            offenders: "SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'a'",
            breach: """
                CREATE TABLE b10 (tenant_id uuid NOT NULL, other uuid,
                                  FOREIGN KEY (tenant_id, other) REFERENCES orders ON DELETE SET NULL)
                """
        ),
    ]

    private static let simplicityRules = [
        Rule(
            name: "there are no triggers",
            offenders: "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal",
            breach: """
                CREATE FUNCTION b11() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                CREATE TRIGGER b11 BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION b11()
                """
        ),
        Rule(
            name: "no function runs with its owner's rights",
            offenders: "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef",
            breach: "CREATE FUNCTION b12() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
        ),
        Rule(
            name: "no view hides row level security",
            offenders: """
                SELECT relname::text FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace
                   AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions @> '{security_invoker=true}', false))
                """,
            breach: "CREATE VIEW b13 AS SELECT * FROM orders"
        ),
        Rule(
            name: "there are no enums",
            offenders: "SELECT typname::text FROM pg_type WHERE typtype = 'e'",
            breach: "CREATE TYPE b14 AS ENUM ('yes', 'no')"
        ),
        Rule(
            name: "numbers are whole, and times have a zone",
            offenders: """
                SELECT name || '.' || attname FROM tables JOIN pg_attribute ON attrelid = oid
                 WHERE atttypid IN ('real'::regtype, 'double precision'::regtype, 'numeric'::regtype, 'money'::regtype,
                                    'timestamp'::regtype, 'time'::regtype, 'timetz'::regtype)
                """,
            breach: "ALTER TABLE orders ADD COLUMN b15 numeric, ADD COLUMN b15a timestamp"
        ),
        Rule(
            name: "a default is a constant",
            offenders: """
                SELECT name || '.' || attname
                  FROM tables
                  JOIN pg_attribute ON attrelid = tables.oid
                  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                 WHERE attidentity <> '' OR pg_get_expr(adbin, adrelid) ~ '[(]|CURRENT_|LOCALTIME'
                """,
            breach: "ALTER TABLE orders ADD COLUMN b16 uuid DEFAULT gen_random_uuid()"
        ),
    ]

    private static let roleRules = [
        Rule(
            name: "everything belongs to aftercare_owner",
            offenders: """
                SELECT relname::text FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace AND relowner <> 'aftercare_owner'::regrole
                """,
            breach: "CREATE TABLE b17 (); ALTER TABLE b17 OWNER TO aftercare_app"
        ),
        Rule(
            name: "the roles that run all day own nothing and are above nothing",
            offenders: """
                SELECT rolname::text FROM pg_roles
                 WHERE rolname IN ('aftercare_app', 'aftercare_worker')
                   AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                        OR pg_has_role(oid, 'aftercare_owner', 'MEMBER')
                        OR EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid)
                        OR EXISTS (SELECT FROM pg_proc WHERE proowner = pg_roles.oid))
                """,
            breach: "CREATE TABLE b18 (); ALTER TABLE b18 OWNER TO aftercare_worker"
        ),
        Rule(
            name: "what is a record is only added to",
            offenders: """
                SELECT format('%s: %s %s', role, privilege, name)
                  FROM unnest(ARRAY['runs', 'facts', 'policies', 'workflow_versions', 'tracking_events', 'fired',
                                    'ticket_comments', 'ticket_events']) AS name,
                       unnest(ARRAY['aftercare_app', 'aftercare_worker']) AS role,
                       unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
                 WHERE has_table_privilege(role, name, privilege)
                    OR (privilege = 'UPDATE' AND has_any_column_privilege(role, name, privilege))
                """,
            breach: "GRANT UPDATE ON runs TO aftercare_app",
            // A carrier corrects what it said: those columns alone, and the next test says which. What fell due more than
            // 13 months ago is swept.
            exceptions: [
                "aftercare_app: UPDATE tracking_events", "aftercare_worker: UPDATE tracking_events",
                "aftercare_worker: DELETE fired",
                // It may turn out to have happened earlier: the time alone, says the next test too.
                "aftercare_app: UPDATE facts", "aftercare_worker: UPDATE facts",
                // What people wrote of somebody is erased when they ask for it: the text alone.
                "aftercare_worker: UPDATE ticket_comments",
            ]
        ),
        Rule(
            name: "nothing is granted to everybody",
            offenders: """
                SELECT relname::text FROM pg_class, aclexplode(relacl)
                 WHERE relnamespace = 'public'::regnamespace AND grantee = 0
                """,
            breach: "GRANT SELECT ON orders TO PUBLIC"
        ),
    ]
}

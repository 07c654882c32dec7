import Schema
import Support

@testable import Postgres

extension TestTenant {
    /// The plan of a statement, bitmaps left aside, as the program gets it where each table has a million rows and nobody
    /// has counted what is in them. What other tests have written, and what was analyzed of it when, is no part of it.
    ///
    /// In a transaction that is taken back: the server's own tables are changed for it.
    ///
    /// - Parameter sorts: false where the order has to come from an index, and not from sorting the few rows that the
    ///   planner expects without counts.
    func plan(of statement: SQL, sorts: Bool = true) async throws -> [String] {
        var explained = statement
        explained.text = "EXPLAIN (COSTS off) " + statement.text
        do {
            return try await server.database.superuser.withTransaction(settings) { transaction -> [String] in
                // One at a time: each changes all the rows.
                transaction.add("SELECT pg_advisory_xact_lock(hashtext('plans'))")
                // Autovacuum counts no table meanwhile: what it finds would be seen at once, and be planned with.
                transaction.add(
                    """
                    DO $$
                    BEGIN
                        EXECUTE (SELECT 'LOCK TABLE ' || string_agg(oid::regclass::text, ', ' ORDER BY oid)
                                        || ' IN SHARE UPDATE EXCLUSIVE MODE'
                                   FROM pg_class
                                  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r');
                    END $$
                    """
                )
                transaction.add("SET LOCAL allow_system_table_mods = on")
                transaction.add(
                    """
                    DELETE FROM pg_statistic
                     WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
                    """
                )
                // Of an empty file the planner believes no count: it takes it for a table that grows, of ten pages.
                transaction.add(
                    """
                    UPDATE pg_class
                       SET reltuples = CASE WHEN pg_relation_size(oid) = 0 THEN -1 ELSE 1e6 END,
                           relpages = pg_relation_size(oid) / current_setting('block_size')::int
                     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
                    """
                )
                // The file's own pages count all the same, and of two pages a bitmap is cheap, however many rows they hold.
                transaction.add("SET LOCAL enable_bitmapscan = off")
                if !sorts { transaction.add("SET LOCAL enable_sort = off") }
                transaction.add("SET LOCAL ROLE \(unsafe: Roles.app)")
                throw Explained(plan: try await transaction.query(explained)[0].decode(String.self))
            }
        } catch let explained as Explained {
            return explained.plan
        }
    }

    /// Takes its transaction back.
    private struct Explained: Error { let plan: [String] }
}

import FoundationEssentials
import Support
import Testing
import Time

@testable import Jobs
@testable import Postgres

/// The indexes the queue's statements use, whatever the tables looked like when they were last analyzed: as the worker's
/// role, with the generic plans that prepared statements end up with.
@Suite(.serialized, .timeLimit(.minutes(1))) struct PlanTests {
    /// How the tables look to the planner.
    enum Tables: String, CaseIterable, Sendable {
        case empty
        case allReady
        case someLeased
    }

    private func fill(_ tables: Tables, _ queue: QueueDatabase) async throws {
        let tenants = try await queue.tenants(100)
        let leased = tables == .someLeased ? 1000 : 0
        if tables != .empty {
            _ = try await queue.superuser.transaction(
                [],
                // Without the checks of foreign keys, which take most of the time.
                "SET LOCAL session_replication_role = replica",
                """
                INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at, state, worker, leased_until)
                SELECT tenant, md5(i || 'job')::uuid, store, 'work', md5(i || 'subject')::uuid, \(queue.past), \(queue.past),
                       CASE WHEN i <= \(leased) THEN 'leased' ELSE 'ready' END,
                       CASE WHEN i <= \(leased) THEN tenant END, CASE WHEN i <= \(leased) THEN \(queue.past) END
                  FROM generate_series(1, 20000) AS i
                  JOIN unnest(\(tenants.map(\.id)), \(tenants.map(\.store))) WITH ORDINALITY AS owner (tenant, store, number)
                    ON number = i % 100 + 1
                """,
                """
                INSERT INTO schedule (tenant_id, id, store_id, kind, rule_id, subject_id, occurrence, due_at, created_at)
                SELECT tenant, md5(i || 'row')::uuid, store, 'work', tenant, md5(i || 'subject')::uuid, 'once',
                       \(queue.past) + make_interval(hours => i - 5), \(queue.past)
                  FROM generate_series(1, 20000) AS i
                  JOIN unnest(\(tenants.map(\.id)), \(tenants.map(\.store))) WITH ORDINALITY AS owner (tenant, store, number)
                    ON number = i % 100 + 1
                """
            )
        }
        try await queue.superuser.script("VACUUM ANALYZE jobs; ")
        try await queue.superuser.script("VACUUM ANALYZE schedule")
    }

    /// The plan's lines.
    private func plan(_ statement: SQL, _ pool: Pool) async throws -> [String] {
        try await pool.withTransaction { transaction in
            let oids = statement.parameters.types.map { Int64($0) }
            let types = try await transaction.query(
                "SELECT oid::regtype::text FROM unnest(\(oids)) WITH ORDINALITY AS type (oid, place) ORDER BY place"
            )[0].decode(String.self)
            let values = types.isEmpty ? "" : "(" + types.map { _ in "NULL" }.joined(separator: ", ") + ")"
            let declared = types.isEmpty ? "" : "(" + types.joined(separator: ", ") + ")"
            transaction.add("SET LOCAL plan_cache_mode = force_generic_plan")
            transaction.add(SQL(unsafe: "PREPARE guarded \(declared) AS \(statement.text)"))
            let lines = try await transaction.query(SQL(unsafe: "EXPLAIN (COSTS off) EXECUTE guarded \(values)"))[0]
            transaction.add("DEALLOCATE guarded")
            return try lines.decode(String.self)
        }
    }

    private struct Guarded {
        let name: String
        let statement: SQL
        /// What it is written for.
        let indexes: [String]
        let isOfOne: Bool

        init(_ name: String, _ statement: SQL, _ indexes: [String], isOfOne: Bool = false) {
            self.name = name
            self.statement = statement
            self.indexes = indexes
            self.isOfOne = isOfOne
        }

        func faults(in plan: [String]) -> [String] {
            var faults = plan.filter { $0.contains("Seq Scan on") }
            for index in indexes where !plan.contains(where: { $0.contains("Scan") && $0.contains(" using \(index)") })
            {
                faults.append("no scan of \(index)")
            }
            // Partial, for states this statement does not ask for.
            for index in ["jobs_leased", "jobs_ready", "jobs_coalesced"] where !indexes.contains(index) {
                faults += plan.filter { $0.contains(index) }
            }
            // What one job is looked for in must not be all jobs of its tenant. Statements for many join them with a list,
            // and may read all jobs as long as the table was last seen empty.
            for (line, condition) in zip(plan, plan.dropFirst())
            where isOfOne && line.contains(" using jobs_pkey") && !condition.contains("(id = ") {
                faults.append("by the tenant alone: \(condition)")
            }
            return faults.isEmpty ? [] : faults + plan
        }
    }

    private static var guarded: [Guarded] {
        let now = Instant(microseconds: 0)
        let job = Job(
            tenant: UUID(),
            id: UUID(),
            store: nil,
            kind: "work",
            subject: UUID(),
            attempt: 1,
            rescues: 0,
            lease: 1,
            runAt: now
        )
        let page = ClaimPage(tenants: [job.tenant], floors: [.bottom], share: 1, limit: 1)
        return [
            Guarded("dueTenants", QueueStore.dueTenants(after: UUID(), limit: 1), ["jobs_ready"]),
            Guarded("claim", QueueStore.claim(page, worker: UUID(), until: now), ["jobs_ready", "jobs_pkey"]),
            Guarded(
                "claim of a tenant",
                QueueStore.claim(tenant: UUID(), floor: .bottom, limit: 1, worker: UUID(), until: now),
                ["jobs_ready", "jobs_pkey"]
            ),
            Guarded("complete", QueueStore.complete([job], now: now), ["jobs_pkey"]),
            Guarded("complete of a tenant", QueueStore.complete(tenant: UUID(), [job], now: now), ["jobs_pkey"]),
            Guarded("finish", JobStore.fence(job, now: now), ["jobs_pkey"], isOfOne: true),
            Guarded("retry", QueueStore.retry(job, at: now, attempt: 1, error: nil), ["jobs_pkey"], isOfOne: true),
            Guarded("fail", QueueStore.fail(job, error: "", now: now), ["jobs_pkey"], isOfOne: true),
            Guarded("giveBack", QueueStore.giveBack([job]), ["jobs_pkey"]),
            Guarded("extend", QueueStore.extend([job], until: now), ["jobs_pkey"]),
            Guarded("extend of a tenant", QueueStore.extend(tenant: UUID(), [job], until: now), ["jobs_pkey"]),
            Guarded("rescue", QueueStore.rescue(limit: 1), ["jobs_leased", "jobs_pkey"]),
            Guarded("promote", QueueStore.promote(limit: 1, now: now), ["schedule_due", "schedule_pkey"]),
            Guarded(
                "promote of a tenant",
                QueueStore.promote(tenant: UUID(), limit: 1, now: now),
                ["schedule_", "schedule_pkey"]
            ),
        ]
    }

    @Test(arguments: Tables.allCases)
    func `every queue statement goes by its index`(_ tables: Tables) async throws {
        try await QueueDatabase.run { queue in
            try await fill(tables, queue)
            for guarded in Self.guarded {
                let faults = guarded.faults(in: try await plan(guarded.statement, queue.worker))
                #expect(faults.isEmpty, "\(guarded.name), \(tables): \(faults)")
            }
        }
    }

    @Test func `the guard notices a statement without its index`() async throws {
        try await QueueDatabase.run { queue in
            try await fill(.allReady, queue)
            let lines = try await plan("SELECT id FROM jobs WHERE subject_id = \(UUID())", queue.worker)
            #expect(!Guarded("", "", []).faults(in: lines).isEmpty)
        }
    }
}

import FoundationEssentials
import Postgres
import Time

/// The five statements that run the queue: discover, promote, claim, rescue, complete.
///
/// On plain PostgreSQL they cross tenants. Citus cannot lock rows across its shards, so each has a form for one tenant
/// as well, in `TenantQueueStore.swift`. `now()` stands in WHERE only, where the server's time decides whether a row is due; every
/// time that is written is bound.
enum QueueStore {
    // MARK: Discover

    /// The next tenants, in the order of their ids, that have a ready job, and whether its time has come.
    ///
    /// A skip scan: each step takes the first entry after the last tenant from `jobs_ready`, so that a page costs one
    /// index descent for a tenant, however many jobs it has.
    static func dueTenants(after cursor: UUID, limit: Int) -> SQL {
        """
        WITH RECURSIVE page AS (
            (SELECT tenant_id, run_at, 1 AS position
               FROM jobs
              WHERE state = 'ready' AND tenant_id > \(cursor)
              ORDER BY tenant_id, run_at, id
              LIMIT 1)
            UNION ALL
            SELECT next.tenant_id, next.run_at, page.position + 1
              FROM page
             CROSS JOIN LATERAL (SELECT tenant_id, run_at
                                   FROM jobs
                                  WHERE state = 'ready' AND tenant_id > page.tenant_id
                                  ORDER BY tenant_id, run_at, id
                                  LIMIT 1) AS next
             WHERE page.position < \(limit)
        )
        SELECT tenant_id, run_at <= now() FROM page
        """
    }

    // MARK: Claim

    /// Leases up to `share` jobs of each tenant, `limit` in all, oldest first.
    ///
    /// One statement for the whole page: one for each tenant took five times as long with 10,000 tenants. The floor
    /// skips index entries of jobs that are done but that an old snapshot still keeps; `jobs_ready` serves it.
    static func claim(_ page: ClaimPage, worker: UUID, until lease: Instant) -> SQL {
        // MATERIALIZED, because the planner may otherwise run the locking part again for each row it joins.
        """
        WITH claimed AS MATERIALIZED (
            SELECT job.tenant_id, job.id
              FROM unnest(\(page.tenants), \(page.floors.map(\.runAt)), \(page.floors.map(\.id)))
                AS page (tenant_id, floor_at, floor_id)
             CROSS JOIN LATERAL (SELECT tenant_id, id
                                   FROM jobs
                                  WHERE state = 'ready' AND tenant_id = page.tenant_id
                                    AND run_at <= now() AND (run_at, id) >= (page.floor_at, page.floor_id)
                                  ORDER BY run_at, id
                                  LIMIT \(page.share)
                                    FOR UPDATE SKIP LOCKED) AS job
             LIMIT \(page.limit)
        )
        UPDATE jobs
           SET state = 'leased', attempt = attempt + 1, lease_no = lease_no + 1,
               worker = \(worker), leased_until = \(lease)
          FROM claimed
         WHERE jobs.tenant_id = claimed.tenant_id AND jobs.id = claimed.id
        RETURNING jobs.tenant_id, jobs.id, store_id, kind, subject_id, attempt, rescues, lease_no, run_at
        """
    }

    // MARK: Complete

    /// Ends jobs whose leases are still held, by primary key. The rows are those that were; a coalescing job that
    /// was asked for again is made ready instead of deleted.
    ///
    /// Locked first, because `again` may be just being set, and in one order, so that no two statements wait for each
    /// other.
    static func complete(_ jobs: [Job], now: Instant) -> SQL {
        """
        WITH done AS MATERIALIZED (
            SELECT jobs.tenant_id, jobs.id, jobs.again
              FROM unnest(\(jobs.map(\.tenant)), \(jobs.map(\.id)), \(jobs.map(\.lease))) AS done (tenant_id, id, lease_no)
              JOIN jobs ON jobs.tenant_id = done.tenant_id AND jobs.id = done.id AND jobs.lease_no = done.lease_no
             ORDER BY jobs.tenant_id, jobs.id
               FOR UPDATE OF jobs
        ), repeated AS (
            UPDATE jobs
               SET state = 'ready', again = false, attempt = 0, run_at = \(now), worker = NULL, leased_until = NULL
              FROM done
             WHERE jobs.tenant_id = done.tenant_id AND jobs.id = done.id AND done.again
         RETURNING jobs.id
        ), deleted AS (
            DELETE FROM jobs
             USING done
             WHERE jobs.tenant_id = done.tenant_id AND jobs.id = done.id AND NOT done.again
         RETURNING jobs.id
        )
        SELECT id FROM repeated UNION ALL SELECT id FROM deleted
        """
    }

    /// Makes one job ready again at `runAt`; at once where it was asked for again while it ran.
    static func retry(_ job: Job, at runAt: Instant, attempt: Int, error: String?) -> SQL {
        """
        UPDATE jobs
           SET state = 'ready', run_at = CASE WHEN again THEN least(run_at, \(runAt)) ELSE \(runAt) END,
               attempt = \(attempt), rescues = 0, last_error = \(error), worker = NULL, leased_until = NULL,
               again = false
         WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND lease_no = \(job.lease)
        """
    }

    /// Sets one job aside; unless it was asked for again while it ran, which gives it a new chance.
    static func fail(_ job: Job, error: String, now: Instant) -> SQL {
        """
        UPDATE jobs
           SET state   = CASE WHEN again THEN 'ready' ELSE 'failed' END,
               attempt = CASE WHEN again THEN 0       ELSE attempt  END,
               run_at = \(now), last_error = \(error), worker = NULL, leased_until = NULL, again = false
         WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND lease_no = \(job.lease)
        """
    }

    /// Gives back leases at a graceful stop; the try does not count. Jobs that were put back in the meantime have no
    /// worker.
    static func giveBack(_ jobs: [Job]) -> SQL {
        """
        UPDATE jobs
           SET state = 'ready', attempt = attempt - 1, worker = NULL, leased_until = NULL
          FROM unnest(\(jobs.map(\.tenant)), \(jobs.map(\.id)), \(jobs.map(\.lease))) AS held (tenant_id, id, lease_no)
         WHERE jobs.tenant_id = held.tenant_id AND jobs.id = held.id AND jobs.lease_no = held.lease_no
           AND jobs.worker IS NOT NULL
        """
    }

    /// Heartbeat: extends the leases this worker still holds.
    ///
    /// Skips rows that are locked: those are being ended, by a transaction that may take its time, and the others'
    /// leases must not run out meanwhile.
    static func extend(_ jobs: [Job], until lease: Instant) -> SQL {
        """
        WITH held AS MATERIALIZED (
            SELECT jobs.tenant_id, jobs.id
              FROM unnest(\(jobs.map(\.tenant)), \(jobs.map(\.id)), \(jobs.map(\.lease))) AS held (tenant_id, id, lease_no)
              JOIN jobs ON jobs.tenant_id = held.tenant_id AND jobs.id = held.id AND jobs.lease_no = held.lease_no
             WHERE jobs.worker IS NOT NULL
               FOR UPDATE OF jobs SKIP LOCKED
        )
        UPDATE jobs
           SET leased_until = \(lease)
          FROM held
         WHERE jobs.tenant_id = held.tenant_id AND jobs.id = held.id
        """
    }

    // MARK: Rescue

    /// Makes jobs ready again whose worker stopped extending their leases. `jobs_leased` finds them. It does not count as
    /// a try of theirs.
    static func rescue(limit: Int) -> SQL {
        """
        WITH expired AS MATERIALIZED (
            SELECT tenant_id, id
              FROM jobs
             WHERE state = 'leased' AND leased_until < now()
             ORDER BY leased_until
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs
           SET state = 'ready', attempt = attempt - 1, rescues = rescues + 1, worker = NULL, leased_until = NULL
          FROM expired
         WHERE jobs.tenant_id = expired.tenant_id AND jobs.id = expired.id
        """
    }

    // MARK: Promote

    /// Turns schedule rows that are due into jobs, each once. `schedule_due` finds them.
    ///
    /// One statement, so that a crash leaves either the row or the job. Jobs are made from what was written to
    /// `fired`: an occurrence that fired before writes nothing there and so becomes no second job.
    static func promote(limit: Int, now: Instant) -> SQL {
        """
        WITH due AS MATERIALIZED (
            SELECT tenant_id, id
              FROM schedule
             WHERE due_at <= now() AND NOT on_test_clock
             ORDER BY due_at, tenant_id, id
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        ), taken AS (
            DELETE FROM schedule
             USING due
             WHERE schedule.tenant_id = due.tenant_id AND schedule.id = due.id
         RETURNING schedule.*
        ), newly_fired AS (
            INSERT INTO fired (tenant_id, schedule_id, store_id, kind, rule_id, subject_id, occurrence, due_at, not_after)
                 SELECT tenant_id, id, store_id, kind, rule_id, subject_id, occurrence, due_at, not_after FROM taken
            ON CONFLICT DO NOTHING
              RETURNING tenant_id, schedule_id, store_id, kind
        ), enqueued AS (
            INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
                 SELECT tenant_id, schedule_id, store_id, kind, schedule_id, \(now), \(now) FROM newly_fired
              RETURNING id
        )
        SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM enqueued)
        """
    }

}

/// Where a tenant's next claim may begin: everything before it was claimed already.
struct Floor: Hashable, Sendable {
    let runAt: Instant
    let id: UUID

    /// Before everything.
    static let bottom = Floor(runAt: Instant(microseconds: 0), id: .zero)
}

/// The tenants one claim looks at.
struct ClaimPage: Sendable {
    let tenants: [UUID]
    let floors: [Floor]
    /// Jobs of one tenant at most, and of all.
    let share: Int
    let limit: Int
}

extension UUID {
    /// The smallest of all: where a walk through the tenants begins.
    static let zero = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
}

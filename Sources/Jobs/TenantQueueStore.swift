import FoundationEssentials
import Postgres
import Time

/// The queue's statements once more, each for one tenant, as Citus can route it.
extension QueueStore {
    static func claim(tenant: UUID, floor: Floor, limit: Int, worker: UUID, until lease: Instant) -> SQL {
        """
        WITH claimed AS MATERIALIZED (
            SELECT id
              FROM jobs
             WHERE state = 'ready' AND tenant_id = \(tenant)
               AND run_at <= now() AND (run_at, id) >= (\(floor.runAt), \(floor.id))
             ORDER BY run_at, id
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs
           SET state = 'leased', attempt = attempt + 1, lease_no = lease_no + 1,
               worker = \(worker), leased_until = \(lease)
          FROM claimed
         WHERE jobs.tenant_id = \(tenant) AND jobs.id = claimed.id
        RETURNING jobs.tenant_id, jobs.id, store_id, kind, subject_id, attempt, rescues, lease_no, run_at
        """
    }

    static func complete(tenant: UUID, _ jobs: [Job], now: Instant) -> SQL {
        """
        WITH done AS MATERIALIZED (
            SELECT jobs.id, jobs.again
              FROM unnest(\(jobs.map(\.id)), \(jobs.map(\.lease))) AS done (id, lease_no)
              JOIN jobs ON jobs.tenant_id = \(tenant) AND jobs.id = done.id AND jobs.lease_no = done.lease_no
             ORDER BY jobs.id
               FOR UPDATE OF jobs
        ), repeated AS (
            UPDATE jobs
               SET state = 'ready', again = false, attempt = 0, run_at = \(now), worker = NULL, leased_until = NULL
              FROM done
             WHERE jobs.tenant_id = \(tenant) AND jobs.id = done.id AND done.again
         RETURNING jobs.id
        ), deleted AS (
            DELETE FROM jobs
             USING done
             WHERE jobs.tenant_id = \(tenant) AND jobs.id = done.id AND NOT done.again
         RETURNING jobs.id
        )
        SELECT id FROM repeated UNION ALL SELECT id FROM deleted
        """
    }

    static func giveBack(tenant: UUID, _ jobs: [Job]) -> SQL {
        """
        UPDATE jobs
           SET state = 'ready', attempt = attempt - 1, worker = NULL, leased_until = NULL
          FROM unnest(\(jobs.map(\.id)), \(jobs.map(\.lease))) AS held (id, lease_no)
         WHERE jobs.tenant_id = \(tenant) AND jobs.id = held.id AND jobs.lease_no = held.lease_no
           AND jobs.worker IS NOT NULL
        """
    }

    static func extend(tenant: UUID, _ jobs: [Job], until lease: Instant) -> SQL {
        """
        WITH held AS MATERIALIZED (
            SELECT jobs.id
              FROM unnest(\(jobs.map(\.id)), \(jobs.map(\.lease))) AS held (id, lease_no)
              JOIN jobs ON jobs.tenant_id = \(tenant) AND jobs.id = held.id AND jobs.lease_no = held.lease_no
             WHERE jobs.worker IS NOT NULL
               FOR UPDATE OF jobs SKIP LOCKED
        )
        UPDATE jobs
           SET leased_until = \(lease)
          FROM held
         WHERE jobs.tenant_id = \(tenant) AND jobs.id = held.id
        """
    }

    static func rescue(tenant: UUID, limit: Int) -> SQL {
        """
        WITH expired AS MATERIALIZED (
            SELECT id
              FROM jobs
             WHERE tenant_id = \(tenant) AND state = 'leased' AND leased_until < now()
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs
           SET state = 'ready', attempt = attempt - 1, rescues = rescues + 1, worker = NULL, leased_until = NULL
          FROM expired
         WHERE jobs.tenant_id = \(tenant) AND jobs.id = expired.id
        """
    }

    /// The tenants that have leased jobs whose time is over.
    static func tenantsToRescue(limit: Int) -> SQL {
        "SELECT DISTINCT tenant_id FROM jobs WHERE state = 'leased' AND leased_until < now() LIMIT \(limit)"
    }

    static func promote(tenant: UUID, limit: Int, now: Instant) -> SQL {
        """
        WITH due AS MATERIALIZED (
            SELECT id
              FROM schedule
             WHERE tenant_id = \(tenant) AND due_at <= now() AND NOT on_test_clock
             ORDER BY due_at, id
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        ), taken AS (
            DELETE FROM schedule
             USING due
             WHERE schedule.tenant_id = \(tenant) AND schedule.id = due.id
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

    static func tenantsToPromote(limit: Int) -> SQL {
        "SELECT DISTINCT tenant_id FROM schedule WHERE due_at <= now() AND NOT on_test_clock LIMIT \(limit)"
    }
}

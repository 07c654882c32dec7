import FoundationEssentials
import Postgres
import Time

/// A sandbox store's clock, and what falls due by it. What falls due by real time is in `Jobs`.
enum ScheduleStore {
    // MARK: The clock

    /// The store, its clock kept from changing, and decisions by it from beginning, until the transaction ends. Not
    /// `FOR UPDATE`: that would wait for, and hold up, every row that names the store.
    static func lockClock(_ store: StoreID, tenant: TenantID) -> SQL {
        """
        SELECT tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from,
               escalation_email, version, created_at, updated_at
          FROM stores
         WHERE tenant_id = \(tenant.uuid) AND id = \(store.uuid)
           FOR NO KEY UPDATE
        """
    }

    static func setClock(_ store: StoreID, tenant: TenantID, to instant: Instant, now: Instant) -> SQL {
        """
        UPDATE stores
           SET test_clock = \(instant), version = version + 1, updated_at = \(now)
         WHERE tenant_id = \(tenant.uuid) AND id = \(store.uuid)
        """
    }

    /// Takes the store's rows out of the ordinary promotion. The sweep goes by real time in a sandbox too.
    static func moveToTestClock(_ store: StoreID, tenant: TenantID) -> SQL {
        """
        UPDATE schedule
           SET on_test_clock = true
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND NOT on_test_clock
           AND kind <> \(SweepExpired.kind)
        """
    }

    // MARK: Stepping

    /// Whether something of the store runs, or would at once, beside the job that asks; or is tried again within the
    /// minute after an error of ours, for it was meant for the time it is now. What has failed for good, or waits for
    /// longer, does not count: the clock must not hang on it.
    ///
    /// What was to run at once is known by its time of creation too: `now` may be older than the row by the time this
    /// is asked.
    static func isBusy(_ store: StoreID, tenant: TenantID, beside job: UUID, now: Instant) -> SQL {
        """
        SELECT EXISTS (SELECT FROM jobs
                        WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND id <> \(job)
                          AND (state = 'leased'
                               OR (state = 'ready' AND run_at <= greatest(created_at, \(now)))
                               OR (state = 'ready' AND last_error IS NOT NULL AND run_at <= \(now + .seconds(60)))))
        """
    }

    /// The next instant something falls due, by `schedule_by_store`.
    static func nextDue(_ store: StoreID, tenant: TenantID, until target: Instant) -> SQL {
        """
        SELECT due_at
          FROM schedule
         WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND on_test_clock AND due_at <= \(target)
         ORDER BY due_at, id
         LIMIT 1
        """
    }

    /// Turns what is due by the store's clock into jobs, each once, and counts it in the operation.
    ///
    /// As `QueueStore.promote` in `Jobs`, for one store.
    static func promote(
        _ store: StoreID,
        tenant: TenantID,
        at clock: Instant,
        for operation: OperationID,
        limit: Int,
        now: Instant
    ) -> SQL {
        """
        WITH due AS MATERIALIZED (
            SELECT id
              FROM schedule
             WHERE tenant_id = \(tenant.uuid) AND store_id = \(store.uuid) AND on_test_clock AND due_at <= \(clock)
             ORDER BY due_at, id
             LIMIT \(limit)
               FOR UPDATE SKIP LOCKED
        ), taken AS (
            DELETE FROM schedule
             USING due
             WHERE schedule.tenant_id = \(tenant.uuid) AND schedule.id = due.id
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
        UPDATE operations
           SET progress = progress + (SELECT count(*) FROM enqueued)
         WHERE tenant_id = \(tenant.uuid) AND id = \(operation.uuid)
        """
    }
}

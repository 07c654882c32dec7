public import FoundationEssentials
public import Postgres
public import Time

/// A job to be enqueued.
public struct NewJob: Sendable {
    public let tenant: UUID
    public let id: UUID
    public let store: UUID?
    public let kind: String
    public let subject: UUID
    public let runAt: Instant

    public init(tenant: UUID, id: UUID, store: UUID?, kind: String, subject: UUID, runAt: Instant) {
        self.tenant = tenant
        self.id = id
        self.store = store
        self.kind = kind
        self.subject = subject
        self.runAt = runAt
    }
}

/// Statements about single jobs, to be part of somebody's tenant transaction. The five that cross tenants are in
/// `QueueStore`.
public enum JobStore {
    /// Enqueues a job, as the last statement of the transaction: a job that waits for its own transaction's commit
    /// should wait as short as possible.
    ///
    /// Inserts, always: `ON CONFLICT DO NOTHING` would lose the fact of a producer that commits after the claim of
    /// the job it ran into.
    public static func enqueue(_ job: NewJob, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
             VALUES (\(job.tenant), \(job.id), \(job.store), \(job.kind), \(job.subject), \(job.runAt), \(now))
        """
    }

    /// Enqueues a job of which one at a time is enough: a waiting one is left as it is, unless this one is to run
    /// earlier; a running one runs once more.
    ///
    /// Waits on the row of a job that is being claimed or finished, so this too comes last in its transaction.
    public static func enqueueCoalescing(_ job: NewJob, now: Instant) -> SQL {
        """
        INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at, coalesces)
             VALUES (\(job.tenant), \(job.id), \(job.store), \(job.kind), \(job.subject), \(job.runAt), \(now), true)
        ON CONFLICT (tenant_id, kind, subject_id) WHERE coalesces
          DO UPDATE SET again = (jobs.state = 'leased'),
                        -- A failed one gets a new chance: something has changed.
                        state   = CASE jobs.state WHEN 'failed' THEN 'ready' ELSE jobs.state END,
                        attempt = CASE jobs.state WHEN 'failed' THEN 0       ELSE jobs.attempt END,
                        -- What waits for a later time, or for its next try, must not hold up who asks for it sooner.
                        run_at  = least(jobs.run_at, excluded.run_at)
        """
    }

    /// Deletes the job inside the transaction that holds its effect, before the effect: a worker whose lease was
    /// taken over finds no row, rolls back, and so has changed nothing.
    ///
    /// A coalescing job that was asked for again stays, and becomes ready.
    public static func finish(_ job: Job, in transaction: Transaction, now: Instant) async throws {
        try requireFinished(try await transaction.query(finishIfHeld(job, now: now))[0])
    }

    /// Throws unless the answer of `finishIfHeld` says that the job was ended: for a transaction that asks it together
    /// with what it reads, in one round trip, and looks at this answer before the others.
    public static func requireFinished(_ rows: Rows) throws {
        guard let row = rows.first, try row.decode(Int.self) == 1 else { throw StaleLease() }
    }

    /// As `finish`, but for a transaction that is to be committed even if the lease is gone: what it records stays
    /// true whoever holds the job now.
    public static func finishIfHeld(_ job: Job, now: Instant) -> SQL { fence(job, now: now) }

    /// Locks the job's row until the transaction ends, which keeps others from claiming or ending it; `isHeld` reads
    /// the answer. For a transaction that has to prove its lease and does not end the job.
    public static func hold(_ job: Job) -> SQL {
        """
        SELECT worker IS NOT NULL
          FROM jobs
         WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND lease_no = \(job.lease)
           FOR UPDATE
        """
    }

    /// Locks a coalescing job's row, if there is one, until the transaction ends: for a transaction that may enqueue it
    /// after locks that the job itself takes later. By `jobs_coalesce`.
    public static func hold(_ kind: String, subject: UUID, tenant: UUID) -> SQL {
        """
        SELECT id
          FROM jobs
         WHERE tenant_id = \(tenant) AND kind = \(kind) AND subject_id = \(subject) AND coalesces
           FOR UPDATE
        """
    }

    /// Whether the lease was still this worker's when `hold` ran: it was neither taken over nor given up.
    public static func isHeld(_ rows: Rows) throws(PostgresError) -> Bool {
        try rows.first?.decode(Bool.self) ?? false
    }

    /// `finish` as a statement, for a transaction of one round trip that ends well even if the lease is gone: its one
    /// row says how many jobs it ended, 0 or 1.
    static func fence(_ job: Job, now: Instant) -> SQL {
        // By primary key, and the lease number as a filter: never `state = 'leased'`, for which the planner takes the
        // partial index when that looked empty at the last ANALYZE. Locked first, because `again` may be just being set:
        // the lock waits for that, and answers with the row as it is then. The id is said each time, and not joined with
        // the row that is held: a planner that last saw the table empty would look for it among all of the tenant's jobs.
        """
        WITH held AS MATERIALIZED (
            SELECT id, again
              FROM jobs
             WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND lease_no = \(job.lease)
               FOR UPDATE
        ), repeated AS (
            UPDATE jobs
               SET state = 'ready', again = false, attempt = 0, run_at = \(now), worker = NULL, leased_until = NULL
             WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND (SELECT again FROM held)
         RETURNING id
        ), deleted AS (
            DELETE FROM jobs
             WHERE tenant_id = \(job.tenant) AND id = \(job.id) AND NOT (SELECT again FROM held)
         RETURNING id
        )
        SELECT (SELECT count(*) FROM repeated) + (SELECT count(*) FROM deleted)
        """
    }
}

/// A row that falls due some day.
public struct ScheduledJob: Sendable {
    /// The local time that was meant, where one was: kept beside the instant, so that the instant can be worked out
    /// anew when the store moves to another zone, or the zone data change.
    public struct LocalIntent: Sendable {
        public let local: String
        public let zone: String
        public let zoneData: String

        public init(local: String, zone: String, zoneData: String) {
            self.local = local
            self.zone = zone
            self.zoneData = zoneData
        }
    }

    public let tenant: UUID
    public let id: UUID
    public let store: UUID
    public let kind: String
    public let rule: UUID
    public let subject: UUID
    public let occurrence: String
    public let dueAt: Instant
    public let intent: LocalIntent?
    public let notAfter: Instant?
    public let isOnTestClock: Bool

    public init(
        tenant: UUID,
        id: UUID,
        store: UUID,
        kind: String,
        rule: UUID,
        subject: UUID,
        occurrence: String,
        dueAt: Instant,
        intent: LocalIntent?,
        notAfter: Instant?,
        isOnTestClock: Bool
    ) {
        self.tenant = tenant
        self.id = id
        self.store = store
        self.kind = kind
        self.rule = rule
        self.subject = subject
        self.occurrence = occurrence
        self.dueAt = dueAt
        self.intent = intent
        self.notAfter = notAfter
        self.isOnTestClock = isOnTestClock
    }
}

extension JobStore {
    /// Schedules an occurrence once: nothing happens if it is scheduled already, or has fired.
    public static func schedule(_ job: ScheduledJob, now: Instant) -> SQL {
        // Producers of one order's rows are serialised by its row lock, so that nobody fires it between the look at
        // `fired` and the insert; should it happen all the same, `fired_is_once` drops the second at promotion.
        """
        INSERT INTO schedule (tenant_id, id, store_id, kind, rule_id, subject_id, occurrence,
                              due_at, due_local, time_zone, zone_data, not_after, on_test_clock, created_at)
             SELECT \(job.tenant), \(job.id), \(job.store), \(job.kind), \(job.rule), \(job.subject), \(job.occurrence),
                    \(job.dueAt), \(job.intent?.local), \(job.intent?.zone), \(job.intent?.zoneData), \(job.notAfter),
                    \(job.isOnTestClock), \(now)
              WHERE NOT EXISTS (SELECT FROM fired
                                 WHERE tenant_id = \(job.tenant) AND kind = \(job.kind) AND rule_id = \(job.rule)
                                   AND subject_id = \(job.subject) AND occurrence = \(job.occurrence))
        ON CONFLICT (tenant_id, kind, rule_id, subject_id, occurrence) DO NOTHING
        """
    }

    /// What fell due: the row of `fired` that a due job's subject names.
    public static func fired(tenant: UUID, schedule: UUID) -> SQL {
        """
        SELECT store_id, rule_id, subject_id, occurrence, due_at, not_after
          FROM fired
         WHERE tenant_id = \(tenant) AND schedule_id = \(schedule)
        """
    }
}

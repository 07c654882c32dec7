-- The scheduler's two tables: `schedule` is cold and holds what falls due some day, `jobs` is small and hot and holds
-- what is to be done now. Rows carry ids only: no customer's data, no rendered message.
--
-- Five statements of Sources/Jobs cross tenants (discover, promote, claim, rescue, complete). They are the reason for
-- the policies below that let aftercare_worker see every tenant's rows, and for the two indexes that do not begin
-- with tenant_id.

CREATE TABLE jobs (
    tenant_id    uuid        NOT NULL REFERENCES tenants,
    id           uuid        NOT NULL,
    store_id     uuid            NULL,
    kind         text        NOT NULL,
    -- What the job is about: an inbound event, an order, a message, …; the kind tells which.
    subject_id   uuid        NOT NULL,
    run_at       timestamptz NOT NULL,
    state        text        NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'failed')),
    attempt      int         NOT NULL DEFAULT 0,
    -- Grows with every claim and never goes back: what a worker that lost its lease is told apart by.
    lease_no     bigint      NOT NULL DEFAULT 0,
    worker       uuid            NULL,
    leased_until timestamptz     NULL,
    -- Coalescing jobs only: at most one row for (kind, subject), and `again` asks a running one to run once more.
    coalesces    boolean     NOT NULL DEFAULT false,
    again        boolean     NOT NULL DEFAULT false,
    last_error   text            NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_lease_is_whole CHECK ((state = 'leased') = (worker IS NOT NULL AND leased_until IS NOT NULL)),
    CONSTRAINT jobs_again_coalesces CHECK (NOT again OR coalesces)
) WITH (
    -- Room on the page for the claim's update, and a vacuum that comes early and does not pause.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX        jobs_ready     ON jobs (tenant_id, run_at, id)       WHERE state = 'ready';
CREATE INDEX        jobs_leased    ON jobs (leased_until)                WHERE state = 'leased';
CREATE UNIQUE INDEX jobs_coalesced ON jobs (tenant_id, kind, subject_id) WHERE coalesces;

CREATE TABLE schedule (
    tenant_id     uuid        NOT NULL REFERENCES tenants,
    id            uuid        NOT NULL,
    store_id      uuid        NOT NULL,
    -- The kind of job it becomes, what asked for it (a workflow), and what it is about (an order).
    kind          text        NOT NULL,
    rule_id       uuid        NOT NULL,
    subject_id    uuid        NOT NULL,
    -- The episode, so that a second shipment gets a follow-up of its own, and the first one none twice.
    occurrence    text        NOT NULL,
    -- The instant, and the local intent it was resolved from; NULL where an elapsed time was meant.
    due_at        timestamptz NOT NULL,
    due_local     text            NULL,
    time_zone     text            NULL,
    zone_data     text            NULL,
    -- Past this instant it is dropped, with a reason.
    not_after     timestamptz     NULL,
    -- A sandbox store's rows fall due by its own clock.
    on_test_clock boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT schedule_is_once UNIQUE (tenant_id, kind, rule_id, subject_id, occurrence),
    CONSTRAINT schedule_local_intent_is_whole CHECK ((due_local IS NULL) = (time_zone IS NULL)
                                                 AND (due_local IS NULL) = (zone_data IS NULL))
);
CREATE INDEX schedule_due      ON schedule (due_at, tenant_id, id) WHERE NOT on_test_clock;
CREATE INDEX schedule_by_store ON schedule (tenant_id, store_id, due_at, id);

-- What fell due, kept for 13 months at least: the reason a re-imported order fires nothing twice. A due job's subject
-- is the schedule_id here.
CREATE TABLE fired (
    tenant_id   uuid        NOT NULL REFERENCES tenants,
    schedule_id uuid        NOT NULL,
    store_id    uuid        NOT NULL,
    kind        text        NOT NULL,
    rule_id     uuid        NOT NULL,
    subject_id  uuid        NOT NULL,
    occurrence  text        NOT NULL,
    due_at      timestamptz NOT NULL,
    not_after   timestamptz     NULL,
    PRIMARY KEY (tenant_id, schedule_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT fired_is_once UNIQUE (tenant_id, kind, rule_id, subject_id, occurrence)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['jobs', 'schedule', 'fired'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format($policy$
            CREATE POLICY tenant ON %I
                USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
                WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
        $policy$, name);
        EXECUTE format($policy$
            CREATE POLICY store ON %I AS RESTRICTIVE
                USING (nullif(current_setting('app.store', true), '') IS NULL
                       OR store_id = nullif(current_setting('app.store', true), '')::uuid)
        $policy$, name);
        EXECUTE format('CREATE POLICY worker ON %I TO aftercare_worker USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs, schedule TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT                 ON fired          TO aftercare_app, aftercare_worker;

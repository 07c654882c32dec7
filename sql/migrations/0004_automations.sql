-- Decisions and what they cause: the store's policy and workflows in versions, each run with its reason, each message
-- with its attempts.

-- The store's policy. Versions are never changed: a run names the one it was decided by.
CREATE TABLE policies (
    tenant_id  uuid        NOT NULL,
    store_id   uuid        NOT NULL,
    version    int         NOT NULL,
    document   jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id, version),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

CREATE TABLE workflows (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    store_id   uuid        NOT NULL,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    -- The ready-made workflow it was installed from.
    template   text        NOT NULL,
    -- The published version.
    version    int         NOT NULL,
    rollout    text        NOT NULL CHECK (rollout IN ('off', 'shadow', 'live')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);
CREATE INDEX workflows_by_store    ON workflows (tenant_id, store_id, id);
CREATE INDEX workflows_by_creation ON workflows (tenant_id, created_at DESC, id DESC);

CREATE TABLE workflow_versions (
    tenant_id   uuid        NOT NULL,
    workflow_id uuid        NOT NULL,
    version     int         NOT NULL,
    store_id    uuid        NOT NULL,
    definition  jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, workflow_id, version),
    FOREIGN KEY (tenant_id, workflow_id) REFERENCES workflows (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- One decision: what it was asked, what it knew, what it decided and why. Never changed.
CREATE TABLE runs (
    tenant_id        uuid        NOT NULL,
    id               uuid        NOT NULL,
    store_id         uuid        NOT NULL,
    order_id         uuid        NOT NULL,
    workflow_id      uuid        NOT NULL,
    workflow_version int         NOT NULL,
    policy_version   int         NOT NULL,
    -- `fact:delivered`, `schedule:follow_up`, … and the row that stands for it.
    trigger          text        NOT NULL,
    trigger_id       uuid        NOT NULL,
    outcome          text        NOT NULL CHECK (outcome IN ('acted', 'declined', 'shadowed')),
    -- The named reason for acting or for not acting.
    reason           text        NOT NULL,
    -- What was known at the time, and its SHA-256 in canonical form.
    facts            jsonb       NOT NULL,
    facts_hash       bytea       NOT NULL,
    plan             jsonb       NOT NULL,
    -- The store's time it was decided for, and the real time it was written.
    decided_at       timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_id, workflow_version)
        REFERENCES workflow_versions (tenant_id, workflow_id, version)
);
CREATE INDEX runs_by_creation ON runs (tenant_id, created_at DESC, id DESC);
CREATE INDEX runs_by_order    ON runs (tenant_id, order_id, created_at DESC, id DESC);

-- The ledger of messages: narrow, and kept for 13 months at least. effect_key is why none goes out twice.
CREATE TABLE messages (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    store_id    uuid        NOT NULL,
    order_id    uuid        NOT NULL,
    run_id      uuid        NOT NULL,
    effect_key  text        NOT NULL,
    channel     text        NOT NULL CHECK (channel IN ('email')),
    class       text        NOT NULL CHECK (class IN ('transactional', 'follow_up')),
    state       text        NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued', 'sending', 'accepted', 'delivered', 'bounced', 'failed', 'unknown',
                                 'suppressed', 'expired')),
    -- Why it ended as it did; what the mail server said.
    reason      text            NULL,
    attempts    int         NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id),
    CONSTRAINT messages_are_sent_once UNIQUE (tenant_id, effect_key)
);
CREATE INDEX messages_by_creation ON messages (tenant_id, created_at DESC, id DESC);
CREATE INDEX messages_by_order    ON messages (tenant_id, order_id, created_at DESC, id DESC);

-- What is sent, rendered and frozen before the first byte leaves. Deleted for privacy and age, the ledger stays.
CREATE TABLE message_requests (
    tenant_id    uuid NOT NULL,
    message_id   uuid NOT NULL,
    store_id     uuid NOT NULL,
    sender       text NOT NULL,
    recipient    text NOT NULL,
    subject      text NOT NULL,
    body         text NOT NULL,
    PRIMARY KEY (tenant_id, message_id),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- Each try to send, written before its first byte; no outcome means that the program was interrupted.
CREATE TABLE message_attempts (
    tenant_id  uuid        NOT NULL,
    message_id uuid        NOT NULL,
    attempt    int         NOT NULL,
    store_id   uuid        NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz     NULL,
    outcome    text            NULL CHECK (outcome IN ('accepted', 'refused', 'unknown')),
    detail     text            NULL,
    PRIMARY KEY (tenant_id, message_id, attempt),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT message_attempts_end_with_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

-- Long work that was asked for over the API.
CREATE TABLE operations (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    store_id    uuid        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('advance_test_clock')),
    state       text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'failed')),
    -- The instant the clock is advanced to, and how many due rows that fired.
    target_at   timestamptz     NULL,
    progress    int         NOT NULL DEFAULT 0,
    error       text            NULL,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);
-- One at a time for each store: a clock that is advanced twice at once would skip what falls due between.
CREATE UNIQUE INDEX operations_one_advance ON operations (tenant_id, store_id, kind) WHERE state = 'running';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['policies', 'workflows', 'workflow_versions', 'runs', 'messages', 'message_requests',
                                'message_attempts', 'operations'] LOOP
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
    END LOOP;
END $$;

GRANT SELECT, INSERT         ON policies, workflow_versions, runs         TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE ON workflows, messages, message_attempts, operations TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, DELETE ON message_requests                          TO aftercare_app, aftercare_worker;

-- Commands: what this program asks a shop to do with an order, and what became of it. None of them moves money.
--
-- A command goes through the shop's connector or, for any other shop, to the one signed webhook endpoint of its store. It
-- is marked as sending in the transaction that proves the job's lease, sent outside any transaction, and its outcome is
-- recorded after: as messages are (0008). Whoever finds a command sending under a new lease does not know whether the
-- shop has it: a connector's becomes `unknown`, a webhook is sent again under the same id, by which its receiver knows it.
--
-- An order has one command of a kind at a time that is not over (commands_open_once). A change of address is over when
-- the shop says that it was made, for the mirror keeps no address to see it in.
--
-- Locks: job, order, command, in this order. Whoever applies something to an order takes no command.

CREATE TABLE command_endpoints (
    tenant_id             uuid        NOT NULL,
    store_id              uuid        NOT NULL,
    url                   text        NOT NULL CHECK (char_length(url) BETWEEN 1 AND 2000),
    -- Which commands the shop takes.
    kinds                 text[]      NOT NULL
                          CHECK (cardinality(kinds) > 0
                                 AND kinds <@ ARRAY['cancel_order', 'change_shipping_address', 'create_return']),
    -- Sealed. While it is replaced, the one before signs too.
    secret                bytea       NOT NULL,
    previous_secret       bytea           NULL,
    previous_secret_until timestamptz     NULL,
    state                 text        NOT NULL CHECK (state IN ('active', 'disabled')),
    -- It answered 410; or somebody disabled it.
    state_reason          text            NULL CHECK (state_reason IN ('gone', 'disabled_by_user')),
    last_success_at       timestamptz     NULL,
    last_failure_at       timestamptz     NULL,
    last_failure          text            NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT command_endpoints_disabled_has_reason CHECK ((state = 'disabled') = (state_reason IS NOT NULL)),
    CONSTRAINT command_endpoints_previous_has_end CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);

CREATE TABLE commands (
    tenant_id       uuid        NOT NULL,
    id              uuid        NOT NULL,
    store_id        uuid        NOT NULL,
    order_id        uuid        NOT NULL,
    -- Through which connector it goes; null for the store's webhook endpoint.
    connection_id   uuid            NULL,
    -- The decision that asked for it, where it was not a person or a program.
    run_id          uuid            NULL,
    kind            text        NOT NULL
                    CHECK (kind IN ('cancel_order', 'change_shipping_address', 'create_return')),
    -- An address, and what people wrote; null once it was erased.
    parameters      jsonb           NULL CHECK (jsonb_typeof(parameters) = 'object'),
    state           text        NOT NULL
                    CHECK (state IN ('requested', 'sending', 'accepted', 'acknowledged', 'verified', 'refused',
                                     'failed', 'unknown')),
    reason          text            NULL,
    -- What the shop or its program wrote, or how the last try went.
    detail          text            NULL CHECK (char_length(detail) <= 500),
    -- The shop's id of what it did, such as that of a return.
    reference       text            NULL CHECK (char_length(reference) BETWEEN 1 AND 255),
    -- usr_…, key_… or run_….
    requested_by    text        NOT NULL,
    attempts        int         NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Until when the next thing has to have happened; after it, nobody waits any longer.
    deadline_at     timestamptz NOT NULL,
    -- The shop said so.
    acknowledged_at timestamptz     NULL,
    ended_at        timestamptz     NULL,
    -- A person's word on what nobody knew.
    resolved_as     text            NULL CHECK (resolved_as IN ('verified', 'failed', 'requested')),
    resolved_by     text            NULL,
    resolved_at     timestamptz     NULL,
    note            text            NULL CHECK (char_length(note) <= 2000),
    version         bigint      NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id),
    CONSTRAINT commands_unhappy_end_has_reason CHECK (state NOT IN ('refused', 'failed', 'unknown')
                                                      OR reason IS NOT NULL),
    CONSTRAINT commands_sent_was_tried CHECK (attempts > 0 OR state IN ('requested', 'refused', 'failed')),
    CONSTRAINT commands_end_has_time CHECK ((state IN ('verified', 'refused', 'failed')) = (ended_at IS NOT NULL)),
    CONSTRAINT commands_resolution_is_whole CHECK ((resolved_as IS NULL) = (resolved_by IS NULL)
                                                   AND (resolved_as IS NULL) = (resolved_at IS NULL))
);
CREATE INDEX commands_by_creation ON commands (tenant_id, created_at DESC, id DESC);
CREATE INDEX commands_by_store    ON commands (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX commands_by_order    ON commands (tenant_id, order_id, created_at DESC, id DESC);
CREATE INDEX commands_by_state    ON commands (tenant_id, state, created_at DESC, id DESC);
CREATE UNIQUE INDEX commands_open_once ON commands (tenant_id, order_id, kind)
    WHERE state IN ('requested', 'sending', 'accepted', 'unknown')
          OR (state = 'acknowledged' AND kind <> 'change_shipping_address');

CREATE TABLE command_attempts (
    tenant_id  uuid        NOT NULL,
    command_id uuid        NOT NULL,
    attempt    int         NOT NULL CHECK (attempt > 0),
    store_id   uuid        NOT NULL,
    started_at timestamptz NOT NULL,
    -- Both null while it runs, and where the program was interrupted.
    ended_at   timestamptz     NULL,
    -- `refused`: the shop certainly did nothing. `unknown`: it may have.
    outcome    text            NULL CHECK (outcome IN ('accepted', 'refused', 'unknown')),
    detail     text            NULL,
    PRIMARY KEY (tenant_id, command_id, attempt),
    FOREIGN KEY (tenant_id, command_id) REFERENCES commands (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['command_endpoints', 'commands', 'command_attempts'] LOOP
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO aftercare_app, aftercare_worker', name);
    END LOOP;
END $$;

-- A command that did not succeed, or of which nobody knows.
ALTER TABLE tickets DROP CONSTRAINT tickets_kind_check;
ALTER TABLE tickets ADD CONSTRAINT tickets_kind_check
    CHECK (kind IN ('question', 'conflicting_tracking', 'missing_shipment', 'damaged_goods', 'delivery_exception',
                    'charge_dispute', 'policy_exception', 'high_value', 'angry_customer', 'fraud_concern',
                    'conflicting_order_data', 'unknown_order_data', 'stale_data', 'low_confidence',
                    'several_requests', 'repeated_contact', 'denial_contested', 'person_requested',
                    'message_unknown', 'message_failed', 'refund_failed', 'refund_delayed', 'command_failed'));

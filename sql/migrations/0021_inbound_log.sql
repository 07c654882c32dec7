-- The inbound log as a person reads it, for how long its bodies are kept, and how well a connection does.
--
-- Every filter of the log has an index that gives its rows in the log's own order. The one of the quarantined is widened
-- to all states.
--
-- Bodies are emptied by the nightly sweep once nobody needs them any more; the row stays, with what the body was: its
-- hash and its length. `inbound_events_with_body` holds what is still to be emptied, and so only what was read.
--
-- A connection is judged by its own past. Events are counted by the hour, after the hour (job `check_connection`), so
-- that neither a webhook nor a look at the connection pays for it. Webhooks with a wrong signature leave nothing but a
-- number, added up in the process and written now and then: whoever sends them cannot fill a table.

CREATE INDEX inbound_events_by_connection ON inbound_events (tenant_id, connection_id, received_at DESC, id DESC);
CREATE INDEX inbound_events_by_store      ON inbound_events (tenant_id, store_id, received_at DESC, id DESC);
CREATE INDEX inbound_events_by_topic      ON inbound_events (tenant_id, topic, received_at DESC, id DESC);
CREATE INDEX inbound_events_by_state      ON inbound_events (tenant_id, state, received_at DESC, id DESC);
CREATE INDEX inbound_events_by_reason     ON inbound_events (tenant_id, reason, received_at DESC, id DESC)
                                          WHERE reason IS NOT NULL;
DROP INDEX inbound_events_quarantined;

ALTER TABLE inbound_events
    -- What the body was sent as.
    ADD COLUMN content_type    text        NULL,
    -- Since when the body is gone because it was kept for long enough; what it was stays.
    ADD COLUMN body_expired_at timestamptz NULL,
    ADD COLUMN body_hash       bytea       NULL,
    ADD COLUMN body_length     int         NULL,
    ADD CONSTRAINT inbound_events_expired_are_empty CHECK (body_expired_at IS NULL OR body = ''),
    ADD CONSTRAINT inbound_events_expired_are_known CHECK (body_expired_at IS NULL
                                                           OR (body_hash IS NOT NULL AND body_length IS NOT NULL));
CREATE INDEX inbound_events_with_body ON inbound_events (tenant_id, state, received_at)
                                      WHERE body_expired_at IS NULL AND redacted_at IS NULL AND state <> 'received';

-- What a connection told of in an hour. Kept for five weeks.
CREATE TABLE connection_hours (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    -- Its beginning.
    hour          timestamptz NOT NULL,
    store_id      uuid        NOT NULL,
    received      bigint      NOT NULL DEFAULT 0 CHECK (received >= 0),
    -- Requests whose signature was wrong.
    refused       bigint      NOT NULL DEFAULT 0 CHECK (refused >= 0),
    PRIMARY KEY (tenant_id, connection_id, hour),
    FOREIGN KEY (tenant_id, store_id)      REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);
CREATE INDEX connection_hours_by_age ON connection_hours (tenant_id, hour);

-- What the last check of a connection came to.
CREATE TABLE connection_checks (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    store_id      uuid        NOT NULL,
    state         text        NOT NULL
                  CHECK (state IN ('healthy', 'degraded', 'unhealthy', 'disabled', 'unknown')),
    -- Since when it is in this state, as far as checks saw.
    since         timestamptz NOT NULL,
    checked_at    timestamptz NOT NULL,
    -- Hours before this one are counted.
    counted_until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, connection_id),
    FOREIGN KEY (tenant_id, store_id)      REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['connection_hours', 'connection_checks'] LOOP
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

GRANT SELECT, INSERT, UPDATE ON connection_hours  TO aftercare_app, aftercare_worker;
GRANT DELETE                 ON connection_hours  TO aftercare_worker;
GRANT SELECT                 ON connection_checks TO aftercare_app;
GRANT SELECT, INSERT, UPDATE ON connection_checks TO aftercare_worker;

-- What an operation is to do where a time does not say it, and how far it is.
ALTER TABLE operations ADD COLUMN task jsonb NULL;
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD  CONSTRAINT operations_kind_check
    CHECK (kind IN ('advance_test_clock', 'import_orders', 'replay_events'));

ALTER TABLE tickets DROP CONSTRAINT tickets_kind_check;
ALTER TABLE tickets ADD CONSTRAINT tickets_kind_check
    CHECK (kind IN ('question', 'conflicting_tracking', 'missing_shipment', 'damaged_goods', 'delivery_exception',
                    'charge_dispute', 'policy_exception', 'high_value', 'angry_customer', 'fraud_concern',
                    'conflicting_order_data', 'unknown_order_data', 'stale_data', 'low_confidence',
                    'several_requests', 'repeated_contact', 'denial_contested', 'person_requested',
                    'message_unknown', 'message_failed', 'refund_failed', 'refund_delayed', 'command_failed',
                    'connection_unhealthy'));

-- A first check for every connection there is; new ones get theirs from the program. Row level security is forced, so
-- that even the owner sees no tenant's rows: lifted for this one statement, within this transaction. The row takes its
-- connection's id, which is made by the program as any id is. Due at once: the job then schedules the next check.
ALTER TABLE connections NO FORCE ROW LEVEL SECURITY;
ALTER TABLE schedule    NO FORCE ROW LEVEL SECURITY;
INSERT INTO schedule (tenant_id, id, store_id, kind, rule_id, subject_id, occurrence, due_at, created_at)
     SELECT tenant_id, id, store_id, 'check_connection', id, id, 'first', now(), now()
       FROM connections
ON CONFLICT DO NOTHING;
ALTER TABLE connections FORCE ROW LEVEL SECURITY;
ALTER TABLE schedule    FORCE ROW LEVEL SECURITY;

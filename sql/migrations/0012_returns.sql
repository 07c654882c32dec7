-- Returns in the mirror: what the customer announced, and what came back.
--
-- Several of a shop's webhooks name a return and not its order, and they may come before the one that does. So a return
-- is a thing of its own within its store, with its own row to lock, and order_id is filled in once some body has named
-- the order. Until then nothing of it is raised as a fact: facts are an order's.
--
-- `state` is worked out by the program from what the shop reports and from the evidence (a label, goods that came back)
-- whenever one of them changes, and is stored because it is read far more often.
--
-- Locks: whoever applies something to a return holds the return's row first and its order's row after it. Nobody who
-- holds an order takes a return.

CREATE TABLE returns (
    tenant_id          uuid        NOT NULL,
    id                 uuid        NOT NULL,
    store_id           uuid        NOT NULL,
    external_id        text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    order_id           uuid            NULL,
    -- What the shop and its customers call it.
    name               text            NULL,
    state              text        NOT NULL DEFAULT 'unknown'
                       CHECK (state IN ('requested', 'under_review', 'approved', 'declined', 'label_issued',
                              'in_transit', 'partially_received', 'received', 'inspected', 'resolved', 'cancelled',
                              'expired', 'unknown')),
    -- What the source says of it, in our words and in its own.
    reported_state     text            NULL
                       CHECK (reported_state IN ('requested', 'under_review', 'approved', 'declined', 'label_issued',
                              'in_transit', 'partially_received', 'received', 'inspected', 'resolved', 'cancelled',
                              'expired', 'unknown')),
    state_raw          text            NULL,
    -- What the customer gets for it.
    outcome            text            NULL CHECK (outcome IN ('refund', 'exchange', 'store_credit', 'gift_card',
                                                               'replace', 'keep_item')),
    decline_reason     text            NULL,
    carrier            text            NULL,
    tracking_number    text            NULL,
    tracking_url       text            NULL,
    label_url          text            NULL,
    -- Pieces, over all lines.
    announced_quantity bigint      NOT NULL DEFAULT 0 CHECK (announced_quantity >= 0),
    received_quantity  bigint      NOT NULL DEFAULT 0 CHECK (received_quantity >= 0),
    -- The earliest evidence of each: once told, never taken back.
    requested_at       timestamptz     NULL,
    approved_at        timestamptz     NULL,
    declined_at        timestamptz     NULL,
    cancelled_at       timestamptz     NULL,
    received_at        timestamptz     NULL,
    closed_at          timestamptz     NULL,
    -- As in orders.
    source_updated_at  timestamptz     NULL,
    source_hash        bytea           NULL,
    source_stamps      jsonb       NOT NULL DEFAULT '{}',
    version            bigint      NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    CONSTRAINT returns_external_id_is_unique UNIQUE (tenant_id, store_id, external_id)
);
CREATE INDEX returns_by_creation ON returns (tenant_id, created_at DESC, id DESC);
CREATE INDEX returns_by_store    ON returns (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX returns_by_state    ON returns (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX returns_by_order    ON returns (tenant_id, order_id, created_at DESC, id DESC)
                                 WHERE order_id IS NOT NULL;

CREATE TABLE return_lines (
    tenant_id              uuid        NOT NULL,
    return_id              uuid        NOT NULL,
    external_id            text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    store_id               uuid        NOT NULL,
    position               int         NOT NULL,
    -- The line of the order that comes back.
    order_line_external_id text            NULL,
    -- What was announced; absent for what came back without having been announced.
    quantity               int             NULL CHECK (quantity >= 0),
    -- A code such as `size_too_small`, and what somebody wrote about it.
    reason                 text            NULL,
    note                   text            NULL,
    -- What came back so far, by the newest word on this line.
    received_quantity      int             NULL CHECK (received_quantity >= 0),
    receipt_updated_at     timestamptz     NULL,
    receipt_hash           bytea           NULL,
    PRIMARY KEY (tenant_id, return_id, external_id),
    FOREIGN KEY (tenant_id, return_id) REFERENCES returns (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT return_lines_are_about_something CHECK (quantity IS NOT NULL OR received_quantity IS NOT NULL),
    CONSTRAINT return_lines_receipt_has_source CHECK ((received_quantity IS NULL) = (receipt_hash IS NULL))
);

-- The order's axis follows from its returns, and one of them may be in a state nobody here knows.
ALTER TABLE orders DROP CONSTRAINT orders_return_status_check;
ALTER TABLE orders ADD CONSTRAINT orders_return_status_check
    CHECK (return_status IN ('none', 'requested', 'in_progress', 'inspected', 'returned', 'failed', 'unknown'));

ALTER TABLE facts DROP CONSTRAINT facts_kind_check;
ALTER TABLE facts ADD CONSTRAINT facts_kind_check
    CHECK (kind IN ('order_placed', 'order_cancelled', 'order_paid', 'shipped', 'delivered', 'refund_recorded',
                    'refund_succeeded', 'refund_failed', 'return_requested', 'return_approved', 'return_declined',
                    'return_cancelled', 'return_received', 'return_closed'));

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['returns', 'return_lines'] LOOP
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

GRANT SELECT, INSERT, UPDATE         ON returns      TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON return_lines TO aftercare_app, aftercare_worker;

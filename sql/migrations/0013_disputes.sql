-- Disputes in the mirror: a customer has gone to their bank.
--
-- A dispute is a thing of its own within its store, as a return is: its webhook may name no order, and order_id is filled
-- in once some body has. Who applies something to a dispute holds its row first and its order's row after it.
--
-- While one is open no follow-up leaves (Automations/Decide, Messages/DecideToSend), and a ticket is open. What opens
-- that ticket is the dispute and no decision, so the mail that tells the store's people of it comes from no run, and
-- where the payment provider names no order, from no order either.

CREATE TABLE disputes (
    tenant_id           uuid        NOT NULL,
    id                  uuid        NOT NULL,
    store_id            uuid        NOT NULL,
    external_id         text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    order_id            uuid            NULL,
    -- In our words, and in the source's own.
    type                text        NOT NULL DEFAULT 'unknown' CHECK (type IN ('inquiry', 'chargeback', 'unknown')),
    type_raw            text            NULL,
    status              text        NOT NULL DEFAULT 'unknown'
                        CHECK (status IN ('needs_response', 'under_review', 'accepted', 'won', 'lost', 'prevented',
                               'charge_refunded', 'unknown')),
    status_raw          text            NULL,
    -- What is disputed; minor units.
    currency            text            NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount              bigint          NULL,
    -- The payment provider's code, and the card network's.
    reason              text            NULL,
    network_reason_code text            NULL,
    initiated_at        timestamptz     NULL,
    evidence_due_by     timestamptz     NULL,
    evidence_sent_at    timestamptz     NULL,
    finalized_at        timestamptz     NULL,
    -- The earliest evidence of each: once told, never taken back.
    opened_at           timestamptz     NULL,
    closed_at           timestamptz     NULL,
    -- The statement that holds, by its source's own time.
    source_updated_at   timestamptz     NULL,
    source_hash         bytea           NULL,
    version             bigint      NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    CONSTRAINT disputes_external_id_is_unique UNIQUE (tenant_id, store_id, external_id),
    CONSTRAINT disputes_money_has_currency CHECK ((amount IS NULL) = (currency IS NULL))
);
CREATE INDEX disputes_by_creation ON disputes (tenant_id, created_at DESC, id DESC);
CREATE INDEX disputes_by_store    ON disputes (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX disputes_by_status   ON disputes (tenant_id, status, created_at DESC, id DESC);
CREATE INDEX disputes_by_order    ON disputes (tenant_id, order_id, created_at DESC, id DESC)
                                  WHERE order_id IS NOT NULL;

ALTER TABLE facts DROP CONSTRAINT facts_kind_check;
ALTER TABLE facts ADD CONSTRAINT facts_kind_check
    CHECK (kind IN ('order_placed', 'order_cancelled', 'order_paid', 'shipped', 'delivered', 'refund_recorded',
                    'refund_succeeded', 'refund_failed', 'return_requested', 'return_approved', 'return_declined',
                    'return_cancelled', 'return_received', 'return_closed', 'dispute_opened', 'dispute_closed'));

ALTER TABLE messages ALTER COLUMN order_id DROP NOT NULL;
ALTER TABLE messages ALTER COLUMN run_id   DROP NOT NULL;
ALTER TABLE messages ADD CONSTRAINT messages_to_customers_have_a_cause
    CHECK (class = 'internal' OR (order_id IS NOT NULL AND run_id IS NOT NULL));

ALTER TABLE disputes ENABLE ROW LEVEL SECURITY;
ALTER TABLE disputes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON disputes
    USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY store ON disputes AS RESTRICTIVE
    USING (nullif(current_setting('app.store', true), '') IS NULL
           OR store_id = nullif(current_setting('app.store', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON disputes TO aftercare_app, aftercare_worker;

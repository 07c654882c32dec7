-- Refunds in the mirror: what the shop has recorded, apart from what the payment provider has moved.
--
-- A refund has no status at Shopify; its payment transactions have. `state`, the amounts and `moved_at` are worked out
-- from the transactions by the program whenever one of them changes, and are stored because they are read far more often.
--
-- A transaction may be told before its refund, and its own webhook does not say which refund it belongs to: the refund's
-- body lists its transactions. So a transaction belongs to the order first, and refund_external_id is filled in once some
-- body has named it.
--
-- Facts: `refunded` was never raised by any program and makes room for three that say which of the two happened.
--
-- No workflow is installed here for stores that exist already: an upgrade must not begin to write to a store's customers
-- by itself. New stores get the refund notices from the catalogue (Automations/WorkflowCatalogue).

CREATE TABLE refunds (
    tenant_id         uuid        NOT NULL,
    id                uuid        NOT NULL,
    store_id          uuid        NOT NULL,
    order_id          uuid        NOT NULL,
    external_id       text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    state             text        NOT NULL CHECK (state IN ('recorded', 'pending', 'succeeded', 'failed', 'unknown')),
    -- What the transactions come to in the currency the customer paid in, and how much of it has moved; minor units.
    -- Absent where no transaction is known, where one has no readable amount, and where two have different currencies.
    currency          text            NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount            bigint          NULL,
    moved_amount      bigint          NULL,
    -- When the shop recorded it, and when the last of the money that has moved did.
    recorded_at       timestamptz NOT NULL,
    moved_at          timestamptz     NULL,
    -- The newest statement about it, by the shop's own time.
    source_updated_at timestamptz     NULL,
    source_hash       bytea       NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT refunds_external_id_is_unique UNIQUE (tenant_id, order_id, external_id),
    CONSTRAINT refunds_money_has_currency CHECK ((amount IS NULL) = (currency IS NULL)
                                             AND (moved_amount IS NULL OR amount IS NOT NULL)),
    CONSTRAINT refunds_succeeded_with_time CHECK (state <> 'succeeded' OR moved_at IS NOT NULL)
);

CREATE TABLE refund_transactions (
    tenant_id          uuid        NOT NULL,
    order_id           uuid        NOT NULL,
    external_id        text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    store_id           uuid        NOT NULL,
    -- Absent until a body of the refund, or of its order, has listed this transaction.
    refund_external_id text            NULL,
    -- The refund began with it; the others are retries that came later.
    is_original        boolean     NOT NULL,
    status             text        NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'unknown')),
    status_raw         text            NULL,
    gateway            text            NULL,
    -- The payment that is paid back.
    parent_external_id text            NULL,
    -- What the customer gets back, and what the shop accounts for it where it says so.
    currency           text            NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount             bigint          NULL,
    shop_currency      text            NULL CHECK (shop_currency ~ '^[A-Z]{3}$'),
    shop_amount        bigint          NULL,
    started_at         timestamptz     NULL,
    processed_at       timestamptz     NULL,
    -- The earliest evidence of either: once told, never taken back.
    succeeded_at       timestamptz     NULL,
    failed_at          timestamptz     NULL,
    -- The statement that holds, by the shop's own time.
    source_updated_at  timestamptz     NULL,
    source_hash        bytea       NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_id, external_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id, refund_external_id) REFERENCES refunds (tenant_id, order_id, external_id),
    CONSTRAINT refund_transactions_money_has_currency CHECK ((amount IS NULL) = (currency IS NULL)
                                                         AND (shop_amount IS NULL) = (shop_currency IS NULL)),
    CONSTRAINT refund_transactions_original_has_refund CHECK (NOT is_original OR refund_external_id IS NOT NULL),
    CONSTRAINT refund_transactions_outcome_has_evidence CHECK ((status <> 'succeeded' OR succeeded_at IS NOT NULL)
                                                           AND (status <> 'failed' OR failed_at IS NOT NULL))
);

ALTER TABLE facts DROP CONSTRAINT facts_kind_check;
ALTER TABLE facts ADD CONSTRAINT facts_kind_check
    CHECK (kind IN ('order_placed', 'order_cancelled', 'order_paid', 'shipped', 'delivered', 'refund_recorded',
                    'refund_succeeded', 'refund_failed'));

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['refunds', 'refund_transactions'] LOOP
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

GRANT SELECT, INSERT, UPDATE ON refunds, refund_transactions TO aftercare_app, aftercare_worker;

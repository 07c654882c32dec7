-- WooCommerce: a second provider, and refunds as it tells of them.
--
-- Its orders list their refunds with id, reason and amount, and say nothing of payment transactions: how much is known,
-- whether any of it has moved is not. No webhook tells that one was taken back: it is missing from a newer list.
--
-- A program of the version before this one, which may still be running, writes none of the new columns. It takes no
-- connection of the new provider, so there is nothing in them that it could lose.

ALTER TABLE connections DROP CONSTRAINT connections_provider_check;
ALTER TABLE connections ADD  CONSTRAINT connections_provider_check CHECK (provider IN ('shopify', 'woocommerce'));

ALTER TABLE orders
    -- The newest list of all refunds, by the shop's own time; null where the shop gives none.
    ADD COLUMN listed_refunds      text[]      NULL,
    ADD COLUMN refunds_listed_at   timestamptz NULL,
    ADD COLUMN refunds_listed_hash bytea       NULL,
    ADD CONSTRAINT orders_refund_list_has_hash CHECK ((listed_refunds IS NULL) = (refunds_listed_hash IS NULL));

ALTER TABLE refunds DROP CONSTRAINT refunds_state_check;
ALTER TABLE refunds ADD  CONSTRAINT refunds_state_check
    CHECK (state IN ('recorded', 'recorded_unverified', 'pending', 'succeeded', 'failed', 'removed', 'unknown'));

ALTER TABLE refunds
    -- Whether the shop says how much it is and why, itself and not by transactions; and what it says.
    ADD COLUMN has_terms       boolean NOT NULL DEFAULT false,
    ADD COLUMN stated_currency text        NULL CHECK (stated_currency ~ '^[A-Z]{3}$'),
    ADD COLUMN stated_amount   bigint      NULL,
    ADD COLUMN reason          text        NULL,
    ADD CONSTRAINT refunds_terms_are_told CHECK (has_terms OR (stated_amount IS NULL AND reason IS NULL)),
    ADD CONSTRAINT refunds_stated_amount_has_currency CHECK ((stated_amount IS NULL) = (stated_currency IS NULL)),
    ADD CONSTRAINT refunds_unverified_has_terms CHECK (state <> 'recorded_unverified' OR has_terms);

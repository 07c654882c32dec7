-- What any other shop, or a warehouse, tells besides whole orders: how risky an order is, who is a VIP, and what is in stock.
--
-- An order has an assessment for each source that made one: a shop, a fraud app, a person. `risks` keeps the newest of each,
-- by the source's own time, and is only read as a whole; `risk_level` is the worst of those that count, for the statements
-- that decide (Orders/OrderRisk). A person's word settles what was said before it.
--
-- Reports that a shop passes on by a parcel's number are kept as a tracking provider's are.
--
-- A stock level is what is available of one variant at one place. The newest word counts, by its source's own time. There
-- are as many as a shop has variants and places, so none is swept.

ALTER TABLE orders
    ADD COLUMN risk_level text      NULL CHECK (risk_level IN ('none', 'low', 'medium', 'high', 'unknown')),
    ADD COLUMN risks      jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT orders_risks_are_by_source CHECK (jsonb_typeof(risks) = 'object');

ALTER TABLE customers
    ADD COLUMN is_vip     boolean NOT NULL DEFAULT false,
    ADD COLUMN vip_since  timestamptz NULL,
    ADD COLUMN vip_reason text        NULL,
    ADD CONSTRAINT customers_vip_since CHECK (is_vip = (vip_since IS NOT NULL) AND (is_vip OR vip_reason IS NULL)),
    ADD CONSTRAINT customers_redacted_are_no_vips CHECK (redacted_at IS NULL OR NOT is_vip);

CREATE TABLE stock_levels (
    tenant_id         uuid        NOT NULL,
    store_id          uuid        NOT NULL,
    -- What the shop tells its variants by.
    sku               text        NOT NULL CHECK (char_length(sku) BETWEEN 1 AND 255),
    -- Empty where the shop has one place, or does not tell them apart.
    location          text        NOT NULL DEFAULT '' CHECK (char_length(location) <= 255),
    -- For paging.
    id                uuid        NOT NULL,
    -- Below zero: more is promised than there is.
    available         int         NOT NULL,
    source_updated_at timestamptz NOT NULL,
    source_hash       bytea       NOT NULL,
    version           bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    -- When we were told.
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id, sku, location),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);
CREATE INDEX stock_levels_by_creation ON stock_levels (tenant_id, store_id, created_at DESC, id DESC);

-- What a shop passes on of its carriers comes from no provider.
ALTER TABLE trackers DROP CONSTRAINT trackers_provider_check;
ALTER TABLE trackers ADD CONSTRAINT trackers_provider_check
    CHECK (provider IN ('easypost', 'aftership', 'shippo', 'api'));
CREATE INDEX trackers_told_over_api ON trackers (tenant_id, store_id) WHERE provider = 'api';

ALTER TABLE stock_levels ENABLE ROW LEVEL SECURITY;
ALTER TABLE stock_levels FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON stock_levels
    USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY store ON stock_levels AS RESTRICTIVE
    USING (nullif(current_setting('app.store', true), '') IS NULL
           OR store_id = nullif(current_setting('app.store', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON stock_levels TO aftercare_app, aftercare_worker;

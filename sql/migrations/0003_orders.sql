-- Orders in: the connections to shops, every webhook as it came, and the mirror of orders made from them.

CREATE TABLE connections (
    tenant_id             uuid        NOT NULL,
    id                    uuid        NOT NULL,
    store_id              uuid        NOT NULL,
    provider              text        NOT NULL CHECK (provider IN ('shopify')),
    -- The provider's name for the account, such as demo.myshopify.com.
    account               text        NOT NULL CHECK (char_length(account) BETWEEN 1 AND 255),
    -- The webhook secret, sealed with AES-GCM under the program's key (Access/Seal).
    secret                bytea       NOT NULL,
    -- The one before, accepted until its time: providers go on signing with it for a while after a rotation.
    previous_secret       bytea           NULL,
    previous_secret_until timestamptz     NULL,
    state                 text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    version               bigint      NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT connections_account_is_connected_once UNIQUE (tenant_id, store_id, provider, account),
    CONSTRAINT connections_previous_secret_ends CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);
CREATE INDEX connections_by_creation ON connections (tenant_id, created_at DESC, id DESC);

-- Every webhook with a valid signature, byte for byte, before anybody tried to understand it.
CREATE TABLE inbound_events (
    tenant_id     uuid        NOT NULL,
    id            uuid        NOT NULL,
    store_id      uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    -- What the provider's headers say; only the body is signed, so nothing is decided by these alone.
    topic         text        NOT NULL,
    delivery_id   text            NULL,
    api_version   text            NULL,
    triggered_at  timestamptz     NULL,
    body          bytea       NOT NULL,
    state         text        NOT NULL DEFAULT 'received'
                  CHECK (state IN ('received', 'applied', 'ignored', 'quarantined')),
    -- Why it was ignored or quarantined.
    reason        text            NULL,
    order_id      uuid            NULL,
    received_at   timestamptz NOT NULL,
    settled_at    timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    CONSTRAINT inbound_events_settled_with_time CHECK ((state = 'received') = (settled_at IS NULL)),
    CONSTRAINT inbound_events_unused_has_reason CHECK ((state IN ('ignored', 'quarantined')) = (reason IS NOT NULL))
);
CREATE INDEX inbound_events_by_arrival  ON inbound_events (tenant_id, received_at DESC, id DESC);
CREATE INDEX inbound_events_by_order    ON inbound_events (tenant_id, order_id, received_at DESC, id DESC)
                                        WHERE order_id IS NOT NULL;
CREATE INDEX inbound_events_quarantined ON inbound_events (tenant_id, received_at DESC, id DESC)
                                        WHERE state = 'quarantined';

-- The deliveries of late: a provider's retry of one that is stored already is answered and not stored again. A fast
-- path only, applying is idempotent without it. Old rows are deleted.
CREATE TABLE inbound_deliveries (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    -- SHA-256 of topic, delivery id and body: delivery ids alone are not unique at every provider.
    fingerprint   bytea       NOT NULL,
    event_id      uuid        NOT NULL,
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, fingerprint),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id)
);
CREATE INDEX inbound_deliveries_by_age ON inbound_deliveries (tenant_id, received_at);

-- The mirror of an order. Its state is four axes, never one status. Beside each of ours stands what the shop said.
CREATE TABLE orders (
    tenant_id             uuid        NOT NULL,
    id                    uuid        NOT NULL,
    store_id              uuid        NOT NULL,
    external_id           text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    -- False while only a later event has named the order: a shipment that came before its order.
    is_complete           boolean     NOT NULL DEFAULT false,
    number                text            NULL,
    email                 text            NULL,
    email_normalized      text            NULL,
    customer_name         text            NULL,
    customer_locale       text            NULL,
    -- What the shop accounts in, and what the customer sees and pays in; minor units.
    currency              text            NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total                 bigint          NULL,
    presentment_currency  text            NULL CHECK (presentment_currency ~ '^[A-Z]{3}$'),
    presentment_total     bigint          NULL,
    financial_status      text        NOT NULL DEFAULT 'unknown'
                          CHECK (financial_status IN ('pending', 'authorized', 'partially_paid', 'paid',
                                 'partially_refunded', 'refunded', 'voided', 'expired', 'failed', 'unknown')),
    financial_status_raw  text            NULL,
    fulfillment_status    text        NOT NULL DEFAULT 'unknown'
                          CHECK (fulfillment_status IN ('unfulfilled', 'scheduled', 'on_hold', 'in_progress',
                                 'partially_fulfilled', 'fulfilled', 'restocked', 'not_required', 'declined', 'unknown')),
    fulfillment_status_raw text           NULL,
    lifecycle_status      text        NOT NULL DEFAULT 'open'
                          CHECK (lifecycle_status IN ('open', 'closed', 'cancelled', 'deleted')),
    cancel_reason         text            NULL,
    return_status         text        NOT NULL DEFAULT 'none'
                          CHECK (return_status IN ('none', 'requested', 'in_progress', 'inspected', 'returned', 'failed')),
    placed_at             timestamptz     NULL,
    -- Brought in by an import: such an order never starts a workflow.
    historical            boolean     NOT NULL DEFAULT false,
    -- The shop's own time of the newest state applied here, and what of it was applied: changes are ordered by these.
    source_updated_at     timestamptz     NULL,
    source_hash           bytea           NULL,
    -- The fields that come from another change than that one: its time and hash, or null where none told them yet.
    source_stamps         jsonb       NOT NULL DEFAULT '{}',
    version               bigint      NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT orders_external_id_is_unique UNIQUE (tenant_id, store_id, external_id),
    CONSTRAINT orders_money_has_currency CHECK ((total IS NULL OR currency IS NOT NULL)
                                            AND (presentment_total IS NULL OR presentment_currency IS NOT NULL))
);
CREATE INDEX orders_by_creation ON orders (tenant_id, created_at DESC, id DESC);
CREATE INDEX orders_by_store    ON orders (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX orders_by_email    ON orders (tenant_id, email_normalized, created_at DESC, id DESC);

CREATE TABLE order_lines (
    tenant_id   uuid    NOT NULL,
    order_id    uuid    NOT NULL,
    external_id text    NOT NULL,
    store_id    uuid    NOT NULL,
    position    int     NOT NULL,
    title       text    NOT NULL,
    sku         text        NULL,
    quantity    int     NOT NULL,
    unit_price  bigint      NULL,
    PRIMARY KEY (tenant_id, order_id, external_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- A parcel. Its status follows the carrier's events by their own time; an event older than what is known changes nothing.
CREATE TABLE shipments (
    tenant_id         uuid        NOT NULL,
    id                uuid        NOT NULL,
    store_id          uuid        NOT NULL,
    order_id          uuid        NOT NULL,
    external_id       text        NOT NULL,
    carrier           text            NULL,
    tracking_number   text            NULL,
    tracking_url      text            NULL,
    status            text        NOT NULL DEFAULT 'unknown'
                      CHECK (status IN ('unknown', 'label_created', 'picked_up', 'in_transit', 'out_for_delivery',
                             'attempted', 'pickup_ready', 'held_action_required', 'returning', 'returned', 'lost',
                             'damaged', 'delivered', 'failed', 'no_data_expired', 'cancelled')),
    status_raw        text            NULL,
    status_at         timestamptz     NULL,
    is_delayed        boolean     NOT NULL DEFAULT false,
    -- The status as the shop sums it up; the one above is worked out from it and from the carrier's events.
    reported_status     text          NULL,
    reported_status_raw text          NULL,
    -- The earliest evidence of either: once told, never taken back.
    shipped_at        timestamptz     NULL,
    delivered_at      timestamptz     NULL,
    -- As in orders.
    source_updated_at timestamptz     NULL,
    source_hash       bytea           NULL,
    source_stamps     jsonb       NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT shipments_external_id_is_unique UNIQUE (tenant_id, order_id, external_id)
);

CREATE TABLE tracking_events (
    tenant_id   uuid        NOT NULL,
    shipment_id uuid        NOT NULL,
    external_id text        NOT NULL,
    store_id    uuid        NOT NULL,
    status      text        NOT NULL,
    status_raw  text            NULL,
    message     text            NULL,
    -- When the carrier says it happened; when we were told.
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, shipment_id, external_id),
    FOREIGN KEY (tenant_id, shipment_id) REFERENCES shipments (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- What became true of an order, each raised once: the key names the fact itself, not the webhook that told of it.
CREATE TABLE facts (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    store_id    uuid        NOT NULL,
    order_id    uuid        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('order_placed', 'order_cancelled', 'order_paid', 'shipped',
                                                    'delivered', 'refunded')),
    -- The episode: the shipment that was delivered, the refund that was recorded.
    episode     text        NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- The inbound event that told of it.
    event_id    uuid            NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT facts_are_raised_once UNIQUE (tenant_id, order_id, kind, episode)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['connections', 'inbound_events', 'inbound_deliveries', 'orders', 'order_lines',
                                'shipments', 'tracking_events', 'facts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format($policy$
            CREATE POLICY tenant ON %I
                USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
                WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
        $policy$, name);
        CONTINUE WHEN name = 'inbound_deliveries';
        EXECUTE format($policy$
            CREATE POLICY store ON %I AS RESTRICTIVE
                USING (nullif(current_setting('app.store', true), '') IS NULL
                       OR store_id = nullif(current_setting('app.store', true), '')::uuid)
        $policy$, name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE         ON connections, inbound_events, orders, shipments, tracking_events
                                                                                       TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON order_lines                                    TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, DELETE         ON inbound_deliveries                             TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT                 ON facts                                          TO aftercare_app, aftercare_worker;

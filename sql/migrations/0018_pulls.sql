-- Pulls: what a shop answers when it is asked about its orders, on demand, every few minutes, and all of them now and then.
--
-- A pulled body is stored as a webhook is and applied by the same job; `via` tells the two apart. What was pulled of an
-- order last is known by its hash, so that the same answer again is not stored again; it only says that the mirror was
-- compared (orders.verified_at).
--
-- How far a pull is stands in one row of `connection_pulls`, which is written in the transaction that stores the page:
-- whoever dies on the way, the next one goes on after the last page that was stored.

ALTER TABLE connections
    -- What the merchant gave us to ask the shop with, sealed as the webhook secret is.
    ADD COLUMN credentials        bytea       NULL,
    ADD COLUMN credentials_set_at timestamptz NULL,
    ADD CONSTRAINT connections_credentials_have_time CHECK ((credentials IS NULL) = (credentials_set_at IS NULL));

ALTER TABLE inbound_events
    ADD COLUMN via text NOT NULL DEFAULT 'webhook' CHECK (via IN ('webhook', 'pull'));

CREATE TABLE connection_pulls (
    tenant_id         uuid        NOT NULL,
    connection_id     uuid        NOT NULL,
    -- Reconcile: what has changed lately. Sweep: everything, and what is there no more.
    kind              text        NOT NULL CHECK (kind IN ('reconcile', 'sweep')),
    store_id          uuid        NOT NULL,
    -- The run under way: since when, in which part, after which page; null between runs.
    started_at        timestamptz     NULL,
    phase             text        NOT NULL DEFAULT 'listing' CHECK (phase IN ('listing', 'missing')),
    cursor            text            NULL,
    -- From when on orders that have changed are asked for; null for all.
    since             timestamptz     NULL,
    -- The shop's own time of the newest change ever seen: the next run begins at it, and some minutes before.
    newest_seen       timestamptz     NULL,
    -- Of the run under way, or of the last one.
    pages             int         NOT NULL DEFAULT 0,
    orders            int         NOT NULL DEFAULT 0,
    changed           int         NOT NULL DEFAULT 0,
    missing           int         NOT NULL DEFAULT 0,
    last_succeeded_at timestamptz     NULL,
    last_failed_at    timestamptz     NULL,
    -- Why the last try failed, and how many did in a row; gone with the first that does not.
    failure           text            NULL CHECK (failure IN ('credentials_refused', 'access_denied', 'missing_scope',
                                                              'api_sunset', 'throttled', 'unreachable', 'unreadable')),
    failure_detail    text            NULL,
    failures          int         NOT NULL DEFAULT 0,
    next_at           timestamptz     NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, kind),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT connection_pulls_failures_have_reason CHECK ((failure IS NULL) = (failures = 0)
                                                        AND (failure_detail IS NULL OR failure IS NOT NULL))
);

-- The last answer about each order: its hash, and the event that has it. One row for an order, as long as it is mirrored.
CREATE TABLE pulled_orders (
    tenant_id     uuid        NOT NULL,
    connection_id uuid        NOT NULL,
    external_id   text        NOT NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    store_id      uuid        NOT NULL,
    -- SHA-256 of the body in its canonical form.
    fingerprint   bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
    event_id      uuid        NOT NULL,
    asked_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, connection_id, external_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- The last time that somebody wanted an order compared with its shop at once, and what came of it.
CREATE TABLE order_refreshes (
    tenant_id      uuid        NOT NULL,
    order_id       uuid        NOT NULL,
    store_id       uuid        NOT NULL,
    connection_id  uuid        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
    failure        text            NULL CHECK (failure IN ('credentials_refused', 'access_denied', 'missing_scope',
                                                           'api_sunset', 'throttled', 'unreachable', 'unreadable',
                                                           'not_in_use')),
    failure_detail text            NULL,
    -- Tries so far, and the event that has the answer, until that is applied.
    attempts       int         NOT NULL DEFAULT 0,
    event_id       uuid            NULL,
    requested_at   timestamptz NOT NULL,
    finished_at    timestamptz     NULL,
    PRIMARY KEY (tenant_id, order_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    CONSTRAINT order_refreshes_end_with_time CHECK ((state = 'running') = (finished_at IS NULL)),
    CONSTRAINT order_refreshes_fail_with_reason CHECK ((state = 'failed') = (failure IS NOT NULL)
                                                   AND (failure_detail IS NULL OR failure IS NOT NULL))
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['connection_pulls', 'pulled_orders', 'order_refreshes'] LOOP
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

GRANT SELECT, INSERT, UPDATE ON connection_pulls, pulled_orders, order_refreshes TO aftercare_app, aftercare_worker;

-- Customers: one person across what they ordered as a guest and with an account.
--
-- An account is known by its id at its source. A guest is known by the e-mail address of their orders, and is the same
-- person as the account with that address: the guest's row is then merged into the account's. A merged row stays for
-- good and leads to the one it was merged into, in one step: merging flattens what led there before.
--
-- Addresses are compared trimmed and in lower case. Plus tags are kept: to some providers they are other mailboxes, and
-- two people taken for one would see each other's orders.
--
-- Orders that are here already get their customer with the next word on them; nothing is filled in now.
--
-- Locks: whoever applies something to an order holds the order and may make or merge a customer's row after it. Whoever
-- merges customers holds no order: a job of its own moves their orders over, some at a time (`repoint_orders`).

CREATE TABLE customers (
    tenant_id         uuid        NOT NULL,
    id                uuid        NOT NULL,
    store_id          uuid        NOT NULL,
    -- Who knows them by that id: a provider's name, or `api` for what is put over the API.
    source            text        NOT NULL CHECK (char_length(source) BETWEEN 1 AND 50),
    -- Absent for a guest.
    external_id       text            NULL CHECK (char_length(external_id) BETWEEN 1 AND 255),
    email             text            NULL,
    email_normalized  text            NULL,
    name              text            NULL,
    locale            text            NULL,
    -- What they agreed to, since when, and the source's own word.
    marketing_state   text            NULL CHECK (marketing_state IN ('subscribed', 'not_subscribed', 'pending',
                                                                      'unsubscribed', 'invalid', 'redacted', 'unknown')),
    marketing_raw     text            NULL,
    marketing_at      timestamptz     NULL,
    -- The source has deleted them.
    is_deleted        boolean     NOT NULL DEFAULT false,
    merged_into       uuid            NULL,
    -- As in orders.
    source_updated_at timestamptz     NULL,
    source_hash       bytea           NULL,
    source_stamps     jsonb       NOT NULL DEFAULT '{}',
    version           bigint      NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, merged_into) REFERENCES customers (tenant_id, id),
    CONSTRAINT customers_external_id_is_unique UNIQUE (tenant_id, store_id, source, external_id),
    CONSTRAINT customers_are_not_merged_into_themselves CHECK (merged_into <> id),
    CONSTRAINT customers_guest_has_address CHECK (external_id IS NOT NULL OR email_normalized IS NOT NULL)
);
CREATE UNIQUE INDEX customers_guest_is_unique ON customers (tenant_id, store_id, email_normalized)
                                              WHERE external_id IS NULL;
CREATE INDEX customers_by_creation ON customers (tenant_id, created_at DESC, id DESC);
CREATE INDEX customers_by_store    ON customers (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX customers_by_email    ON customers (tenant_id, email_normalized, created_at DESC, id DESC)
                                   WHERE email_normalized IS NOT NULL;
CREATE INDEX customers_by_merger   ON customers (tenant_id, merged_into)
                                   WHERE merged_into IS NOT NULL;

ALTER TABLE orders
    ADD COLUMN customer_external_id text NULL,
    ADD COLUMN customer_id          uuid NULL,
    ADD FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id);
CREATE INDEX orders_by_customer ON orders (tenant_id, customer_id, created_at DESC, id DESC)
                                WHERE customer_id IS NOT NULL;

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON customers
    USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY store ON customers AS RESTRICTIVE
    USING (nullif(current_setting('app.store', true), '') IS NULL
           OR store_id = nullif(current_setting('app.store', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON customers TO aftercare_app, aftercare_worker;

-- Privacy: a person asks for what is kept of them, or for it to be erased; a shop that left asks for all of its people.
--
-- What was erased stays erased: the mark on an order and on a customer is honoured by whoever applies a webhook later, so
-- an old one that is delivered once more brings nothing back, and its own body is erased at once.

ALTER TABLE customers ADD COLUMN redacted_at timestamptz NULL;
ALTER TABLE customers DROP CONSTRAINT customers_guest_has_address;
ALTER TABLE customers ADD CONSTRAINT customers_guest_has_address
    CHECK (external_id IS NOT NULL OR email_normalized IS NOT NULL OR redacted_at IS NOT NULL);
ALTER TABLE customers ADD CONSTRAINT customers_redacted_are_empty
    CHECK (redacted_at IS NULL OR (email IS NULL AND email_normalized IS NULL AND name IS NULL AND locale IS NULL
                                   AND marketing_state IS NULL));

ALTER TABLE orders ADD COLUMN redacted_at timestamptz NULL;
ALTER TABLE orders ADD CONSTRAINT orders_redacted_are_empty
    CHECK (redacted_at IS NULL OR (email IS NULL AND email_normalized IS NULL AND customer_name IS NULL
                                   AND customer_locale IS NULL AND customer_external_id IS NULL));

-- Whom a webhook told of, where it was a customer; and since when its body is erased.
ALTER TABLE inbound_events
    ADD COLUMN customer_id uuid        NULL,
    ADD COLUMN redacted_at timestamptz NULL,
    ADD CONSTRAINT inbound_events_redacted_are_empty CHECK (redacted_at IS NULL OR body = '');
CREATE INDEX inbound_events_by_customer ON inbound_events (tenant_id, customer_id)
                                        WHERE customer_id IS NOT NULL;

CREATE TABLE privacy_requests (
    tenant_id    uuid        NOT NULL,
    id           uuid        NOT NULL,
    store_id     uuid        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('customer_data', 'customer_redaction', 'store_redaction')),
    state        text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'not_carried_out')),
    -- Why it was not carried out.
    reason       text            NULL,
    -- The webhook that asked, and its connection.
    event_id     uuid        NOT NULL,
    connection_id uuid       NOT NULL,
    -- Whom it is about. Kept only while it is open: afterwards nothing here names anybody.
    subject      jsonb           NULL,
    -- How far a redaction is: the step, and the id after which it goes on.
    step         text            NULL,
    after_id     uuid            NULL,
    -- What was erased, in numbers.
    counts       jsonb       NOT NULL DEFAULT '{}',
    due_at       timestamptz NOT NULL,
    completed_at timestamptz     NULL,
    version      bigint      NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connections (tenant_id, id),
    CONSTRAINT privacy_requests_are_made_once UNIQUE (tenant_id, event_id),
    CONSTRAINT privacy_requests_name_somebody_while_open CHECK ((state = 'open') = (subject IS NOT NULL)
                                                           AND (state = 'open') = (completed_at IS NULL)),
    CONSTRAINT privacy_requests_refused_have_reason CHECK ((state = 'not_carried_out') = (reason IS NOT NULL))
);
CREATE INDEX privacy_requests_by_creation ON privacy_requests (tenant_id, created_at DESC, id DESC);
CREATE INDEX privacy_requests_by_store    ON privacy_requests (tenant_id, store_id, created_at DESC, id DESC);

ALTER TABLE privacy_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON privacy_requests
    USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY store ON privacy_requests AS RESTRICTIVE
    USING (nullif(current_setting('app.store', true), '') IS NULL
           OR store_id = nullif(current_setting('app.store', true), '')::uuid);

GRANT SELECT, INSERT, UPDATE ON privacy_requests TO aftercare_app, aftercare_worker;
-- What people noted of an order is only ever added to, but for this.
GRANT UPDATE (body) ON ticket_comments TO aftercare_worker;
-- Erasing what carriers wrote of a parcel's way.
GRANT UPDATE (message, place) ON tracking_events TO aftercare_worker;

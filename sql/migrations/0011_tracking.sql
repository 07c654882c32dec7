-- Tracking from EasyPost, AfterShip and Shippo: trackers, what they add to a parcel and its reports, and parcels that have
-- gone silent.
--
-- A tracker is all that one provider told of one number at one carrier. It is kept whether or not a shipment has that
-- number yet, and found again by the number when a shipment with it is told later. `events` is what the program makes
-- TrackingEvent values of; it is only read as a whole.
--
-- A number is no key of a parcel: carriers give it out again. Which shipment a report is about is decided by its time
-- (Tracking/TrackingMatch).
--
-- Locks: whoever keeps an update holds the tracker's row and no order; whoever applies it holds orders, in the order of
-- their external ids, and no tracker.

ALTER TABLE connections DROP CONSTRAINT connections_provider_check;
ALTER TABLE connections ADD CONSTRAINT connections_provider_check
    CHECK (provider IN ('shopify', 'woocommerce', 'easypost', 'aftership', 'shippo'));

CREATE TABLE trackers (
    tenant_id          uuid        NOT NULL,
    store_id           uuid        NOT NULL,
    -- Upper case, without spaces and dashes.
    number             text        NOT NULL CHECK (char_length(number) BETWEEN 1 AND 100),
    provider           text        NOT NULL CHECK (provider IN ('easypost', 'aftership', 'shippo')),
    -- The provider's word for it in lower case letters and digits; empty where it names none.
    carrier            text        NOT NULL CHECK (carrier ~ '^[a-z0-9]{0,100}$'),
    -- The provider's id of what it tracks.
    external_id        text            NULL,
    status_raw         text            NULL,
    -- The provider's own time of the newest update.
    said_at            timestamptz NOT NULL,
    estimated_delivery text            NULL CHECK (estimated_delivery ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    signed_by          text            NULL,
    events             jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(events) = 'array'),
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id, number, provider, carrier),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);
CREATE INDEX trackers_by_age ON trackers (tenant_id, updated_at);

ALTER TABLE trackers ENABLE ROW LEVEL SECURITY;
ALTER TABLE trackers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trackers
    USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE POLICY store ON trackers AS RESTRICTIVE
    USING (nullif(current_setting('app.store', true), '') IS NULL
           OR store_id = nullif(current_setting('app.store', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON trackers TO aftercare_app, aftercare_worker;
-- Only the sweep deletes these, so only the worker may.
GRANT DELETE ON trackers TO aftercare_worker;

ALTER TABLE shipments
    -- tracking_number as trackers.number has it; null where it cannot be a number.
    ADD COLUMN tracking_key       text        NULL CHECK (char_length(tracking_key) BETWEEN 1 AND 100),
    -- The newest that a tracking provider says of the parcel as a whole, and its own time.
    ADD COLUMN estimated_delivery text        NULL CHECK (estimated_delivery ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    ADD COLUMN signed_by          text        NULL,
    ADD COLUMN tracker_said_at    timestamptz NULL,
    -- The carrier's time of the last report, or of the status where the shop alone told it.
    ADD COLUMN last_event_at      timestamptz NULL,
    -- People were told that nothing was heard since then. Gone with the next event: that begins a new silence.
    ADD COLUMN silent_since       timestamptz NULL,
    ADD CONSTRAINT shipments_tracker_has_time CHECK (tracker_said_at IS NOT NULL
                                                     OR (estimated_delivery IS NULL AND signed_by IS NULL));

ALTER TABLE tracking_events
    ADD COLUMN place        text NULL,
    -- `local`: the carrier told the time on the wall (local_time) and no zone, and happened_at is the latest that it can
    -- mean. `reported`: it told no time, and happened_at is when it was known.
    ADD COLUMN precision    text NOT NULL DEFAULT 'exact' CHECK (precision IN ('exact', 'local', 'reported')),
    ADD COLUMN local_time   text NULL,
    -- The number it was told of; null for what the shop tells. Reports of a number that was replaced do not count.
    ADD COLUMN tracking_key text NULL,
    ADD CONSTRAINT tracking_events_local_has_text CHECK ((precision = 'local') = (local_time IS NOT NULL));

-- A carrier that gives a parcel back, or up, or holds it.
ALTER TABLE tickets DROP CONSTRAINT tickets_kind_check;
ALTER TABLE tickets ADD CONSTRAINT tickets_kind_check
    CHECK (kind IN ('question', 'conflicting_tracking', 'missing_shipment', 'damaged_goods', 'delivery_exception',
                    'charge_dispute', 'policy_exception', 'high_value', 'angry_customer', 'fraud_concern',
                    'conflicting_order_data', 'unknown_order_data', 'stale_data', 'low_confidence',
                    'several_requests', 'repeated_contact', 'denial_contested', 'person_requested',
                    'message_unknown', 'message_failed', 'refund_failed', 'refund_delayed'));

-- Row level security is forced, so that even the owner sees no tenant's rows: lifted for this one statement, within this
-- transaction. What a program of the version before this one writes meanwhile gets its key when the shipment changes next.
ALTER TABLE shipments       NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tracking_events NO FORCE ROW LEVEL SECURITY;
UPDATE shipments
   SET tracking_key  = CASE WHEN tracking_number ~ '^[ -~]+$'
                                 AND char_length(regexp_replace(tracking_number, '[ -]', '', 'g')) BETWEEN 1 AND 100
                            THEN upper(regexp_replace(tracking_number, '[ -]', '', 'g')) END,
       last_event_at = greatest(status_at, (SELECT max(event.happened_at)
                                              FROM tracking_events AS event
                                             WHERE event.tenant_id = shipments.tenant_id
                                               AND event.shipment_id = shipments.id));
ALTER TABLE shipments       FORCE ROW LEVEL SECURITY;
ALTER TABLE tracking_events FORCE ROW LEVEL SECURITY;

CREATE INDEX shipments_by_tracking_number ON shipments (tenant_id, store_id, tracking_key) WHERE tracking_key IS NOT NULL;
CREATE INDEX shipments_in_motion ON shipments (tenant_id, store_id, last_event_at, id)
    WHERE status IN ('picked_up', 'in_transit', 'out_for_delivery', 'attempted') AND silent_since IS NULL;

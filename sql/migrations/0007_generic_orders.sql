-- Orders of any other shop, put over the API; and why a connection is not in use.

-- The shop's own words for the two axes that had none kept beside them.
ALTER TABLE orders
    ADD COLUMN lifecycle_status_raw text NULL,
    ADD COLUMN return_status_raw    text NULL;

-- Null: as it was when it was connected.
ALTER TABLE connections
    ADD COLUMN state_reason     text        NULL CHECK (state_reason IN ('app_uninstalled', 'disabled_by_user')),
    ADD COLUMN state_changed_at timestamptz NULL,
    ADD CONSTRAINT connections_disabled_has_reason CHECK ((state = 'disabled') = (state_reason IS NOT NULL));

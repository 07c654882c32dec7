-- Who uses Aftercare: tenants, their stores, people and keys.
--
-- Rules that hold for every table of every migration (Tests/AftercareTests/Schema checks them in the catalogue):
--   * tenant_id comes first in every primary key, unique key, foreign key and index, so that one tenant's rows lie
--     together, and so that Citus can distribute by it later;
--   * row level security is enabled and forced: a statement that forgets its tenant still sees only its own;
--   * what a store owns carries store_id, and a session bound to a store (app.store) sees no other store's rows;
--   * no triggers, no enums, no ON DELETE SET NULL, no floating point money; times are timestamptz and ids UUIDv7,
--     both bound by the program.
--
-- Roles belong to the whole cluster, so deploy/roles.sh makes them, once:
--   aftercare_owner    owns every object, cannot log in; `aftercare migrate` logs in as a member of it
--   aftercare_app      `aftercare serve`: row level security applies, owns nothing
--   aftercare_worker   `aftercare work`: the same, and sees the queue tables of all tenants

CREATE TABLE tenants (
    tenant_id  uuid        NOT NULL PRIMARY KEY,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL
);

CREATE TABLE stores (
    tenant_id  uuid        NOT NULL REFERENCES tenants,
    id         uuid        NOT NULL,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    platform   text        NOT NULL CHECK (platform IN ('shopify', 'woocommerce', 'other')),
    -- IANA name, such as Europe/Berlin; the program checks it, and it alone computes local times.
    time_zone  text        NOT NULL CHECK (time_zone <> ''),
    currency   text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    locale     text        NOT NULL CHECK (locale ~ '^[a-z]{2,3}(-[A-Z]{2})?$'),
    mode       text        NOT NULL CHECK (mode IN ('live', 'sandbox')),
    -- A sandbox store's own time, once it has been advanced; such a store lives by it alone.
    test_clock timestamptz     NULL,
    -- The sender of the store's mail; the operator's default where absent.
    mail_from  text            NULL CHECK (char_length(mail_from) <= 320),
    version    bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT stores_test_clock_is_for_sandboxes CHECK (test_clock IS NULL OR mode = 'sandbox')
);
CREATE INDEX stores_by_creation ON stores (tenant_id, created_at DESC, id DESC);

CREATE TABLE users (
    tenant_id        uuid        NOT NULL REFERENCES tenants,
    id               uuid        NOT NULL,
    email            text        NOT NULL CHECK (char_length(email) BETWEEN 3 AND 320),
    email_normalized text        NOT NULL,
    name             text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    role             text        NOT NULL CHECK (role IN ('viewer', 'agent', 'author', 'approver', 'owner')),
    -- $scrypt$ln=…,r=…,p=…$salt$hash
    password_hash    text        NOT NULL,
    disabled_at      timestamptz     NULL,
    version          bigint      NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT users_email_is_unique UNIQUE (tenant_id, email_normalized)
);
CREATE INDEX users_by_creation ON users (tenant_id, created_at DESC, id DESC);

-- Sign-in by e-mail is the one look-up that cannot know its tenant. Ids only; a reference table under Citus.
CREATE TABLE sign_in_emails (
    email_normalized text NOT NULL,
    tenant_id        uuid NOT NULL REFERENCES tenants,
    user_id          uuid NOT NULL,
    CONSTRAINT sign_in_emails_is_one_user PRIMARY KEY (email_normalized)
);

CREATE TABLE sessions (
    tenant_id       uuid        NOT NULL,
    id              uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    -- HMAC-SHA-256 of the token's secret under the program's pepper.
    secret_hash     bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at      timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);

CREATE TABLE api_keys (
    tenant_id   uuid        NOT NULL REFERENCES tenants,
    id          uuid        NOT NULL,
    -- Absent: the key acts for the whole tenant.
    store_id    uuid            NULL,
    name        text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    scopes      text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    secret_hash bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- The key's last four characters, to tell keys apart by.
    hint        text        NOT NULL CHECK (char_length(hint) = 4),
    -- The key that replaced this one; this one stays valid until expires_at.
    rotated_to  uuid            NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz     NULL,
    revoked_at  timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, rotated_to) REFERENCES api_keys (tenant_id, id)
);
CREATE INDEX api_keys_by_creation ON api_keys (tenant_id, created_at DESC, id DESC);

-- One row for each Idempotency-Key, written in the transaction of the effect it stands for.
CREATE TABLE idempotency_keys (
    tenant_id   uuid        NOT NULL REFERENCES tenants,
    -- Who sent it, and to which operation: the same key of another caller is another key.
    principal   text        NOT NULL,
    operation   text        NOT NULL,
    key         text        NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, path, query and body.
    fingerprint bytea       NOT NULL,
    status      int             NULL,
    headers     jsonb           NULL,
    body        bytea           NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, principal, operation, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (tenant_id, created_at);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenants', 'stores', 'users', 'sessions', 'api_keys', 'idempotency_keys'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        -- nullif: once a transaction has set it, the setting reads '' on that connection ever after, not NULL.
        EXECUTE format($policy$
            CREATE POLICY tenant ON %I
                USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
                WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
        $policy$, name);
    END LOOP;
END $$;

-- A key bound to a store (app.store) sees that store and keys of that store, nothing beside them.
CREATE POLICY store ON stores AS RESTRICTIVE
    USING      (nullif(current_setting('app.store', true), '') IS NULL
                OR id = nullif(current_setting('app.store', true), '')::uuid);
CREATE POLICY store ON api_keys AS RESTRICTIVE
    USING      (nullif(current_setting('app.store', true), '') IS NULL
                OR store_id = nullif(current_setting('app.store', true), '')::uuid);

GRANT SELECT, INSERT                 ON tenants          TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE         ON stores           TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE         ON users            TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT                 ON sign_in_emails   TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions         TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE         ON api_keys         TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO aftercare_app, aftercare_worker;

-- Imports: files of orders, one a line, taken in and worked off; and how far a shop that only pushes has told us all.
--
-- A file is kept in pieces of whole lines. A piece is the job's unit of work: it is deleted in the transaction that has
-- its effects, so that what is left of an import is what is still to be done, whoever died on the way.
--
-- An import is also an operation, of the same id, from the moment that all of its file is there. The index
-- operations_one_advance, older than imports, lets one of them run for each store at a time.

ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD  CONSTRAINT operations_kind_check CHECK (kind IN ('advance_test_clock', 'import_orders'));

CREATE TABLE imports (
    tenant_id     uuid        NOT NULL,
    id            uuid        NOT NULL,
    store_id      uuid        NOT NULL,
    -- Uploading: the file is on its way, or its sender or this program died meanwhile; nobody knows of it yet.
    state         text        NOT NULL CHECK (state IN ('uploading', 'running', 'succeeded', 'failed')),
    -- Of the whole file.
    byte_count    bigint      NOT NULL DEFAULT 0 CHECK (byte_count >= 0),
    line_count    int         NOT NULL DEFAULT 0 CHECK (line_count >= 0),
    -- What has become of its lines so far. A blank line is none.
    lines_read    int         NOT NULL DEFAULT 0,
    created       int         NOT NULL DEFAULT 0,
    updated       int         NOT NULL DEFAULT 0,
    unchanged     int         NOT NULL DEFAULT 0,
    stale         int         NOT NULL DEFAULT 0,
    rejected      int         NOT NULL DEFAULT 0,
    error         text            NULL,
    created_at    timestamptz NOT NULL,
    finished_at   timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    CONSTRAINT imports_lines_add_up CHECK (lines_read = created + updated + unchanged + stale + rejected
                                       AND lines_read <= line_count),
    CONSTRAINT imports_end_with_time CHECK ((state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)),
    CONSTRAINT imports_fail_with_reason CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT imports_succeed_as_a_whole CHECK (state <> 'succeeded' OR lines_read = line_count)
);
CREATE INDEX imports_by_creation ON imports (tenant_id, created_at DESC, id DESC);
CREATE INDEX imports_by_store    ON imports (tenant_id, store_id, created_at DESC, id DESC);

-- Whole lines of the file, in its order.
CREATE TABLE import_chunks (
    tenant_id  uuid  NOT NULL,
    import_id  uuid  NOT NULL,
    number     int   NOT NULL CHECK (number >= 0),
    store_id   uuid  NOT NULL,
    -- The place of its first line in the file, from 1.
    first_line int   NOT NULL CHECK (first_line > 0),
    -- A line may have 1 MiB, and a piece ends soon after 512 KiB.
    bytes      bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 2097152),
    PRIMARY KEY (tenant_id, import_id, number),
    FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- Lines that were rejected, the first ten thousand of an import. Names of fields and what is wrong with them, nothing of
-- what the line said but the order's id.
CREATE TABLE import_errors (
    tenant_id   uuid  NOT NULL,
    import_id   uuid  NOT NULL,
    line        int   NOT NULL CHECK (line > 0),
    store_id    uuid  NOT NULL,
    external_id text      NULL,
    code        text  NOT NULL CHECK (code <> ''),
    detail      text  NOT NULL,
    errors      jsonb NOT NULL,
    PRIMARY KEY (tenant_id, import_id, line),
    FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

-- Up to when the shop has told us all there was, by its own word. It only moves forwards.
CREATE TABLE store_watermarks (
    tenant_id      uuid        NOT NULL,
    store_id       uuid        NOT NULL,
    complete_as_of timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['imports', 'import_chunks', 'import_errors', 'store_watermarks'] LOOP
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

-- An upload that breaks off is taken away by who received it; what is old, by the sweep.
GRANT SELECT, INSERT, UPDATE, DELETE ON imports, import_chunks TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT                 ON import_errors          TO aftercare_app, aftercare_worker;
GRANT DELETE                         ON import_errors          TO aftercare_worker;
GRANT SELECT, INSERT, UPDATE         ON store_watermarks       TO aftercare_app, aftercare_worker;

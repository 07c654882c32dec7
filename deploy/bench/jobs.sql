-- Beside the migrated schema: the table of the one-row effect, and one of the queue's shape for pgbench alone.
CREATE TABLE bench_effects (
    tenant_id uuid        NOT NULL,
    id        uuid        NOT NULL,
    made_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE bench_effects ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench_effects FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bench_effects USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT INSERT ON bench_effects TO aftercare_worker;

-- LIKE copies columns, checks and indexes; foreign keys it never does, and storage settings are said again.
CREATE TABLE bench_jobs (LIKE jobs INCLUDING ALL) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- The same tenants in every run, with ids in no order.
INSERT INTO tenants (tenant_id, name, created_at)
SELECT md5(number::text)::uuid, 'tenant ' || number, now() FROM generate_series(1, 10000) AS number;
VACUUM ANALYZE tenants;

-- 10 tenants with 10,000 orders each, under row level security as every table of ours; bench_app owns nothing.
CREATE ROLE bench_app LOGIN;
CREATE TABLE bench_orders (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    external_id text        NOT NULL,
    number      text            NULL,
    email       text            NULL,
    total       bigint          NULL,
    currency    text            NULL,
    status      text            NULL,
    payload     jsonb           NULL,
    updated_at  timestamptz     NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, external_id)
);
ALTER TABLE bench_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench_orders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bench_orders USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT ON bench_orders TO bench_app;
INSERT INTO bench_orders
SELECT ('00000000-0000-0000-0000-' || lpad(tenant::text, 12, '0'))::uuid,
       ('00000000-0000-0000-0001-' || lpad(number::text, 12, '0'))::uuid,
       'ext' || number, '#' || number, 'c' || number || '@example.com', number * 100, 'USD', 'paid',
       jsonb_build_object('line_items', jsonb_build_array(jsonb_build_object('sku', 'A' || number, 'qty', 1))), now()
  FROM generate_series(1, 10) AS tenant, generate_series(1, 10000) AS number;
VACUUM ANALYZE bench_orders;

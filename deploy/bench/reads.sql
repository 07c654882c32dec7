-- The tenant transaction for pgbench: a round trip for each command. SET LOCAL takes no parameter.
\set number random(1, 10000)
BEGIN;
SET LOCAL app.tenant = '00000000-0000-0000-0000-000000000003';
SELECT id, external_id, number, email, total, currency, status, payload, updated_at
  FROM bench_orders
 WHERE tenant_id = :tenant::uuid AND id = ('00000000-0000-0000-0001-' || lpad(:number::text, 12, '0'))::uuid;
COMMIT;

-- What `GET /v1/stores/{store_id}` asks the database, for pgbench: a round trip for each command. As in
-- Access/AccessStore, Tenants/TenantStore and Client/BareHTTP.swift; deploy/bench/run puts the tenant in.
\set number random(1, 10000)
BEGIN READ ONLY;
SET LOCAL app.tenant = 'TENANT';
SELECT secret_hash, expires_at, revoked_at, scopes
  FROM api_keys
 WHERE tenant_id = :tenant::uuid AND id = :key::uuid AND store_id IS NOT DISTINCT FROM NULL::uuid;
SELECT tenant_id, id, name, platform, time_zone, currency, locale, mode, test_clock, mail_from, escalation_email,
       version, created_at, updated_at
  FROM stores
 WHERE tenant_id = :tenant::uuid AND id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid;
COMMIT;

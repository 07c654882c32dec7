-- What one webhook asks the database: ConnectionStore.verification, then InboundEventStore.receive. Repeats the statements
-- of these files: change them together.
\set number random(1, 9000000000000000)
BEGIN;
SET LOCAL app.tenant = 'TENANT';
SELECT store_id, provider, secret, previous_secret, previous_secret_until
  FROM connections
 WHERE tenant_id = 'TENANT' AND id = 'CONNECTION';
COMMIT;
BEGIN;
SET LOCAL app.tenant = 'TENANT';
WITH delivery AS (
    INSERT INTO inbound_deliveries (tenant_id, connection_id, fingerprint, event_id, received_at)
         VALUES ('TENANT', 'CONNECTION', sha256((:number)::text::bytea),
                 ('0190ffff-ffff-7' || substr(md5((:number)::text), 1, 3) || '-8' || substr(md5((:number)::text), 4, 3)
                  || '-' || substr(md5((:number)::text), 7, 12))::uuid, now())
    ON CONFLICT (tenant_id, connection_id, fingerprint) DO NOTHING
      RETURNING event_id
)
INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, topic, delivery_id, api_version, triggered_at,
                            content_type, body, received_at)
     SELECT 'TENANT', event_id, 'STORE', 'CONNECTION', 'bench', (:number)::text, NULL, NULL, 'application/json',
            repeat(md5((:number)::text), 28)::bytea, now()
       FROM delivery;
SELECT event_id
  FROM inbound_deliveries
 WHERE tenant_id = 'TENANT' AND connection_id = 'CONNECTION' AND fingerprint = sha256((:number)::text::bytea);
INSERT INTO jobs (tenant_id, id, store_id, kind, subject_id, run_at, created_at)
     SELECT 'TENANT', event_id, 'STORE', 'apply_inbound_event', event_id, '2999-01-01', now()
       FROM inbound_deliveries
      WHERE tenant_id = 'TENANT' AND connection_id = 'CONNECTION' AND fingerprint = sha256((:number)::text::bytea);
COMMIT;

-- What `GET /v1/orders/{order_id}` asks the database, for pgbench: a round trip for each command. As in
-- Access/AccessStore, Orders/OrderStore and Client/BareHTTP.swift; deploy/bench/run puts the tenant in.
\set number random(1, 10000)
BEGIN READ ONLY;
SET LOCAL app.tenant = 'TENANT';
SELECT secret_hash, expires_at, revoked_at, scopes
  FROM api_keys
 WHERE tenant_id = :tenant::uuid AND id = :key::uuid AND store_id IS NOT DISTINCT FROM NULL::uuid;
SELECT id, store_id, external_id, number, email, customer_name, customer_locale, currency, total,
       presentment_currency, presentment_total, financial_status, financial_status_raw, fulfillment_status,
       fulfillment_status_raw, lifecycle_status, cancel_reason, return_status, placed_at, is_complete, historical,
       source_updated_at, version, created_at, updated_at
  FROM orders
 WHERE tenant_id = :tenant::uuid AND id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid;
SELECT external_id, title, sku, quantity, unit_price
  FROM order_lines
 WHERE tenant_id = :tenant::uuid
   AND order_id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid
 ORDER BY position;
SELECT shipments.id, shipments.external_id, carrier, tracking_number, tracking_url, shipments.status,
       shipments.status_raw, status_at, is_delayed, shipped_at, delivered_at,
       tracking_events.external_id, tracking_events.status, tracking_events.status_raw, message, happened_at,
       received_at
  FROM shipments
  LEFT JOIN tracking_events
    ON tracking_events.tenant_id = :tenant::uuid AND tracking_events.shipment_id = shipments.id
 WHERE shipments.tenant_id = :tenant::uuid
   AND order_id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid
 ORDER BY shipments.id, happened_at, tracking_events.external_id;
SELECT refund.id, refund.external_id, refund.state, refund.currency, refund.amount, refund.moved_amount,
       refund.recorded_at, refund.moved_at, refund.source_updated_at, refund.source_hash,
       payment.external_id AS payment_external_id, payment.refund_external_id, payment.is_original, payment.status,
       payment.status_raw, payment.gateway, payment.parent_external_id, payment.currency AS payment_currency,
       payment.amount AS payment_amount, payment.shop_currency, payment.shop_amount, payment.started_at,
       payment.processed_at, payment.succeeded_at, payment.failed_at,
       payment.source_updated_at AS payment_updated_at, payment.source_hash AS payment_hash
  FROM refunds AS refund
  LEFT JOIN refund_transactions AS payment
    ON payment.tenant_id = :tenant::uuid
   AND payment.order_id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid
   AND payment.refund_external_id = refund.external_id
 WHERE refund.tenant_id = :tenant::uuid
   AND refund.order_id = ('01900000-0000-7000-8000-' || lpad(to_hex(:number::int), 12, '0'))::uuid
 ORDER BY refund.recorded_at, refund.id, payment.started_at, payment.external_id;
COMMIT;

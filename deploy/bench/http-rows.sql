-- 10,000 stores, and 10,000 orders of one line for the demo store (psql's :tenant and :store).
INSERT INTO stores (tenant_id, id, name, platform, time_zone, currency, locale, mode, created_at, updated_at)
SELECT :'tenant', ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, 'Store ' || number, 'other',
       'Europe/Berlin', 'EUR', 'de', 'live', now(), now()
  FROM generate_series(1, 10000) AS number;
INSERT INTO orders (tenant_id, id, store_id, external_id, is_complete, number, email, email_normalized, customer_name,
                    currency, total, financial_status, financial_status_raw, fulfillment_status, placed_at,
                    source_updated_at, created_at, updated_at)
SELECT :'tenant', ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, :'store', 'bench-' || number,
       true, '#' || number, 'c' || number || '@example.com', 'c' || number || '@example.com', 'Customer ' || number,
       'USD', number * 100, 'paid', 'paid', 'unfulfilled', now(), now(), now(), now()
  FROM generate_series(1, 10000) AS number;
INSERT INTO order_lines (tenant_id, order_id, external_id, store_id, position, title, sku, quantity, unit_price)
SELECT tenant_id, id, 'line', store_id, 1, 'Article ' || number, 'A' || number, 1, total
  FROM orders WHERE tenant_id = :'tenant' AND external_id LIKE 'bench-%';
VACUUM ANALYZE stores, orders, order_lines, shipments, tracking_events, refunds,
               refund_transactions, api_keys;

-- Orders that are there already, from number :from to :present, of the same shape as those that are imported. Without the
-- checks of foreign keys, which hold by construction. Ids grow with time, as those of the program do, which begin with
-- later times.
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB';
CREATE TEMPORARY TABLE made AS
    SELECT n, store.tenant_id, store.id AS store_id,
           ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS order_id,
           ('01900000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid AS shipment_id,
           ('01900000-0000-7000-8003-' || lpad(to_hex(n), 12, '0'))::uuid AS customer_id,
           timestamptz '2024-01-01' + n * interval '10 seconds' AS at
      FROM generate_series(:from, :present) AS n,
           (SELECT tenant_id, id FROM stores WHERE id = :'store') AS store;
INSERT INTO customers (tenant_id, id, store_id, source, email, email_normalized, name, locale, created_at, updated_at)
     SELECT tenant_id, customer_id, store_id, 'api', 'present-' || n || '@customer.example',
            'present-' || n || '@customer.example', 'Ada Example', 'de-DE', at, at
       FROM made;
INSERT INTO orders (tenant_id, id, store_id, external_id, is_complete, number, email, email_normalized, customer_name,
                    customer_locale, customer_id, currency, total, presentment_currency, presentment_total, financial_status,
                    fulfillment_status, lifecycle_status, placed_at, historical, source_updated_at, source_hash,
                    created_at, updated_at)
     SELECT tenant_id, order_id, store_id, 'present-' || n, true, '#' || n, 'present-' || n || '@customer.example',
            'present-' || n || '@customer.example', 'Ada Example', 'de-DE', customer_id, 'EUR', 5480, 'EUR', 5480, 'paid',
            'fulfilled', 'closed', at, true, at, sha256(n::text::bytea), at, at
       FROM made;
INSERT INTO order_lines (tenant_id, order_id, external_id, store_id, position, title, sku, quantity, unit_price)
     SELECT tenant_id, order_id, line::text, store_id, line - 1, 'Linen notebook', 'NOTE-A5', 2, 1990
       FROM made, generate_series(1, 2) AS line;
INSERT INTO shipments (tenant_id, id, store_id, order_id, external_id, carrier, tracking_number, status, shipped_at,
                       delivered_at, created_at, updated_at)
     SELECT tenant_id, shipment_id, store_id, order_id, '1', 'DHL', 'JD' || n, 'delivered', at, at, at, at
       FROM made;
INSERT INTO tracking_events (tenant_id, shipment_id, external_id, store_id, status, happened_at, received_at)
     SELECT tenant_id, shipment_id, event::text, store_id, 'delivered', at, at
       FROM made, generate_series(1, 2) AS event;
INSERT INTO facts (tenant_id, id, store_id, order_id, kind, episode, happened_at, recorded_at)
     SELECT tenant_id, ('01900000-0000-7000-8002-' || lpad(to_hex(n * 4 + fact.place), 12, '0'))::uuid, store_id,
            order_id, fact.kind, fact.episode, at, at
       FROM made, (VALUES (0, 'order_placed', 'order'), (1, 'order_paid', 'order'), (2, 'shipped', '1'),
                          (3, 'delivered', '1')) AS fact (place, kind, episode);
VACUUM ANALYZE customers, orders, order_lines, shipments, tracking_events, facts;

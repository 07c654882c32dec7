-- A webhook of each order that is there already, as it is kept after it was applied; without its body, which nothing looks
-- at any more.
SET session_replication_role = replica;
INSERT INTO inbound_events (tenant_id, id, store_id, connection_id, topic, content_type, body, state, order_id,
                            received_at, settled_at)
     SELECT orders.tenant_id, orders.id, orders.store_id, connections.id, 'orders/create', 'application/json', '{}',
            'applied', orders.id, orders.placed_at, orders.placed_at
       FROM orders
       JOIN connections ON connections.tenant_id = orders.tenant_id AND connections.store_id = orders.store_id
      WHERE orders.store_id = :'store' AND orders.external_id LIKE 'present-%'
ON CONFLICT DO NOTHING;
INSERT INTO inbound_deliveries (tenant_id, connection_id, fingerprint, event_id, received_at)
     SELECT tenant_id, connection_id, sha256(id::text::bytea), id, received_at
       FROM inbound_events
      WHERE store_id = :'store' AND body = '{}'
ON CONFLICT DO NOTHING;
VACUUM ANALYZE inbound_events, inbound_deliveries;

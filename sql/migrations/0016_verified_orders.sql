-- When an order was last compared with the shop itself, whether or not that changed anything. A webhook says what was so
-- when it was made; only asking the shop says what is so now.

ALTER TABLE orders ADD COLUMN verified_at timestamptz NULL;

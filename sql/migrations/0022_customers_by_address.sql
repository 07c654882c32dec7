-- Who has an address in a store, found by all three columns that say so.
--
-- The index had no store in it. As long as nobody has counted the rows of `customers` (a new shop, before its first
-- autoanalyze), that made two indexes with two equal columns each to choose from, and PostgreSQL took the one of the
-- store: every order read all of the store's customers. Three equal columns are better than two without any counting.
DROP INDEX customers_by_email;
CREATE INDEX customers_by_email ON customers (tenant_id, email_normalized, store_id, created_at DESC, id DESC)
                                WHERE email_normalized IS NOT NULL;

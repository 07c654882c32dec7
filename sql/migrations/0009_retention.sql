-- Retention: what the nightly sweep deletes (job `sweep_expired`, Tenants/SweepExpired), the indexes it finds it by, and
-- a first occurrence for every store there is. New stores get theirs from the program.
--
-- Also mends two exceptions that the rules of 0001 had: an inbound event refers to its store, and of a tracking event
-- only what a carrier corrects can be changed.

-- A session ends for good seven days after it began, used or not, revoked or not.
CREATE INDEX sessions_by_end ON sessions (tenant_id, expires_at);

-- Only the sweep deletes these, so only the worker may.
GRANT DELETE ON fired, operations TO aftercare_worker;

ALTER TABLE inbound_events
    ADD FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id);

REVOKE UPDATE ON tracking_events FROM aftercare_app, aftercare_worker;
GRANT UPDATE (status, status_raw, message, happened_at, received_at) ON tracking_events
    TO aftercare_app, aftercare_worker;

-- Row level security is forced, so that even the owner sees no tenant's rows: lifted for this one statement, within
-- this transaction. The row takes its store's id, which is made by the program as any id is. Due at once: the job then
-- schedules the next night, at the store's local hour.
ALTER TABLE stores   NO FORCE ROW LEVEL SECURITY;
ALTER TABLE schedule NO FORCE ROW LEVEL SECURITY;
INSERT INTO schedule (tenant_id, id, store_id, kind, rule_id, subject_id, occurrence, due_at, created_at)
     SELECT tenant_id, id, id, 'sweep_expired', id, id, 'first', now(), now()
       FROM stores
ON CONFLICT DO NOTHING;
ALTER TABLE stores   FORCE ROW LEVEL SECURITY;
ALTER TABLE schedule FORCE ROW LEVEL SECURITY;

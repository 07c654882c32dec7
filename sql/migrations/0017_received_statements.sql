-- When the statement that holds reached us, beside the source's own time of it: an order's age is told by both.
--
-- Of fields that come from another statement than the newest, `source_stamps` has it, as it has that statement's time.
-- Null for what was stored before this column was. A program of the version before this one, which may still be running,
-- leaves the time of the statement before: too early, which makes nothing look newer than it is, and put right by the next
-- statement.

ALTER TABLE orders              ADD COLUMN source_received_at timestamptz NULL;
ALTER TABLE shipments           ADD COLUMN source_received_at timestamptz NULL;
ALTER TABLE refunds             ADD COLUMN source_received_at timestamptz NULL;
ALTER TABLE refund_transactions ADD COLUMN source_received_at timestamptz NULL;
ALTER TABLE returns             ADD COLUMN source_received_at timestamptz NULL;
ALTER TABLE disputes            ADD COLUMN source_received_at timestamptz NULL;

-- When the shop first told each status of a parcel, by status and number. A shop that repeats all it knows every night, each
-- time with a new time of its own, has no news of the parcel, and its silence must not be taken for a sign of life.

ALTER TABLE shipments ADD COLUMN first_reports jsonb NOT NULL DEFAULT '{}';

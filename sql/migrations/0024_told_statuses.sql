-- From when to when the shop told each status of a parcel, by status and number. A shop that repeats all it knows every
-- night, each time with a new time of its own, has no news of the parcel, and that must not be taken for a sign of life.

ALTER TABLE shipments ADD COLUMN told_statuses jsonb NOT NULL DEFAULT '{}';

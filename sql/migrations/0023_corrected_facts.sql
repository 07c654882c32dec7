-- When a fact happened is known better with more evidence: a shop's first word of a cancellation may come after a later
-- one, which only said that it is cancelled by now. Whatever the order of arrival, the fact ends with the earliest time.
-- That it was raised, of what and when, stays as it is.

GRANT UPDATE (happened_at) ON facts TO aftercare_app, aftercare_worker;

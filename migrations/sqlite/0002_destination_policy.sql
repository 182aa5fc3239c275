-- What a destination asks of the way it is delivered to.
ALTER TABLE destination ADD COLUMN rate_per_second INTEGER NOT NULL DEFAULT 0;  -- 0: no limit
ALTER TABLE destination ADD COLUMN rate_burst INTEGER NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN ordering INTEGER NOT NULL DEFAULT 0;
-- Empty for the defaults, else comma-separated: enabled, failure percent, least attempts, failures in a row,
-- window, first and longest time open (microseconds), probes.
ALTER TABLE destination ADD COLUMN breaker TEXT NOT NULL DEFAULT '';
-- Strict order asks for the oldest, due or not; delivery_pending has them by the time they are due.
CREATE INDEX delivery_pending_by_row ON delivery (destination_id, state) WHERE state = 0;

-- What a destination asks of the way it is delivered to.
ALTER TABLE destination ADD COLUMN rate_per_second bigint NOT NULL DEFAULT 0;  -- 0: no limit
ALTER TABLE destination ADD COLUMN rate_burst bigint NOT NULL DEFAULT 0;
ALTER TABLE destination ADD COLUMN ordering smallint NOT NULL DEFAULT 0;
-- Empty for the defaults, else comma-separated: enabled, failure percent, least attempts, failures in a row,
-- window, first and longest time open (microseconds), probes.
ALTER TABLE destination ADD COLUMN breaker text NOT NULL DEFAULT '';

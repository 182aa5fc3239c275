-- Requests a second that a source, and all sources of a workspace together, take. 0: what the settings say.

ALTER TABLE source ADD COLUMN rate_per_second bigint NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN rate_burst bigint NOT NULL DEFAULT 0;
ALTER TABLE workspace ADD COLUMN rate_per_second bigint NOT NULL DEFAULT 0;
ALTER TABLE workspace ADD COLUMN rate_burst bigint NOT NULL DEFAULT 0;

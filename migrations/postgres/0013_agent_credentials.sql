-- A secret being rotated: beside the verifiers of the one in use those of the next, until the first login with it.
-- key_epoch counts the rotations; keyed_at is when the secret in use came (null: when the agent was created).
ALTER TABLE agent ADD COLUMN next_stored_key bytea NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN next_server_key_sealed bytea NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN key_epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN keyed_at bigint;
ALTER TABLE agent ADD COLUMN rotation_asked_at bigint;
-- Copies of an agent's state directory: which process logged in last, what an alarm found, and what follows from one.
ALTER TABLE agent ADD COLUMN instance_id bytea NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN on_copy integer NOT NULL DEFAULT 0;      -- 0 alert, 1 deny
ALTER TABLE agent ADD COLUMN copy_suspected_at bigint;
ALTER TABLE agent ADD COLUMN copy_suspected_from text NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN copy_cleared_at bigint;
-- Not for what each login writes (generation, last_seen_at, instance_id).
DROP TRIGGER agent_changed ON agent;
CREATE TRIGGER agent_changed AFTER INSERT OR DELETE OR UPDATE OF name, state, stored_key, server_key_sealed, next_stored_key,
    rotation_asked_at, on_copy, copy_cleared_at ON agent
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();

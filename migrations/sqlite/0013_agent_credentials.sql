-- A secret being rotated: beside the verifiers of the one in use those of the next, until the first login with it.
-- key_epoch counts the rotations; keyed_at is when the secret in use came (null: when the agent was created).
ALTER TABLE agent ADD COLUMN next_stored_key BLOB NOT NULL DEFAULT x'';
ALTER TABLE agent ADD COLUMN next_server_key_sealed BLOB NOT NULL DEFAULT x'';
ALTER TABLE agent ADD COLUMN key_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN keyed_at INTEGER;
ALTER TABLE agent ADD COLUMN rotation_asked_at INTEGER;
-- Copies of an agent's state directory: which process logged in last, what an alarm found, and what follows from one.
ALTER TABLE agent ADD COLUMN instance_id BLOB NOT NULL DEFAULT x'';
ALTER TABLE agent ADD COLUMN on_copy INTEGER NOT NULL DEFAULT 0;      -- 0 alert, 1 deny
ALTER TABLE agent ADD COLUMN copy_suspected_at INTEGER;
ALTER TABLE agent ADD COLUMN copy_suspected_from TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN copy_cleared_at INTEGER;

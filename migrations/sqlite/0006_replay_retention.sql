-- Replays in bulk, and how long things are kept.

-- Null: the relay's setting. 0: for ever.
ALTER TABLE workspace ADD COLUMN retain_bodies INTEGER;
ALTER TABLE workspace ADD COLUMN retain_events INTEGER;
ALTER TABLE workspace ADD COLUMN retain_attempts INTEGER;

-- 1: the body was emptied because its time was over.
ALTER TABLE event ADD COLUMN body_expired INTEGER NOT NULL DEFAULT 0;

-- A walk over deliveries that makes new ones. cursor is the last one it has looked at. One process at a time works on
-- it: runner, until claimed_until; step grows with each piece of work and decides between two that think it is theirs.
CREATE TABLE replay (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  state INTEGER NOT NULL,
  source_id BLOB,
  destination_id BLOB,
  delivery_state INTEGER NOT NULL,
  type TEXT NOT NULL,
  reason TEXT NOT NULL,
  since_at INTEGER,
  until_at INTEGER NOT NULL,
  rate INTEGER NOT NULL,
  estimate INTEGER NOT NULL,
  estimate_cut INTEGER NOT NULL,
  cursor BLOB NOT NULL,
  walked INTEGER NOT NULL,
  made INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  skipped_expired INTEGER NOT NULL,
  skipped_gone INTEGER NOT NULL,
  paced_until INTEGER NOT NULL,
  next_step_at INTEGER NOT NULL,
  step INTEGER NOT NULL,
  runner BLOB NOT NULL,
  claimed_until INTEGER NOT NULL,
  error TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_by_workspace ON replay (workspace_id, id);
CREATE INDEX replay_running ON replay (next_step_at) WHERE state = 0;

-- What a replay has made.
CREATE TABLE replay_delivery (
  replay_id BLOB NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
  delivery_id BLOB NOT NULL,
  workspace_id BLOB NOT NULL,
  PRIMARY KEY (replay_id, delivery_id)
) STRICT, WITHOUT ROWID;
-- And what of it is not known to have ended yet: never more than a replay may have under way.
CREATE TABLE replay_open (
  replay_id BLOB NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
  delivery_id BLOB NOT NULL,
  workspace_id BLOB NOT NULL,
  PRIMARY KEY (replay_id, delivery_id)
) STRICT, WITHOUT ROWID;

-- How far the removal of old things has come: what is 0 for bodies, 1 for events (both walk by at and row), 2 for attempts
-- (which walk by the deliveries' ids).
CREATE TABLE retention_mark (
  workspace_id BLOB NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  what INTEGER NOT NULL,
  at INTEGER NOT NULL,
  row INTEGER NOT NULL,
  cursor BLOB NOT NULL,
  PRIMARY KEY (workspace_id, what)
) STRICT, WITHOUT ROWID;
-- What it passed by because an open delivery needs it: rows of events, or of deliveries for attempts.
CREATE TABLE retention_kept (
  workspace_id BLOB NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  what INTEGER NOT NULL,
  row INTEGER NOT NULL,
  looked_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, what, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX retention_kept_by_look ON retention_kept (workspace_id, what, looked_at);
-- Who removes, and until when nobody else does.
CREATE TABLE retention_turn (
  single INTEGER PRIMARY KEY CHECK (single = 1),
  runner BLOB NOT NULL,
  until INTEGER NOT NULL
) STRICT;
INSERT INTO retention_turn (single, runner, until) VALUES (1, zeroblob(16), 0);
-- Events with these rows are about to go, all at once: nothing new may refer to them.
CREATE TABLE retention_going (
  from_row INTEGER PRIMARY KEY,
  to_row INTEGER NOT NULL
) STRICT;

-- Replays in bulk, and how long things are kept.

-- Null: the relay's setting. 0: for ever.
ALTER TABLE workspace ADD COLUMN retain_bodies bigint;
ALTER TABLE workspace ADD COLUMN retain_events bigint;
ALTER TABLE workspace ADD COLUMN retain_attempts bigint;

-- 1: the body was emptied because its time was over.
ALTER TABLE event ADD COLUMN body_expired smallint NOT NULL DEFAULT 0;

-- A walk over deliveries that makes new ones. cursor is the last one it has looked at. One process at a time works on
-- it: runner, until claimed_until; step grows with each piece of work and decides between two that think it is theirs.
CREATE TABLE replay (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  state smallint NOT NULL,
  source_id uuid,
  destination_id uuid,
  delivery_state smallint NOT NULL,
  type text NOT NULL,
  reason text NOT NULL,
  since_at bigint,
  until_at bigint NOT NULL,
  rate bigint NOT NULL,
  estimate bigint NOT NULL,
  estimate_cut smallint NOT NULL,
  cursor uuid NOT NULL,
  walked smallint NOT NULL,
  made bigint NOT NULL,
  delivered bigint NOT NULL,
  failed bigint NOT NULL,
  skipped_expired bigint NOT NULL,
  skipped_gone bigint NOT NULL,
  paced_until bigint NOT NULL,
  next_step_at bigint NOT NULL,
  step bigint NOT NULL,
  runner uuid NOT NULL,
  claimed_until bigint NOT NULL,
  error text NOT NULL,
  created_at bigint NOT NULL,
  started_at bigint,
  finished_at bigint
);
CREATE INDEX replay_by_workspace ON replay (workspace_id, id);
CREATE INDEX replay_running ON replay (next_step_at) WHERE state = 0;

-- What a replay has made.
CREATE TABLE replay_delivery (
  replay_id uuid NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
  delivery_id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  PRIMARY KEY (replay_id, delivery_id)
);
-- And what of it is not known to have ended yet: never more than a replay may have under way.
CREATE TABLE replay_open (
  replay_id uuid NOT NULL REFERENCES replay (id) ON DELETE CASCADE,
  delivery_id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  PRIMARY KEY (replay_id, delivery_id)
);

-- How far the removal of old things has come: what is 0 for bodies, 1 for events (both walk by at and row), 2 for attempts
-- (which walk by the deliveries' ids).
CREATE TABLE retention_mark (
  workspace_id uuid NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  what smallint NOT NULL,
  at bigint NOT NULL,
  row bigint NOT NULL,
  cursor uuid NOT NULL,
  PRIMARY KEY (workspace_id, what)
);
-- What it passed by because an open delivery needs it: rows of events, or of deliveries for attempts.
CREATE TABLE retention_kept (
  workspace_id uuid NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
  what smallint NOT NULL,
  row bigint NOT NULL,
  looked_at bigint NOT NULL,
  PRIMARY KEY (workspace_id, what, row)
);
CREATE INDEX retention_kept_by_look ON retention_kept (workspace_id, what, looked_at);
-- Who removes, and until when nobody else does.
CREATE TABLE retention_turn (
  single smallint PRIMARY KEY CHECK (single = 1),
  runner uuid NOT NULL,
  until bigint NOT NULL
);
INSERT INTO retention_turn (single, runner, until) VALUES (1, '00000000-0000-0000-0000-000000000000', 0);
-- Events with these rows are about to go, all at once: nothing new may refer to them.
CREATE TABLE retention_going (
  from_row bigint PRIMARY KEY,
  to_row bigint NOT NULL
);

ALTER TABLE replay ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON replay USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE replay_delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON replay_delivery USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE replay_open ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON replay_open USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);

-- Ids are 16-byte blobs, times and durations are microseconds, enumerations are the numbers of relay/model.hpp.
-- Columns ending in _sealed hold what the keyring sealed.

CREATE TABLE workspace (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  name TEXT NOT NULL UNIQUE,
  data_key_sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Random bytes and the like that belong to this database for ever.
CREATE TABLE store_setting (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  name TEXT NOT NULL,
  state INTEGER NOT NULL,
  stored_key BLOB NOT NULL,
  server_key_sealed BLOB NOT NULL,
  generation INTEGER NOT NULL,
  facts_json TEXT NOT NULL,
  last_seen_at INTEGER,
  created_at INTEGER NOT NULL,
  UNIQUE (workspace_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrollment (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  agent_id BLOB NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  stored_key BLOB NOT NULL,
  server_key_sealed BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  claim_digest BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX enrollment_by_agent ON enrollment (agent_id);

CREATE TABLE source (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  scheme_json TEXT NOT NULL,
  secrets_sealed BLOB NOT NULL,
  unsigned_ok INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  body_limit_bytes INTEGER NOT NULL,
  dedupe_window INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (workspace_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  name TEXT NOT NULL,
  kind INTEGER NOT NULL,
  url TEXT NOT NULL,              -- empty when it is a secret
  url_sealed BLOB,                -- Slack: whoever has the URL can post
  agent_id BLOB REFERENCES agent (id),
  signing_secret_sealed BLOB,
  timeout INTEGER NOT NULL,
  retry_schedule TEXT NOT NULL,   -- microseconds, comma-separated
  final_statuses TEXT NOT NULL,   -- comma-separated
  concurrency INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  disabled_reason TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (workspace_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX destination_by_agent ON destination (agent_id) WHERE agent_id IS NOT NULL;

CREATE TABLE route (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  source_id BLOB NOT NULL REFERENCES source (id) ON DELETE CASCADE,
  destination_id BLOB NOT NULL REFERENCES destination (id) ON DELETE CASCADE,
  enabled INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (source_id, destination_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX route_by_destination ON route (destination_id);
CREATE INDEX route_by_workspace ON route (workspace_id, id);

-- One accepted request, immutable. The body comes last: listings never read its pages. No foreign keys: a source
-- can go while its events stay, and each key would cost a look-up per event.
CREATE TABLE event (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  workspace_id BLOB NOT NULL,
  source_id BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  verified INTEGER NOT NULL,
  type TEXT NOT NULL,
  dedupe_key BLOB NOT NULL,
  method TEXT NOT NULL,
  target BLOB NOT NULL,
  peer TEXT NOT NULL,
  headers BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_by_id ON event (id);
CREATE INDEX event_by_time ON event (workspace_id, received_at);
CREATE INDEX event_by_source ON event (source_id, received_at);
CREATE INDEX event_by_type ON event (workspace_id, type, received_at) WHERE type <> '';

-- How often the dedupe key of an event came again.
CREATE TABLE event_duplicate (
  event_row INTEGER PRIMARY KEY,
  hits INTEGER NOT NULL,
  last_at INTEGER NOT NULL
) STRICT;

-- Dedupe keys in order of arrival, for the index in memory that the writer rebuilds at start. Provider ids are
-- random: an index on them here would cost two thirds of the ingest rate.
CREATE TABLE dedupe (
  event_row INTEGER PRIMARY KEY,
  fingerprint INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;

-- One event owed to one destination. The happy path (committed as leased, then delivered) touches no index that
-- grows with the backlog: those are partial.
CREATE TABLE delivery (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  workspace_id BLOB NOT NULL,
  event_row INTEGER NOT NULL,
  source_id BLOB NOT NULL,
  destination_id BLOB NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  attempt_count INTEGER NOT NULL,   -- attempts that burned one of the schedule
  tries INTEGER NOT NULL,           -- all attempts
  lease INTEGER NOT NULL,           -- how often it was leased: the fence
  next_at INTEGER NOT NULL,
  replay_of BLOB,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX delivery_by_id ON delivery (workspace_id, id);
CREATE INDEX delivery_by_event ON delivery (event_row);
CREATE INDEX delivery_by_destination ON delivery (destination_id, id);
-- The state is in them although it is one value: without it SQLite looks up the row of each entry to ask.
CREATE INDEX delivery_pending ON delivery (destination_id, state, next_at) WHERE state = 0;
CREATE INDEX delivery_leased ON delivery (destination_id, state) WHERE state = 1;
CREATE INDEX delivery_parked ON delivery (destination_id, state) WHERE state = 2;
CREATE INDEX delivery_dead ON delivery (workspace_id, id, state) WHERE state = 4;
CREATE INDEX delivery_cancelled ON delivery (workspace_id, id, state) WHERE state = 5;

-- row is delivery.row * 65536 + number: the tries of a delivery lie side by side without an index of their own.
CREATE TABLE attempt (
  row INTEGER PRIMARY KEY,
  outcome INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  url TEXT NOT NULL,
  response_status INTEGER NOT NULL,
  response_truncated INTEGER NOT NULL,
  dns INTEGER NOT NULL,
  connect INTEGER NOT NULL,
  tls INTEGER NOT NULL,
  first_byte INTEGER NOT NULL,
  total INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  response_headers BLOB NOT NULL,
  response_body BLOB NOT NULL
) STRICT;

CREATE TABLE audit (
  id BLOB PRIMARY KEY,
  workspace_id BLOB NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail_json TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_workspace ON audit (workspace_id, id);

CREATE TABLE api_key (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  workspace_id BLOB NOT NULL REFERENCES workspace (id),
  name TEXT NOT NULL,
  secret_digest BLOB NOT NULL UNIQUE,
  revoked INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  workspace_id BLOB NOT NULL,
  key TEXT NOT NULL,
  request_digest BLOB NOT NULL,
  status INTEGER NOT NULL,
  body BLOB NOT NULL,
  kept_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (kept_at);

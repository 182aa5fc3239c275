-- The tables of migrations/sqlite, for several nodes at once. Ids are uuid, times and durations are microseconds,
-- enumerations are the numbers of relay/model.hpp. Columns ending in _sealed hold what the keyring sealed.
-- event, event_duplicate, dedupe and attempt are partitioned by day: old days are dropped, never deleted row by row.
-- The program makes the partitions; see relay/store/postgres/partitions.hpp.

CREATE TABLE workspace (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  data_key_sealed bytea NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE store_setting (
  name text PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE agent (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  name text NOT NULL,
  state smallint NOT NULL,
  stored_key bytea NOT NULL,
  server_key_sealed bytea NOT NULL,
  generation bigint NOT NULL,
  facts_json text NOT NULL,
  last_seen_at bigint,
  created_at bigint NOT NULL,
  UNIQUE (workspace_id, name)
);

CREATE TABLE enrollment (
  id uuid PRIMARY KEY,
  agent_id uuid NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  stored_key bytea NOT NULL,
  server_key_sealed bytea NOT NULL,
  expires_at bigint NOT NULL,
  claim_digest bytea NOT NULL
);
CREATE INDEX enrollment_by_agent ON enrollment (agent_id);

CREATE TABLE source (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  name text NOT NULL,
  provider text NOT NULL,
  scheme_json text NOT NULL,
  secrets_sealed bytea NOT NULL,
  unsigned_ok smallint NOT NULL,
  enabled smallint NOT NULL,
  body_limit_bytes bigint NOT NULL,
  dedupe_window bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  UNIQUE (workspace_id, name)
);

CREATE TABLE destination (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  name text NOT NULL,
  kind smallint NOT NULL,
  url text NOT NULL,
  url_sealed bytea,
  agent_id uuid REFERENCES agent (id),
  signing_secret_sealed bytea,
  timeout bigint NOT NULL,
  retry_schedule text NOT NULL,
  final_statuses text NOT NULL,
  concurrency bigint NOT NULL,
  enabled smallint NOT NULL,
  disabled_reason text NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  UNIQUE (workspace_id, name)
);
CREATE INDEX destination_by_agent ON destination (agent_id) WHERE agent_id IS NOT NULL;

CREATE TABLE route (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  source_id uuid NOT NULL REFERENCES source (id) ON DELETE CASCADE,
  destination_id uuid NOT NULL REFERENCES destination (id) ON DELETE CASCADE,
  enabled smallint NOT NULL,
  created_at bigint NOT NULL,
  UNIQUE (source_id, destination_id)
);
CREATE INDEX route_by_destination ON route (destination_id);
CREATE INDEX route_by_workspace ON route (workspace_id, id);

CREATE TABLE audit (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  object text NOT NULL,
  detail_json text NOT NULL,
  at bigint NOT NULL
);
CREATE INDEX audit_by_workspace ON audit (workspace_id, id);

CREATE TABLE api_key (
  id uuid PRIMARY KEY,
  workspace_id uuid NOT NULL REFERENCES workspace (id),
  name text NOT NULL,
  secret_digest bytea NOT NULL UNIQUE,
  revoked smallint NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE idempotency (
  workspace_id uuid NOT NULL,
  key text NOT NULL,
  request_digest bytea NOT NULL,
  status bigint NOT NULL,
  body bytea NOT NULL,
  kept_at bigint NOT NULL,
  PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (kept_at);

-- Numbers for event.row and delivery.row, handed out to the nodes in blocks.
CREATE SEQUENCE row_block AS bigint MINVALUE 1 START 1;

-- One run of one process. Its leases are good while it is alive: lease_until is moved on by its heartbeat, by the
-- database's clock, and a node that lets it pass is buried by another one. alive_since is when it last had to take it
-- up anew: a node that was itself away a moment ago buries nobody.
CREATE TABLE node (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name uuid NOT NULL,
  label text NOT NULL,
  version text NOT NULL,
  joined_at timestamptz NOT NULL DEFAULT now(),
  alive_since timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz NOT NULL,
  buried_at timestamptz
);
CREATE INDEX node_alive ON node (lease_until) WHERE buried_at IS NULL;
CREATE INDEX node_by_name ON node (name) WHERE buried_at IS NULL;

-- One accepted request, immutable. row is the hour it came in, since 1970, times 2⁴⁰, plus a number: its day can be
-- read off it, and the join of a delivery with its event goes to one partition. Bodies are not compressed (time), and
-- stay in the row up to a page's size.
CREATE TABLE event (
  row bigint NOT NULL,
  id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  source_id uuid NOT NULL,
  received_at bigint NOT NULL,
  verified smallint NOT NULL,
  type text NOT NULL,
  dedupe_key bytea NOT NULL,
  method text NOT NULL,
  target bytea NOT NULL,
  peer text NOT NULL,
  headers bytea NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (row)
) PARTITION BY RANGE (row);
ALTER TABLE event ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX event_by_id ON event (id);
CREATE INDEX event_by_time ON event (workspace_id, received_at, row);
CREATE INDEX event_by_source ON event (source_id, received_at, row);
CREATE INDEX event_by_type ON event (workspace_id, type, received_at, row) WHERE type <> '';

CREATE TABLE event_duplicate (
  event_row bigint PRIMARY KEY,
  hits bigint NOT NULL,
  last_at bigint NOT NULL
) PARTITION BY RANGE (event_row);

-- The first event of a dedupe key. key is a digest of workspace, source and the provider's key. day is the one of the
-- event; a key is looked for in the days before as well.
CREATE TABLE dedupe (
  day integer NOT NULL,
  key uuid NOT NULL,
  event_id uuid NOT NULL,
  event_row bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (key, day)
) PARTITION BY RANGE (day);

-- One event owed to one destination. What goes well (committed as leased, then delivered) touches no index that a claim
-- reads: a snapshot held for long makes nothing here slower.
CREATE TABLE delivery (
  row bigint PRIMARY KEY,
  id uuid NOT NULL,
  workspace_id uuid NOT NULL,
  event_row bigint NOT NULL,
  source_id uuid NOT NULL,
  destination_id uuid NOT NULL,
  state smallint NOT NULL,
  reason text NOT NULL,
  attempt_count integer NOT NULL,
  tries integer NOT NULL,
  lease integer NOT NULL,
  lease_node integer NOT NULL DEFAULT 0,
  next_at bigint NOT NULL,
  replay_of uuid,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_limit = 2000);
CREATE SEQUENCE delivery_row AS bigint OWNED BY delivery.row;
ALTER TABLE delivery ALTER COLUMN row SET DEFAULT (nextval('delivery_row') << 1);
CREATE UNIQUE INDEX delivery_by_id ON delivery (workspace_id, id);
CREATE INDEX delivery_by_event ON delivery (event_row);
CREATE INDEX delivery_by_destination ON delivery (destination_id, id);
CREATE INDEX delivery_due ON delivery (next_at, id) WHERE state = 0;
CREATE INDEX delivery_pending ON delivery (destination_id, id) WHERE state = 0;
CREATE INDEX delivery_leased ON delivery (lease_node) WHERE state = 1;
CREATE INDEX delivery_parked ON delivery (destination_id, id) WHERE state = 2;
CREATE INDEX delivery_dead ON delivery (workspace_id, id) WHERE state = 4;
CREATE INDEX delivery_cancelled ON delivery (workspace_id, id) WHERE state = 5;

-- row is delivery.row * 65536 + number, as in SQLite.
CREATE TABLE attempt (
  row bigint NOT NULL,
  started_at bigint NOT NULL,
  outcome smallint NOT NULL,
  counted smallint NOT NULL,
  error_code text NOT NULL,
  error_message text NOT NULL,
  url text NOT NULL,
  response_status integer NOT NULL,
  response_truncated smallint NOT NULL,
  dns bigint NOT NULL,
  connect bigint NOT NULL,
  tls bigint NOT NULL,
  first_byte bigint NOT NULL,
  total bigint NOT NULL,
  response_headers bytea NOT NULL,
  response_body bytea NOT NULL,
  PRIMARY KEY (row, started_at)
) PARTITION BY RANGE (started_at);
ALTER TABLE attempt ALTER COLUMN response_body SET STORAGE EXTERNAL;

-- Nodes keep what is configured in memory. This number grows with every change of it, and the nodes are told: a change
-- is rare, so the lock that a notification takes at commit costs nothing that matters.
CREATE TABLE catalog_state (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  version bigint NOT NULL
);
INSERT INTO catalog_state (version) VALUES (1);
CREATE FUNCTION catalog_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE catalog_state SET version = version + 1;
  PERFORM pg_notify('postern_catalog', '');
  RETURN NULL;
END $$;
CREATE TRIGGER workspace_changed AFTER INSERT OR UPDATE OR DELETE ON workspace
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER source_changed AFTER INSERT OR UPDATE OR DELETE ON source
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER destination_changed AFTER INSERT OR UPDATE OR DELETE ON destination
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER route_changed AFTER INSERT OR UPDATE OR DELETE ON route
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER api_key_changed AFTER INSERT OR UPDATE OR DELETE ON api_key
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
-- Not for what each login of an agent writes (generation, last_seen_at).
CREATE TRIGGER agent_changed AFTER INSERT OR DELETE OR UPDATE OF name, state, stored_key, server_key_sealed ON agent
  FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();

-- The second wall between workspaces. What is done for one workspace is done as a role that owns nothing here, and that
-- sees what these policies let it see; the relay's own work (hot path, catalog) runs as the owner. The role is made by
-- the program: its name is the server's, not the database's.
ALTER TABLE source ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON source USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE destination ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON destination USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE route ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON route USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE agent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON agent USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE enrollment ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON enrollment USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE event ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON event USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON delivery USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON audit USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON api_key USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON idempotency USING (workspace_id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE workspace ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON workspace USING (id = (SELECT current_setting('postern.workspace'))::uuid);
ALTER TABLE attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON attempt USING (EXISTS (SELECT 1 FROM delivery d WHERE d.row = attempt.row / 65536));
ALTER TABLE event_duplicate ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON event_duplicate USING (EXISTS (SELECT 1 FROM event e WHERE e.row = event_row));

-- Several processes may hold sessions as this agent at the same time.
ALTER TABLE agent ADD COLUMN replicas smallint NOT NULL DEFAULT 0;
-- An agent keeps sessions with several nodes: one row for each of them.
ALTER TABLE agent_session DROP CONSTRAINT agent_session_pkey;
ALTER TABLE agent_session ADD PRIMARY KEY (agent_id, node);

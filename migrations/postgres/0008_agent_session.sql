-- Which node holds the session of an agent. A row counts only while its node is alive (node.lease_until): what a node
-- that died had said is void with its leases, and nobody need clean up. generation is the login's: a node that lags
-- behind does not take the agent away from the one it has gone to.
CREATE TABLE agent_session (
  agent_id uuid PRIMARY KEY REFERENCES agent (id) ON DELETE CASCADE,
  node integer NOT NULL,
  generation bigint NOT NULL,
  since bigint NOT NULL
);
ALTER TABLE agent_session ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_workspace ON agent_session USING (EXISTS (SELECT 1 FROM agent a WHERE a.id = agent_id));

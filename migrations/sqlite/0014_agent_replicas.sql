-- Several processes may hold sessions as this agent at the same time.
ALTER TABLE agent ADD COLUMN replicas INTEGER NOT NULL DEFAULT 0;

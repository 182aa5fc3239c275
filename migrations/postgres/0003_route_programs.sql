-- Programs of routes, in jq; empty: every event goes, as it came.
ALTER TABLE route ADD COLUMN filter text NOT NULL DEFAULT '';
ALTER TABLE route ADD COLUMN transform text NOT NULL DEFAULT '';

-- What a transform made of the event, sent in place of its body: so every retry sends the same bytes. NULL: the
-- event's own. The headers are packed as those of event; both columns are NULL or neither is.
ALTER TABLE delivery ADD COLUMN payload bytea;
ALTER TABLE delivery ADD COLUMN payload_headers bytea;
ALTER TABLE delivery ALTER COLUMN payload SET STORAGE EXTERNAL;

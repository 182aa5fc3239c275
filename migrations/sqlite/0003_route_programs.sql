-- Programs of routes, in jq; empty: every event goes, as it came.
ALTER TABLE route ADD COLUMN filter TEXT NOT NULL DEFAULT '';
ALTER TABLE route ADD COLUMN transform TEXT NOT NULL DEFAULT '';

-- What a transform made of the event, sent in place of its body: so every retry sends the same bytes. NULL: the
-- event's own. The headers are packed as those of event; both columns are NULL or neither is. They come last: what
-- asks for a delivery's state does not read their pages.
ALTER TABLE delivery ADD COLUMN payload BLOB;
ALTER TABLE delivery ADD COLUMN payload_headers BLOB;

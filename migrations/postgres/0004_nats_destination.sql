-- Destinations of kind nats: the subject's template, and the destination's own names of events (a JSON object).
-- Empty: the defaults, and for every other kind.
ALTER TABLE destination ADD COLUMN subject text NOT NULL DEFAULT '';
ALTER TABLE destination ADD COLUMN event_map text NOT NULL DEFAULT '';

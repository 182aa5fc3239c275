-- Order of deliveries. order_key: 0, none; else those of one destination and key go one after the other. 1 is the key of
-- a destination that is in order as a whole; others are digests of what the key says.
ALTER TABLE destination ADD COLUMN ordering_key TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN order_key INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET order_key = 1 WHERE state IN (0, 1, 2) AND destination_id IN
  (SELECT id FROM destination WHERE ordering = 1);

-- Those in order, key by key: a look along the keys finds the first of each, however many wait behind it.
CREATE INDEX delivery_in_order ON delivery (destination_id, order_key, id, state, next_at)
  WHERE state <= 2 AND order_key <> 0;
-- And out of the way of the claims of all others.
DROP INDEX delivery_pending;
DROP INDEX delivery_pending_by_row;
DROP INDEX delivery_leased;
DROP INDEX delivery_parked;
CREATE INDEX delivery_pending ON delivery (destination_id, state, order_key, next_at) WHERE state = 0;
CREATE INDEX delivery_leased ON delivery (destination_id, state, order_key) WHERE state = 1;
CREATE INDEX delivery_parked ON delivery (destination_id, state, order_key) WHERE state = 2;

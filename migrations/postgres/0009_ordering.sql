-- Order of deliveries, over all nodes. order_key: 0, none; else those of one destination and key go one after the other.
-- 1 is the key of a destination that is in order as a whole; others are digests of what the key says.
ALTER TABLE destination ADD COLUMN ordering_key text NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN order_key bigint NOT NULL DEFAULT 0;
UPDATE delivery SET order_key = 1 WHERE state <= 2 AND destination_id IN (SELECT id FROM destination WHERE ordering = 1);

-- Those in order, key by key: a look along the keys finds the first of each, however many wait behind it.
CREATE INDEX delivery_in_order ON delivery (destination_id, order_key, id) WHERE state <= 2 AND order_key <> 0;
CREATE INDEX delivery_leased_in_order ON delivery (destination_id, order_key) WHERE state = 1 AND order_key <> 0;
-- And out of the way of the claims of all others.
DROP INDEX delivery_due, delivery_pending, delivery_parked;
CREATE INDEX delivery_due ON delivery (next_at, id) WHERE state = 0 AND order_key = 0;
CREATE INDEX delivery_pending ON delivery (destination_id, order_key, id) WHERE state = 0;
CREATE INDEX delivery_parked ON delivery (destination_id, order_key, id) WHERE state = 2;

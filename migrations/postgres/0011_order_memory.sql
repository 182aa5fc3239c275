-- Claims in order begin where the last one ended (relay/store/postgres/order_memory.hpp), so that they need not walk past what
-- is over while a snapshot is held for long.
-- born: the transaction that stored it. What the last look could not see yet is found by it, however old its id is.
ALTER TABLE delivery ADD COLUMN born xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX delivery_born_in_order ON delivery (destination_id, born) WHERE state <= 2 AND order_key <> 0;

-- The look for what is leased begins at the oldest open one, too. "state + 0" names this index alone (head_statements.hpp).
DROP INDEX delivery_leased_in_order;
CREATE INDEX delivery_leased_in_order ON delivery (destination_id, order_key, id) WHERE state + 0 = 1 AND order_key <> 0;

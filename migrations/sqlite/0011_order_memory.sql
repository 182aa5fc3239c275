-- Nothing: an entry of an index goes with what it stands for here. PostgreSQL has this number, and both have the same ones.
SELECT 1;

-- The last attempt of a delivery that was answered with a status; 0: none. An agent may know the outcome of a later one that
-- never got here.
ALTER TABLE delivery ADD COLUMN answered integer NOT NULL DEFAULT 0;

-- How often the process that had leased a delivery ended in the middle of it. Counted before an attempt begins, once it is
-- a suspect; an attempt that is over sets it back.
ALTER TABLE delivery ADD COLUMN crashes integer NOT NULL DEFAULT 0;

-- How a replay makes its deliveries: 0 original (the same bytes again), 1 current (as the routes decide it when it comes to
-- them). skipped_unrouted counts those that no route leads to any more.
ALTER TABLE replay ADD COLUMN configuration INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replay ADD COLUMN skipped_unrouted INTEGER NOT NULL DEFAULT 0;

-- What is known of a source that does not answer: see probe.go. outages are
-- how many times in a row it did not, 0 while it answers; an older release
-- reads none of it, and tries as ever.
ALTER TABLE sources ADD COLUMN outages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sources ADD COLUMN next_probe BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sources ADD COLUMN problem TEXT NOT NULL DEFAULT '';

-- The outage that a run is to find out about; 0: none was known at its start.
ALTER TABLE running ADD COLUMN probes BIGINT NOT NULL DEFAULT 0;

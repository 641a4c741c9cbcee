-- What finished runs came to, found by tenant, report and format: see History.
-- Runs that ended before, or at the hands of an older release, are not in it.
ALTER TABLE runs ADD COLUMN made_as TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_made ON runs (tenant, report, made_as, finished) WHERE made_as <> '';

-- The configured source that the run reads: see Options.MaxRuns. Of runs that
-- an older release accepted it is not known, and they are not counted.
ALTER TABLE runs ADD COLUMN reads TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_ready ON runs (reads, id) WHERE state = 'queued' AND next_attempt = 0 AND reads <> '';

-- A row is locked by whoever gives away places of the source.
CREATE TABLE sources (
	name TEXT NOT NULL PRIMARY KEY
){narrow};

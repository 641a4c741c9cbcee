-- What finished runs came to, found by report and format: see History. Runs
-- that ended before, or at the hands of an older release, are not in it.
ALTER TABLE runs ADD COLUMN made_as TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_made ON runs (report, made_as, finished) WHERE made_as <> '';

-- The configured source that the run reads, or nothing: see Options.MaxRuns.
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT '';

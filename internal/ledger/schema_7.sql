-- When to tell that the run's file will soon be gone: see Remind. 0: nobody
-- wants to know, or they were told; so it is of runs of an older release.
ALTER TABLE runs ADD COLUMN remind BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_to_remind ON runs (remind) WHERE remind > 0 AND file_state = 'available';

-- What somebody wants to be told of their runs: see type Preferences.
CREATE TABLE preferences (
	tenant  TEXT   NOT NULL,
	user_id TEXT   NOT NULL,
	wants   TEXT   NOT NULL,            -- nothing: they have none any more
	change  BIGINT NOT NULL,            -- grows from one change to the next, whosoever they are
	PRIMARY KEY (tenant, user_id)
){keyed};
CREATE INDEX preferences_changed ON preferences (change);

-- How a finished run went, part by part, from which later ones are foretold:
-- see type Pace. Of runs from before it is not known.
ALTER TABLE runs ADD COLUMN pace TEXT NOT NULL DEFAULT '';

-- When the present phase is due to end, and how many microseconds what follows
-- it takes; 0 and 0 are not known, as at the hands of an older release.
ALTER TABLE running ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE running ADD COLUMN rest BIGINT NOT NULL DEFAULT 0;

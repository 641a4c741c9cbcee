-- Written once, for SQLite and PostgreSQL alike. Times are microseconds since
-- 1970, 0 for none; structured values are JSON text; there are no booleans
-- and no nulls. Statements end with a semicolon at the end of a line.
-- {keyed} and {narrow} are the dialect's words for how a table is stored.

-- What may be kept long: of a run only what changes when it moves.
CREATE TABLE runs (
	id           TEXT   NOT NULL PRIMARY KEY,
	tenant       TEXT   NOT NULL,
	user_id      TEXT   NOT NULL,
	report       TEXT   NOT NULL,
	version      TEXT   NOT NULL,
	title        TEXT   NOT NULL,
	metadata     TEXT   NOT NULL,
	asking       TEXT   NOT NULL,           -- what never changes: see type asked
	key_digest   TEXT   NOT NULL,           -- of the idempotency key, or nothing
	state        TEXT   NOT NULL,
	epoch        BIGINT NOT NULL,           -- the fence
	ticket       BIGINT NOT NULL,           -- river_job.id while queued or running; 0: none
	held_for     TEXT   NOT NULL DEFAULT '',
	held_until   BIGINT NOT NULL DEFAULT 0,
	failures     BIGINT NOT NULL DEFAULT 0,
	outages      BIGINT NOT NULL DEFAULT 0, -- tries that are not counted
	losses       BIGINT NOT NULL DEFAULT 0,
	next_attempt BIGINT NOT NULL DEFAULT 0,
	retry_until  BIGINT NOT NULL DEFAULT 0,
	percent      BIGINT NOT NULL DEFAULT 0, -- the highest that was shown
	outcome      TEXT   NOT NULL DEFAULT '',
	warnings     TEXT   NOT NULL DEFAULT '',
	problem      TEXT   NOT NULL DEFAULT '',
	file         TEXT   NOT NULL DEFAULT '',
	file_key     TEXT   NOT NULL DEFAULT '',
	file_state   TEXT   NOT NULL DEFAULT '',
	expires      BIGINT NOT NULL DEFAULT 0, -- 0: never
	doomed       BIGINT NOT NULL DEFAULT 0, -- since when the blob may go
	created      BIGINT NOT NULL,
	started      BIGINT NOT NULL DEFAULT 0,
	finished     BIGINT NOT NULL DEFAULT 0,
	as_of        BIGINT NOT NULL DEFAULT 0,
	changed      BIGINT NOT NULL,
	revision     BIGINT NOT NULL DEFAULT 1
){keyed};
CREATE INDEX runs_of_user ON runs (tenant, user_id, id);
CREATE INDEX runs_of_user_by_state ON runs (tenant, user_id, state, id);
CREATE INDEX runs_changed ON runs (changed);
CREATE INDEX runs_ended_of_user ON runs (tenant, user_id, changed) WHERE finished > 0;
CREATE INDEX runs_queued ON runs (id) WHERE state = 'queued';
CREATE INDEX runs_held ON runs (held_for, id) WHERE held_for <> '';
CREATE INDEX runs_held_until ON runs (held_for, held_until) WHERE held_for <> '';
CREATE INDEX runs_to_expire ON runs (expires) WHERE file_state = 'available';
CREATE INDEX runs_doomed ON runs (doomed) WHERE file_state = 'expired';

-- The leases. Rows are few and change every two seconds, so no index but the key.
CREATE TABLE running (
	run         TEXT   NOT NULL PRIMARY KEY,
	epoch       BIGINT NOT NULL,
	owner       TEXT   NOT NULL,
	lease_until BIGINT NOT NULL,            -- by the database's clock
	begun       BIGINT NOT NULL,            -- 0: waits its turn in the process; losing that is no loss
	revision    BIGINT NOT NULL,
	phase       TEXT   NOT NULL,
	row_count   BIGINT NOT NULL,
	row_total   BIGINT NOT NULL,
	exact       BIGINT NOT NULL,
	bytes       BIGINT NOT NULL,
	percent     BIGINT NOT NULL,
	as_of       BIGINT NOT NULL
){narrow};

CREATE TABLE definitions (
	report  TEXT NOT NULL,
	version TEXT NOT NULL,
	text    TEXT NOT NULL,
	PRIMARY KEY (report, version)
){keyed};

-- Idempotency keys, kept as long as the run's record, or its stub.
CREATE TABLE keys_used (
	digest      TEXT   NOT NULL PRIMARY KEY,
	fingerprint TEXT   NOT NULL,
	run         TEXT   NOT NULL,
	created     BIGINT NOT NULL
){keyed};

-- Metadata once more, to be searched.
CREATE TABLE labels (
	name  TEXT NOT NULL,
	value TEXT NOT NULL,
	run   TEXT NOT NULL,
	PRIMARY KEY (name, value, run)
){keyed};

-- What is left of an erased run.
CREATE TABLE erased (
	id         TEXT   NOT NULL PRIMARY KEY,
	report     TEXT   NOT NULL,
	tenant     TEXT   NOT NULL,
	user_id    TEXT   NOT NULL,
	key_digest TEXT   NOT NULL,
	created    BIGINT NOT NULL,
	erased     BIGINT NOT NULL
){keyed};

CREATE TABLE notices (
	id           TEXT   NOT NULL PRIMARY KEY,
	run          TEXT   NOT NULL,
	event        TEXT   NOT NULL,
	address      TEXT   NOT NULL,
	state        TEXT   NOT NULL,            -- waiting, telling, delivered, failed
	attempt      BIGINT NOT NULL,            -- the fence: grows with each ticket
	tries        BIGINT NOT NULL DEFAULT 0,
	ticket       BIGINT NOT NULL,
	lease_until  BIGINT NOT NULL DEFAULT 0,  -- of telling, by the database's clock; beats renew it
	last_answer  TEXT   NOT NULL DEFAULT '',
	created      BIGINT NOT NULL,
	give_up      BIGINT NOT NULL,
	next_attempt BIGINT NOT NULL DEFAULT 0,
	delivered    BIGINT NOT NULL DEFAULT 0,
	UNIQUE (run, event, address)
){keyed};
CREATE INDEX notices_open ON notices (id) WHERE state IN ('waiting', 'telling');

CREATE TABLE downloads (
	id         TEXT   NOT NULL PRIMARY KEY,
	run        TEXT   NOT NULL,
	user_id    TEXT   NOT NULL,
	address    TEXT   NOT NULL,
	downloaded BIGINT NOT NULL,
	bytes      BIGINT NOT NULL
){keyed};
CREATE INDEX downloads_of_run ON downloads (run, id);

CREATE TABLE api_keys (
	id        TEXT   NOT NULL PRIMARY KEY,
	name      TEXT   NOT NULL,
	prefix    TEXT   NOT NULL,
	hash      TEXT   NOT NULL UNIQUE,
	who       TEXT   NOT NULL,
	created   BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	last_used BIGINT NOT NULL DEFAULT 0,
	revoked   BIGINT NOT NULL DEFAULT 0
){keyed};

CREATE TABLE settings (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
){keyed};

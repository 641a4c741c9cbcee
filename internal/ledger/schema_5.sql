-- Links by which a run's file may be handed on. Of a link's token only the
-- SHA-256 is kept; sealed is the token once more, for whoever made the link
-- with an Idempotency-Key and asks again: it takes that key and the server's
-- secret to read it.
CREATE TABLE links (
	id          TEXT   NOT NULL PRIMARY KEY,
	run         TEXT   NOT NULL,
	hash        TEXT   NOT NULL UNIQUE,
	audience    TEXT   NOT NULL,            -- anyone, tenant
	label       TEXT   NOT NULL,
	address     TEXT   NOT NULL,            -- whom it was made for, or nothing
	maker       TEXT   NOT NULL,
	created     BIGINT NOT NULL,
	expires     BIGINT NOT NULL,
	most        BIGINT NOT NULL,            -- uses; 0: no limit
	uses        BIGINT NOT NULL DEFAULT 0,
	used        BIGINT NOT NULL DEFAULT 0,  -- the last time
	revoked     BIGINT NOT NULL DEFAULT 0,
	key_digest  TEXT   NOT NULL,            -- of the idempotency key, or nothing
	fingerprint TEXT   NOT NULL,
	sealed      TEXT   NOT NULL
){keyed};
CREATE INDEX links_of_run ON links (run, id);
CREATE UNIQUE INDEX links_by_key ON links (key_digest) WHERE key_digest <> '';

-- The link by which a download came, or nothing.
ALTER TABLE downloads ADD COLUMN link TEXT NOT NULL DEFAULT '';

-- Addresses that people have notices sent to over HTTP. secrets are a JSON list,
-- newest first, each sealed by the server's secret; see type SealedSecret.
CREATE TABLE webhooks (
	id            TEXT   NOT NULL PRIMARY KEY,
	tenant        TEXT   NOT NULL,
	user_id       TEXT   NOT NULL,
	api_key       TEXT   NOT NULL,           -- the id of the one it was made with, or nothing
	url           TEXT   NOT NULL,
	description   TEXT   NOT NULL,
	events        TEXT   NOT NULL,
	secrets       TEXT   NOT NULL,
	created       BIGINT NOT NULL,
	disabled      BIGINT NOT NULL DEFAULT 0, -- since then
	reason        TEXT   NOT NULL DEFAULT '',
	failing_since BIGINT NOT NULL DEFAULT 0,
	delivered     BIGINT NOT NULL DEFAULT 0, -- the last time
	key_digest    TEXT   NOT NULL,           -- of the idempotency key, or nothing
	fingerprint   TEXT   NOT NULL
){keyed};
CREATE INDEX webhooks_of_user ON webhooks (tenant, user_id, id);
CREATE UNIQUE INDEX webhooks_by_key ON webhooks (key_digest) WHERE key_digest <> '';

-- What an address was sent. status is the last that it answered, 0 for none; of
-- a ping, run is its own id. One that is held waits for others to the same
-- address, without a ticket: see gate.go.
ALTER TABLE notices ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
CREATE INDEX notices_by_address ON notices (address, id);
CREATE INDEX notices_held ON notices (address, id) WHERE state = 'held';

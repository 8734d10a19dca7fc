-- Secrets that rotations replaced. Each signs, or opens, until its own day ends: whoever rotates twice in a row must not
-- shut out the secret that the other side still has.
CREATE TABLE webhook_old_secret (
    old_no      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    secret      bytea NOT NULL,                 -- encrypted by config/vault.py
    until       timestamptz NOT NULL
);
INSERT INTO webhook_old_secret (endpoint_id, secret, until)
SELECT endpoint_id, old_secret, old_until FROM webhook_endpoint WHERE old_secret IS NOT NULL;

CREATE TABLE mail_source_old_secret (
    provider    text COLLATE "C" NOT NULL REFERENCES mail_source ON DELETE CASCADE,
    secret_hash bytea NOT NULL,                 -- webhooks/sources.py hash_of
    until       timestamptz NOT NULL,           -- or until a newer one is used
    PRIMARY KEY (provider, secret_hash)
);
INSERT INTO mail_source_old_secret (provider, secret_hash, until)
SELECT provider, old_secret_hash, old_secret_until FROM mail_source WHERE old_secret_hash IS NOT NULL;
ALTER TABLE mail_source DROP COLUMN old_secret_hash, DROP COLUMN old_secret_until;

-- How far an endpoint was handed the ledger's seals, lane by lane: what was recorded singly does not wait behind a mass.
-- Each event is in exactly one of the lanes 'single' and 'mass' (webhooks/sql/events.sql hand_out); 'replay' hands out again.
CREATE TABLE webhook_lane (
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    lane        text NOT NULL CHECK (lane IN ('single', 'mass', 'replay')),
    seal_no     bigint NOT NULL,                -- the events of all seals up to this one were handed out
    until_no    bigint,                         -- replay: the last one to be handed out again
    since       timestamptz,                    -- replay: what was asked for
    PRIMARY KEY (endpoint_id, lane),
    CHECK ((lane = 'replay') = (until_no IS NOT NULL) AND (lane = 'replay') = (since IS NOT NULL))
);
INSERT INTO webhook_lane (endpoint_id, lane, seal_no)
SELECT endpoint_id, lane, seal_no FROM webhook_endpoint, unnest(ARRAY['single', 'mass']) AS lane;

ALTER TABLE webhook_endpoint DROP COLUMN old_secret, DROP COLUMN old_until, DROP COLUMN seal_no,
    ADD COLUMN failing_days smallint NOT NULL DEFAULT 0,    -- days since failing_since on which attempts failed
    ADD COLUMN failed_on date,                              -- the last of them (UTC)
    DROP CONSTRAINT webhook_endpoint_disabled_why_check,
    ADD CONSTRAINT webhook_endpoint_disabled_why_check CHECK (disabled_why IN ('by hand', 'gone', 'failing', 'secret'));

ALTER TABLE webhook_delivery ADD COLUMN is_mass boolean NOT NULL DEFAULT false;    -- the lane that it is sent in
DROP INDEX webhook_delivery_due;
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, is_mass, due_at) WHERE due_at IS NOT NULL;  -- read by claim

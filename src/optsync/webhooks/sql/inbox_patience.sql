-- An event that cannot be recorded now (a deadlock, a full disk) is tried again later, and keeps nobody behind it waiting.
ALTER TABLE inbox ADD COLUMN tries int NOT NULL DEFAULT 0,
                  ADD COLUMN try_at timestamptz;        -- not before; NULL = at once

-- Each call of a provider counts what of it nobody could read, or record so far; a backlog must not make that slow.
CREATE INDEX inbox_unreadable ON inbox (provider, inbox_id) WHERE deed = 'unreadable' AND taken_at IS NULL;    -- read by sources, unreadable
CREATE INDEX inbox_put_off ON inbox (provider) WHERE tries > 0 AND taken_at IS NULL;                           -- read by sources

-- Signatures of calls whose signature does not cover what they say, each with what it was first used for.
CREATE TABLE used_signature (
    token_hash bytea PRIMARY KEY,                       -- webhooks/once.py, as is the next one
    said_hash  bytea NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX used_signature_at ON used_signature (used_at);     -- read by forget_signatures

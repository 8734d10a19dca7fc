-- A mail provider that may call us. Its secret is shown once; only its keyed hash is kept.
CREATE TABLE mail_source (
    provider         text COLLATE "C" PRIMARY KEY,      -- webhooks/providers.py
    secret_hash      bytea NOT NULL,                    -- webhooks/sources.py hash_of
    signing_key      bytea,                             -- the provider's own key, encrypted (config/vault.py)
    topic            text,                              -- Amazon SNS: the only topic that is listened to
    takes_complaints boolean NOT NULL DEFAULT true,
    takes_bounces    boolean NOT NULL DEFAULT false,
    takes_groups     boolean NOT NULL DEFAULT true,     -- leaving one group or topic counts as leaving altogether
    added_at         timestamptz NOT NULL DEFAULT clock(),
    added_by         text NOT NULL,
    last_event_at    timestamptz,                       -- exact to the second
    rejected_at      timestamptz,                       -- exact to some seconds
    rejected_why     text
);

-- As webhook_old_secret: each opens until its own day ends.
CREATE TABLE mail_source_old_secret (
    provider    text COLLATE "C" NOT NULL REFERENCES mail_source ON DELETE CASCADE,
    secret_hash bytea NOT NULL,                 -- webhooks/sources.py hash_of
    until       timestamptz NOT NULL,           -- or until a newer one is used
    PRIMARY KEY (provider, secret_hash)
);

-- What providers said, one row an event. It is committed here before it is acknowledged; the ledger takes it from here.
-- An address in clear stays only until then.
CREATE TABLE inbox (
    inbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    text COLLATE "C" NOT NULL,
    event_key   bytea NOT NULL UNIQUE,                  -- webhooks/inbox.py key_of: an event told twice is stored once
    received_at timestamptz NOT NULL DEFAULT clock(),
    deed        text NOT NULL CHECK (deed IN ('unsubscribe', 'complaint', 'bounce', 'group', 'resubscribed', 'unreadable')),
    address     text,
    evidence    jsonb NOT NULL,
    raw         text,                                   -- of an unreadable event: as it came
    taken_at    timestamptz,                            -- taken into the ledger, or put aside by a person
    tries       int NOT NULL DEFAULT 0,                 -- what cannot be recorded now (a deadlock, a full disk) is tried again
    try_at      timestamptz,                            -- later, and keeps nobody behind it waiting; NULL = at once
    CHECK ((taken_at IS NULL AND deed <> 'unreadable') = (address IS NOT NULL))
);
CREATE INDEX inbox_waiting ON inbox (inbox_id) WHERE taken_at IS NULL;                  -- read by inbox_waiting, unreadable
CREATE INDEX inbox_taken_at ON inbox (taken_at) WHERE taken_at IS NOT NULL;             -- read by forget_taken
-- Each call of a provider counts what of it nobody could read, or record so far; a backlog must not make that slow.
CREATE INDEX inbox_unreadable ON inbox (provider, inbox_id) WHERE deed = 'unreadable' AND taken_at IS NULL;    -- read by sources, unreadable
CREATE INDEX inbox_put_off ON inbox (provider) WHERE tries > 0 AND taken_at IS NULL;                           -- read by sources

-- An erased address goes from events that nobody could read, too. The text may have the @ escaped or encoded, so it is
-- enough that both halves of the address stand in it. The event itself goes on waiting for a person.
CREATE FUNCTION inbox_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inbox SET raw = '[erased]'
    WHERE strpos(lower(raw), regexp_replace(OLD.normal, '@[^@]*$', '')) > 0
      AND strpos(lower(raw), regexp_replace(OLD.normal, '^.*@', '')) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER inbox_forgets AFTER UPDATE OF normal ON address FOR EACH ROW
WHEN (OLD.normal IS NOT NULL AND NEW.normal IS NULL) EXECUTE FUNCTION inbox_forget();

-- Amazon's signing certificates, fetched once each from Amazon's own host.
CREATE TABLE sns_certificate (
    url        text COLLATE "C" PRIMARY KEY,
    pem        bytea NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT clock()
);

-- Signatures of calls whose signature does not cover what they say, each with what it was first used for.
CREATE TABLE used_signature (
    token_hash bytea PRIMARY KEY,                       -- webhooks/once.py, as is the next one
    said_hash  bytea NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX used_signature_at ON used_signature (used_at);     -- read by forget_signatures

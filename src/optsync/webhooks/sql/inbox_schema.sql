-- A mail provider that may call us. Its secret is shown once; only its keyed hash is kept.
CREATE TABLE mail_source (
    provider         text COLLATE "C" PRIMARY KEY,      -- webhooks/providers.py
    secret_hash      bytea NOT NULL,                    -- webhooks/sources.py hash_of
    old_secret_hash  bytea,                             -- after a rotation: opens until the new one is used, or this day ends
    old_secret_until timestamptz,
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
    CHECK ((taken_at IS NULL AND deed <> 'unreadable') = (address IS NOT NULL))
);
CREATE INDEX inbox_waiting ON inbox (inbox_id) WHERE taken_at IS NULL;                  -- read by inbox_waiting, unreadable
CREATE INDEX inbox_taken_at ON inbox (taken_at) WHERE taken_at IS NOT NULL;             -- read by forget_taken

-- Amazon's signing certificates, fetched once each from Amazon's own host.
CREATE TABLE sns_certificate (
    url        text COLLATE "C" PRIMARY KEY,
    pem        bytea NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT clock()
);

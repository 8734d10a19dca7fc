-- What a program signs in with. The secret is shown once; only its keyed hash is kept.
CREATE TABLE api_key (
    key_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handle       text COLLATE "C" NOT NULL UNIQUE,  -- the public part of the key: names it on screens and finds it here
    secret_hash  bytea NOT NULL,                    -- access/keys.py hash_of
    name         text NOT NULL,
    scopes       text[] NOT NULL CHECK (scopes <> '{}' AND scopes <@ '{check,read,write,admin}'),
    made_at      timestamptz NOT NULL DEFAULT clock(),
    made_by      text NOT NULL,
    expires_at   timestamptz,                       -- NULL = never
    last_used_at timestamptz,                       -- written at most hourly
    revoked_at   timestamptz,
    replaced_at  timestamptz                        -- once: the next key took over, this one works on for a while
);

-- The answer to a request that carried an Idempotency-Key, for 30 days. Nothing here holds an address in clear: both
-- hashes are keyed, and answers name people by number.
CREATE TABLE kept_answer (
    key_id       int NOT NULL REFERENCES api_key,
    name_hash    bytea NOT NULL,                    -- of the Idempotency-Key
    request_hash bytea NOT NULL,                    -- of method, path and body
    status       smallint NOT NULL,
    answer       jsonb NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (key_id, name_hash)
);
CREATE INDEX kept_answer_made_at ON kept_answer (made_at);     -- read by keep_answer, which forgets the old ones

-- What the doctor found when a program last asked it; looking costs API calls, so others may read this.
CREATE TABLE doctor_findings (
    org_id     smallint PRIMARY KEY REFERENCES org,
    checked_at timestamptz NOT NULL DEFAULT clock(),
    checks     jsonb NOT NULL                       -- api/doctor.py Check
);

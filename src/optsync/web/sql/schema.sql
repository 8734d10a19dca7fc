-- A cause that somebody has put aside until a moment: it is still shown and counted, and comes back by itself.
CREATE TABLE issue_mute (
    org_id   smallint NOT NULL,
    cause    text COLLATE "C" NOT NULL,
    until    timestamptz NOT NULL,
    muted_at timestamptz NOT NULL DEFAULT clock(),
    muted_by text NOT NULL,
    PRIMARY KEY (org_id, cause)
);

-- What web processes count together for a while: attempts to sign in, one-time codes that were used. Worth no write-ahead log:
-- after a crash the counting begins anew.
CREATE UNLOGGED TABLE web_cache (
    key        text PRIMARY KEY,                -- a keyed hash: what is counted names addresses
    value      jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX web_cache_expired ON web_cache (expires_at);       -- read by cache_set

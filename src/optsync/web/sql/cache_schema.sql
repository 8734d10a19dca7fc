-- What web processes count together for a while: attempts to sign in, one-time codes that were used. Worth no write-ahead log:
-- after a crash the counting begins anew.
CREATE UNLOGGED TABLE web_cache (
    key        text PRIMARY KEY,                -- a keyed hash: what is counted names addresses
    value      jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX web_cache_expired ON web_cache (expires_at);       -- read by cache_set

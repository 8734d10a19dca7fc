-- One-time links by which an operator's browser signs in. Only the hash of a link's secret is stored.
CREATE TABLE sign_in_link (
    secret_hash bytea PRIMARY KEY,              -- SHA-256 of 32 random bytes: nothing to guess, so no salt
    made_at     timestamptz NOT NULL DEFAULT clock(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

-- A connection that somebody is setting up in the browser: what was typed so far, until the org is connected.

CREATE TABLE draft_connection (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    place         text NOT NULL CHECK (place IN ('production', 'sandbox', 'my domain', 'practice')),
    login_url     text NOT NULL,
    way           text,                         -- how to sign in: Credential.kind; NULL until it was chosen
    client_id     text NOT NULL DEFAULT '',
    username      text NOT NULL DEFAULT '',
    private_key   bytea,                        -- encrypted by config/vault.py, as is the next one
    client_secret bytea,
    certificate   text NOT NULL DEFAULT '',     -- of private_key, PEM; this one is not secret
    found         jsonb,                        -- the org that the sign-in led to, until somebody has confirmed it
    begun_at      timestamptz NOT NULL DEFAULT clock(),
    begun_by      text
);

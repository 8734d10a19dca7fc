-- The people of the admin pages. Django reads this table to sign them in (models.py); what changes their standing is in
-- users.sql, each with its event. Not called "user", which is a word of SQL.
CREATE TABLE app_user (
    user_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text COLLATE "C" NOT NULL UNIQUE,     -- core/addresses.py normalize
    name          text NOT NULL,                        -- how events name this user: no address in it
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password      text NOT NULL DEFAULT '!',            -- Django's salted hash; '!…' opens nothing
    session_epoch int NOT NULL DEFAULT 0,               -- counted up, it ends every session of this user
    language      text NOT NULL DEFAULT '',             -- '' = as the browser asks
    time_zone     text NOT NULL DEFAULT '',             -- '' = UTC
    made_at       timestamptz NOT NULL DEFAULT clock(),
    last_login    timestamptz
);
CREATE UNIQUE INDEX app_user_name ON app_user (lower(name));   -- two people of one name could not be told apart in an event

-- One-time links by which an operator's browser signs in. Only the hash of a link's secret is stored.
CREATE TABLE sign_in_link (
    secret_hash bytea PRIMARY KEY,              -- SHA-256 of 32 random bytes: nothing to guess, so no salt
    made_at     timestamptz NOT NULL DEFAULT clock(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    user_id     int REFERENCES app_user ON DELETE CASCADE       -- whose invitation or way back in it is; NULL = the operator's
);

-- One row per connected Salesforce org: how to sign in (encrypted), what it is called, and what an admin chose for it.

CREATE TABLE connection (
    org_id          smallint PRIMARY KEY REFERENCES org,
    credential      bytea,                      -- encrypted by config/vault.py; the key is elsewhere
    revision        int NOT NULL DEFAULT 1,     -- grows with every connect, so that workers sign in anew
    login_url       text NOT NULL,
    signs_in_as     text NOT NULL,              -- user name, or the app's consumer key for client credentials
    org_name        text NOT NULL,
    edition         text NOT NULL,
    is_sandbox      boolean NOT NULL,
    is_practice     boolean NOT NULL,
    connected_at    timestamptz NOT NULL DEFAULT clock(),
    connected_by    text,
    instance_url    text NOT NULL DEFAULT '',   -- where the org lives: the address that its sign-in led to
    disconnected_at timestamptz,                -- an admin has ended it. The row stays, for the history and for the next
                                                -- connect; its credential does not
    CHECK ((disconnected_at IS NULL) = (credential IS NOT NULL))
);

CREATE TABLE settings (
    org_id                smallint PRIMARY KEY REFERENCES org,
    sync_on_since         timestamptz,          -- NULL = the switch "Sync to Salesforce" is off
    choice                text NOT NULL DEFAULT 'email' CHECK (choice IN ('email', 'sales', 'both')),
    custom_field          smallint,             -- opt_out_field.field of the chosen checkbox
    read_both             boolean NOT NULL DEFAULT false,
    run_at                time NOT NULL DEFAULT '20:00',
    run_zone              text NOT NULL DEFAULT 'America/Los_Angeles',
    first_run_approved_at timestamptz,
    CHECK (custom_field IS NOT NULL OR (choice = 'email' AND NOT read_both))
);

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
    begun_by      text,
    refresh_token bytea                         -- what a person's consent gave, encrypted as well: stored before it is used,
                                                -- because it works once where refresh tokens rotate
);

-- What optsync has put into an org's Setup and not taken back: undo works later, and by somebody else.
CREATE TABLE installed (
    org_id   smallint NOT NULL REFERENCES org,
    part     text NOT NULL,                     -- Step.part: what it is
    step     jsonb NOT NULL,                    -- the Step, as it was planned
    made_id  text NOT NULL DEFAULT '',          -- Salesforce's id of what was made; '' = a layout, or not known to be done
    begun_at timestamptz NOT NULL DEFAULT clock(),
    begun_by text,
    done_at  timestamptz,                       -- NULL: Salesforce was asked and its answer never came
    PRIMARY KEY (org_id, part)
);

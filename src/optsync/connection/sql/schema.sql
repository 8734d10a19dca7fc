-- One row per connected Salesforce org: how to sign in (encrypted), what it is called, and what an admin chose for it.

CREATE TABLE connection (
    org_id       smallint PRIMARY KEY REFERENCES org,
    credential   bytea NOT NULL,                -- encrypted by config/vault.py; the key is elsewhere
    revision     int NOT NULL DEFAULT 1,        -- grows with every connect, so that workers sign in anew
    login_url    text NOT NULL,
    signs_in_as  text NOT NULL,                 -- user name, or the app's consumer key for client credentials
    org_name     text NOT NULL,
    edition      text NOT NULL,
    is_sandbox   boolean NOT NULL,
    is_practice  boolean NOT NULL,
    connected_at timestamptz NOT NULL DEFAULT clock(),
    connected_by text
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

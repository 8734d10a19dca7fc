-- What the product says by itself. A problem has one row from the moment it is seen until it is fixed; messages follow from
-- these rows, one for each channel and state, so that nobody is told twice and a channel that was away is told later.
CREATE TABLE alert_channel (
    channel_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('email', 'webhook', 'heartbeat')),
    name       text NOT NULL,                   -- as screens show it: the e-mail address, or the host of the URL
    target     bytea NOT NULL,                  -- encrypted by config/vault.py: such a URL is a capability
    made_at    timestamptz NOT NULL DEFAULT clock(),
    made_by    text NOT NULL
);

CREATE TABLE alert (
    alert_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule       text NOT NULL,                   -- alerts/rules.py
    problem    text COLLATE "C" NOT NULL,       -- the rule and what it is about
    stage      int NOT NULL,                    -- how far it has grown; told again when it grows
    figures    jsonb NOT NULL,
    opened_at  timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    told_at    timestamptz,                     -- NULL = it has not lasted long enough yet
    told_stage int,
    fixed_at   timestamptz,
    CHECK ((told_at IS NULL) = (told_stage IS NULL))
);
CREATE UNIQUE INDEX alert_open ON alert (problem) WHERE fixed_at IS NULL;

CREATE TABLE alert_message (
    message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id int NOT NULL REFERENCES alert_channel ON DELETE CASCADE,
    name       text NOT NULL,                   -- which message: 'alert 12 stage 0', 'alert 12 fixed', 'run 31', ...
    subject    text NOT NULL,
    body       text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock(),
    due_at     timestamptz DEFAULT clock(),     -- also the lease of who sends it; NULL = sent or given up
    attempts   smallint NOT NULL DEFAULT 0,
    sent_at    timestamptz,
    said       text NOT NULL DEFAULT '',        -- why the last attempt failed
    UNIQUE (channel_id, name)
);
CREATE INDEX alert_message_due ON alert_message (due_at) WHERE due_at IS NOT NULL;      -- read by claim_message

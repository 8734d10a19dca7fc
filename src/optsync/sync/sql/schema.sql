-- Sync runs: one nightly two-way comparison each, what came of it, and what a successor needs to go on after a crash. One may
-- be asked for by a page: its row waits for a worker. A dry run that was asked for stays in the history.
CREATE TABLE run (
    run_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id       smallint NOT NULL REFERENCES org,
    slot         timestamptz,                   -- the schedule's instant; NULL = started by hand
    kind         text NOT NULL CHECK (kind IN ('nightly', 'by hand', 'first', 'dry run')),
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('asked', 'running', 'finished', 'interrupted')),
    result       text CHECK (result ~ '^(proved|proved, [0-9]+ disputed|partly done|not proved|failed|held|waiting for go|dry run|cancelled)$'),
    phase        text NOT NULL DEFAULT 'starting',
    options      jsonb NOT NULL DEFAULT '{}',   -- full, approved, run_no and the version at the start
    jobs         jsonb NOT NULL DEFAULT '{}',   -- Salesforce job ids by what they do; a successor goes on with them
    counts       jsonb NOT NULL DEFAULT '{}',
    report       jsonb NOT NULL DEFAULT '{}',
    by_whom      text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock(),
    finished_at  timestamptz,
    progress     jsonb NOT NULL DEFAULT '{}',   -- what it is doing this second: doing, count, since
    cancelled_by text,                          -- who wants it to stop; it does at its next step
    UNIQUE (org_id, slot)                       -- one run a night across any number of workers
);
CREATE INDEX run_unfinished ON run (org_id) WHERE state <> 'finished';  -- read by start_due and by resume
CREATE UNIQUE INDEX run_asked ON run (org_id) WHERE state = 'asked';   -- two clicks at once ask for one run

-- Boxes that were seen unticked while a lift of this version waits: one that is ticked again later ends the wait.
CREATE TABLE lift_look (
    org_id    smallint NOT NULL REFERENCES org,
    field     smallint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    PRIMARY KEY (org_id, field, record_id)
);

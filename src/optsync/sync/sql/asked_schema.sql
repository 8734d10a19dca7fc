-- A run may be asked for by a page: its row waits for a worker. A dry run that was asked for stays in the history.
ALTER TABLE run DROP CONSTRAINT run_kind_check, DROP CONSTRAINT run_state_check, DROP CONSTRAINT run_result_check;
ALTER TABLE run
    ADD CHECK (kind IN ('nightly', 'by hand', 'first', 'dry run')),
    ADD CHECK (state IN ('asked', 'running', 'finished', 'interrupted')),
    ADD CHECK (result ~ '^(proved|proved, [0-9]+ disputed|partly done|not proved|failed|held|waiting for go|dry run|cancelled)$'),
    ADD COLUMN progress jsonb NOT NULL DEFAULT '{}',    -- what it is doing this second: doing, count, since
    ADD COLUMN cancelled_by text;                       -- who wants it to stop; it does at its next step
CREATE UNIQUE INDEX run_asked ON run (org_id) WHERE state = 'asked';   -- two clicks at once ask for one run

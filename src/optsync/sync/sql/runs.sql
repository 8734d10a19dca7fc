-- name: begin_run
-- A run's row; nothing when the slot of this org has one already: one run a night, whoever is first.
INSERT INTO run (org_id, slot, kind, by_whom, options) VALUES (%(org)s, %(slot)s, %(kind)s, %(by)s, %(options)s)
ON CONFLICT (org_id, slot) DO NOTHING RETURNING run_id

-- name: unfinished_run
-- The run of an org that somebody asked for, that a dead process left behind, or that waits until Salesforce is back; the
-- newest first.
SELECT run_id, kind, state, phase, options, jobs, counts, started_at,
       state IN ('asked', 'running') OR coalesce((options->>'retry_at')::timestamptz <= clock(), true) AS is_due
FROM run WHERE org_id = %(org)s AND state <> 'finished' ORDER BY run_id DESC LIMIT 1

-- name: ask_for_run
-- A run that a worker is to start; nothing while another one of the org is not over.
INSERT INTO run (org_id, kind, state, by_whom, options)
SELECT %(org)s, %(kind)s, 'asked', %(by)s, %(options)s
WHERE NOT EXISTS (SELECT FROM run WHERE org_id = %(org)s AND state <> 'finished')
ON CONFLICT (org_id) WHERE state = 'asked' DO NOTHING RETURNING run_id

-- name: take_run
-- Begins or goes on with a run, unless it was cancelled meanwhile; one that was asked for starts now.
UPDATE run SET state = 'running', started_at = CASE state WHEN 'asked' THEN clock() ELSE started_at END
WHERE run_id = %(run_id)s AND state <> 'finished' RETURNING started_at

-- name: tell_progress
-- What a run is doing this second, and since when; says whether somebody wants it to stop.
UPDATE run SET progress = jsonb_build_object('doing', %(doing)s::text, 'count', %(count)s::int, 'since',
    CASE WHEN progress->>'doing' = %(doing)s THEN progress->'since' ELSE to_jsonb(clock()) END)
WHERE run_id = %(run_id)s RETURNING cancelled_by

-- name: cancel_run
-- One that runs stops at its next step; one that nobody has begun, or that waits for Salesforce, is over at once.
UPDATE run SET cancelled_by = %(by)s, result = CASE WHEN state <> 'running' THEN 'cancelled' END,
       finished_at = CASE WHEN state <> 'running' THEN clock() END,
       state = CASE WHEN state <> 'running' THEN 'finished' ELSE state END
WHERE run_id = %(run_id)s AND state <> 'finished' AND cancelled_by IS NULL RETURNING state

-- name: run_now
-- How far a run is, how long it and what it does have taken, and what the org's last comparison before it took.
SELECT r.run_id, r.kind, r.state, r.progress, r.by_whom, r.cancelled_by, r.started_at, r.counts,
       extract(epoch FROM clock() - r.started_at)::float8 AS seconds,
       extract(epoch FROM clock() - (r.progress->>'since')::timestamptz)::float8 AS phase_seconds,
       (SELECT l.report FROM run l
        WHERE l.org_id = r.org_id AND l.run_id < r.run_id AND l.state = 'finished' AND l.counts ? 'compared'
          AND l.result NOT IN ('failed', 'cancelled') ORDER BY l.run_id DESC LIMIT 1) AS last
FROM run r WHERE r.run_id = %(run_id)s

-- name: unfinished_run_id
-- The run of an org that is not over; at most one goes on, so the newest says it.
SELECT run_id FROM run WHERE org_id = %(org)s AND state <> 'finished' ORDER BY run_id DESC LIMIT 1

-- name: interrupt_run
-- Salesforce was away: the run goes on later.
UPDATE run SET state = 'interrupted', report = report || %(error)s,
       options = options || jsonb_build_object('retry_at', clock() + make_interval(secs => %(seconds)s))
WHERE run_id = %(run_id)s

-- name: begin_comparison
-- A comparison of its own number: marks touched from now on are newer than what it reads.
UPDATE org SET run_no = run_no + 1 WHERE org_id = %(org)s RETURNING run_no,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM version_seq)

-- name: remember_options
-- What a successor needs to decide as this process would have.
UPDATE run SET options = options || %(options)s WHERE run_id = %(run_id)s

-- name: remember_job
-- A Salesforce job of this run; null removes one.
UPDATE run SET jobs = jsonb_strip_nulls(jobs || %(jobs)s) WHERE run_id = %(run_id)s

-- name: enter_phase
-- What the run is doing now, and what it has counted so far.
UPDATE run SET phase = %(phase)s, counts = counts || %(counts)s WHERE run_id = %(run_id)s

-- name: finish_run
-- The end of a run, with its report and its event.
WITH done AS (UPDATE run SET state = 'finished', result = %(result)s, phase = 'done', report = %(report)s, finished_at = clock()
    WHERE run_id = %(run_id)s RETURNING run_id, org_id, result, by_whom, report)
INSERT INTO event (kind, actor, org_id, run_id, reason, evidence)
SELECT CASE WHEN result = 'held' THEN 'sync held' ELSE 'sync finished' END, by_whom, org_id, run_id, result,
       jsonb_build_object('counts', report -> 'counts')
FROM done

-- name: last_run
-- The newest run of an org that compared, with what it counted: the sizes and the start that the next one builds on.
SELECT run_id, started_at, counts, options FROM run
WHERE org_id = %(org)s AND state = 'finished' AND counts ? 'compared' ORDER BY run_id DESC LIMIT 1

-- name: last_sweep
-- When everything was last read afresh.
SELECT max(started_at) FROM run WHERE org_id = %(org)s AND state = 'finished' AND counts ? 'swept'

-- name: is_doubtful
-- Whether the last full read is older than the sign-in (another user may see other records) or than the chosen field.
SELECT greatest(c.connected_at, e.since) > (
    SELECT max(started_at) FROM run WHERE org_id = %(org)s AND state = 'finished' AND counts ? 'swept')
FROM connection c, target t JOIN target_epoch e USING (epoch) WHERE c.org_id = %(org)s

-- name: run_report
-- One run as it is shown.
SELECT run_id, org_id, slot, kind, state, result, phase, counts, report, by_whom, started_at, finished_at
FROM run WHERE run_id = %(run_id)s

-- name: runs_before
-- A page of runs, the newest first.
SELECT run_id, org_id, slot, kind, state, result, phase, counts, report, by_whom, started_at, finished_at
FROM run WHERE run_id < %(run_id)s ORDER BY run_id DESC LIMIT %(limit)s

-- name: slot_is_taken
-- Whether this night's run was started already.
SELECT EXISTS (SELECT FROM run WHERE org_id = %(org)s AND slot = %(slot)s)

-- name: has_compared
-- Whether this org was ever compared: before that its run is the first, which needs a go.
SELECT EXISTS (SELECT FROM run WHERE org_id = %(org)s AND state = 'finished' AND counts ? 'compared')

-- name: connected_orgs
-- Every connected org.
SELECT org_id FROM connection WHERE disconnected_at IS NULL ORDER BY org_id

-- name: run_to_undo
-- What tells a run's ticks from any other: its org, the number of its comparison, and which boxes it read.
SELECT org_id, state, (options->>'run_no')::int, counts->'boxes_read' FROM run WHERE run_id = %(run_id)s

-- Writing many owed boxes: one ingest job per object and field, joined back in SQL.

-- name: count_due
-- Owed boxes of an org by object prefix and field that may be sent now.
SELECT left(m.record_id, 3), m.field, count(*) FROM mark m
WHERE m.org_id = %(org)s AND m.state NOT IN ('c', 'h') AND m.due_at <= clock()
  AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()))
  AND NOT EXISTS (SELECT FROM pause p WHERE p.org_id = m.org_id AND p.until > clock() AND p.field IN (0, m.field)
                                        AND p.prefix IN ('', left(m.record_id, 3)))
GROUP BY 1, 2 ORDER BY 1, 2

-- name: claim_for_job
-- Claims them all for one job and lists them as sent; what another worker is sending is passed over. Found again by
-- place: a row that moved between the two looks is left to the push.
WITH c AS (
    SELECT ctid AS place FROM mark
    WHERE org_id = %(org)s AND field = %(field)s AND left(record_id, 3) = %(prefix)s
      AND state NOT IN ('c', 'h') AND due_at <= clock()
      AND (claimed_by IS NULL OR claimed_by NOT IN (SELECT live_workers()))
    FOR UPDATE SKIP LOCKED),
claimed AS (
    UPDATE mark m SET claimed_by = %(worker)s, attempts = least(m.attempts + 1, 32000)
    FROM c WHERE m.ctid = c.place RETURNING m.record_id)
INSERT INTO sent SELECT %(prefix)s, %(field)s, record_id FROM claimed ORDER BY record_id

-- name: inherit_claims
-- A successor takes over what a dead run's worker had claimed for a job; whoever claimed it since keeps it.
WITH claimed AS (
    UPDATE mark SET claimed_by = %(worker)s
    WHERE org_id = %(org)s AND field = %(field)s AND left(record_id, 3) = %(prefix)s AND claimed_by = %(before)s
      AND claimed_by NOT IN (SELECT live_workers())     -- its session may outlive the one that held the run's lock
    RETURNING record_id)
INSERT INTO sent SELECT %(prefix)s, %(field)s, record_id FROM claimed ORDER BY record_id

-- name: sent_table
-- What the jobs send, so that a claim lost meanwhile shows as a late write.
CREATE TEMP TABLE IF NOT EXISTS sent (prefix text, field smallint, record_id text COLLATE "C");
TRUNCATE sent

-- name: outcome_tables
-- What the job says became of them.
CREATE TEMP TABLE IF NOT EXISTS job_failed (sf_id text, error text, record_id text COLLATE "C", box text);
CREATE TEMP TABLE IF NOT EXISTS job_unprocessed (record_id text COLLATE "C", box text);
CREATE TEMP TABLE IF NOT EXISTS ruling (code text PRIMARY KEY, action text, delay_seconds float8);
TRUNCATE job_failed, job_unprocessed, ruling

-- name: failure_codes
-- Salesforce's codes among the failures, each with one of its messages.
SELECT split_part(error, ':', 1), min(substr(error, strpos(error, ':') + 1)), count(*) FROM job_failed GROUP BY 1

-- name: leave_undone
-- What was refused or left out is not confirmed.
DELETE FROM sent WHERE prefix = %(prefix)s AND field = %(field)s
  AND record_id IN (SELECT record_id FROM job_failed UNION ALL SELECT record_id FROM job_unprocessed)

-- name: confirm_sent
-- Confirms the rest; a claim that is gone was a late write. EXCEPT instead of a join of what was sent with what was
-- settled: the planner takes the outcome of an UPDATE for one row and would join in a loop.
WITH settled AS (
    UPDATE mark m SET state = 'c', claimed_by = NULL, due_at = NULL, touched_run = (SELECT run_no FROM org WHERE org_id = %(org)s),
           attempts = 0, reason = NULL
    FROM sent s
    WHERE s.prefix = %(prefix)s AND s.field = %(field)s
      AND m.org_id = %(org)s AND m.field = %(field)s AND m.record_id = s.record_id AND m.claimed_by = %(worker)s
    RETURNING m.record_id),
told AS (
    INSERT INTO event (kind, subject, org_id, field, record_id, run_id)
    SELECT t.kind, subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(org)s, %(field)s, t.record_id, %(run_id)s
    FROM (SELECT 'confirmed' AS kind, record_id FROM settled
          UNION ALL SELECT 'late write', record_id FROM (
              SELECT record_id FROM sent WHERE prefix = %(prefix)s AND field = %(field)s
              EXCEPT SELECT record_id FROM settled) late) t
    LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = t.record_id LEFT JOIN address a USING (address_id))
SELECT count(*) FROM settled

-- name: settle_refused
-- Gives the refused ones back as ruled: tried again later, parked for a person, or followed by the next push.
WITH refused AS (
    SELECT f.record_id, left(regexp_replace(f.error, '[^ @:]+@[^ @:]+', '…', 'g'), 500) AS reason, r.action, r.delay_seconds
    FROM job_failed f JOIN ruling r ON r.code = split_part(f.error, ':', 1)),
settled AS (
    UPDATE mark m SET claimed_by = NULL, due_at = clock() + make_interval(secs => f.delay_seconds), reason = f.reason,
           state = CASE WHEN f.action = 'park' THEN 'p' ELSE m.state END, touched_run = g.run_no
    FROM refused f, org g
    WHERE g.org_id = %(org)s AND m.org_id = %(org)s AND m.field = %(field)s AND m.record_id = f.record_id
      AND m.claimed_by = %(worker)s
    RETURNING m.record_id, m.state, m.reason),
told AS (
    INSERT INTO event (kind, subject, org_id, field, record_id, run_id, reason)
    SELECT 'parked', subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(org)s, %(field)s, s.record_id, %(run_id)s, s.reason
    FROM settled s LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = s.record_id LEFT JOIN address a USING (address_id)
    WHERE s.state = 'p')
SELECT count(*) FILTER (WHERE state = 'p'), count(*) FILTER (WHERE state <> 'p') FROM settled

-- name: give_back
-- What the job left undone stays owed and is due again after a while.
UPDATE mark SET claimed_by = NULL, due_at = clock() + make_interval(secs => %(seconds)s), reason = %(reason)s
WHERE org_id = %(org)s AND claimed_by = %(worker)s AND field = %(field)s AND left(record_id, 3) = %(prefix)s

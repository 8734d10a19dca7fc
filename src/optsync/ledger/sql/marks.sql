-- name: claim
-- Claims due marks for a live worker and tells whose records they are.
SELECT field, record_id, attempts, kind, address_id, normal, state
FROM claim_marks(%(worker)s, %(org)s::smallint, %(limit)s, %(newest)s) ORDER BY kind, record_id, field;

-- name: confirm
-- Settles marks that are still this worker's and writes one event each; a mark that is no longer its own is a late write.
WITH sent AS (SELECT * FROM unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)),
settled AS (
    UPDATE mark m SET state = 'c', claimed_by = NULL, due_at = NULL, touched_run = g.run_no, attempts = 0, reason = NULL
    FROM sent s, org g
    WHERE m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id AND m.claimed_by = %(worker)s
      AND %(worker)s IN (SELECT live_workers()) AND g.org_id = m.org_id
    RETURNING m.field, m.record_id),
told AS (
    INSERT INTO event (kind, subject, org_id, field, record_id, run_id, reason)
    SELECT CASE WHEN t.record_id IS NULL THEN 'late write' ELSE 'confirmed' END,
           subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(org)s, s.field, s.record_id, %(run)s, %(reason)s
    FROM sent s LEFT JOIN settled t USING (field, record_id)
    LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = s.record_id LEFT JOIN address a USING (address_id))
SELECT count(*) FROM settled;

-- name: retry_later
-- Gives claimed marks back with a reason and a delay; they stay owed (a parked one stays parked, with its reason).
UPDATE mark m SET claimed_by = NULL, due_at = clock() + make_interval(secs => f.delay),
       reason = CASE m.state WHEN 'p' THEN m.reason ELSE f.reason END
FROM unnest(%(fields)s::smallint[], %(records)s::text[], %(reasons)s::text[], %(delays)s::float8[])
    AS f(field, record_id, reason, delay)
WHERE m.org_id = %(org)s AND m.field = f.field AND m.record_id = f.record_id AND m.claimed_by = %(worker)s;

-- name: park
-- Parks claimed marks until a person acts, retried daily; an event tells each new reason once.
WITH failed AS (
    SELECT f.*, m.state = 'p' AND m.reason = f.reason AS is_known
    FROM unnest(%(fields)s::smallint[], %(records)s::text[], %(reasons)s::text[]) AS f(field, record_id, reason)
    JOIN mark m ON m.org_id = %(org)s AND m.field = f.field AND m.record_id = f.record_id AND m.claimed_by = %(worker)s),
parked AS (
    UPDATE mark m SET state = 'p', claimed_by = NULL, reason = f.reason, touched_run = g.run_no,
           due_at = clock() + make_interval(secs => %(retry_seconds)s)
    FROM failed f, org g
    WHERE m.org_id = %(org)s AND m.field = f.field AND m.record_id = f.record_id AND m.claimed_by = %(worker)s
      AND g.org_id = m.org_id
    RETURNING m.field, m.record_id),
told AS (
    INSERT INTO event (kind, subject, org_id, field, record_id, run_id, reason)
    SELECT 'parked', subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(org)s, f.field, f.record_id, %(run)s, f.reason
    FROM failed f JOIN parked USING (field, record_id)
    LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = f.record_id LEFT JOIN address a USING (address_id)
    WHERE NOT f.is_known)
SELECT count(*) FROM parked;

-- name: release
-- Gives claims back untried; they are due as before.
UPDATE mark m SET claimed_by = NULL, attempts = greatest(m.attempts - 1, 0)
FROM unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)
WHERE m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id AND m.claimed_by = %(worker)s;

-- name: trim_settled
-- Removes the marks that were left to the worker although they are no longer due (functions/marks.sql trim_settled).
SELECT trim_settled(%(org)s::smallint, %(records)s);

-- name: still_mine
-- Which of the claims are still this worker's; asked right before sending. A claim is void when the worker's lock is gone.
SELECT m.field, m.record_id FROM mark m JOIN unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)
    ON m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id
WHERE m.claimed_by = %(worker)s AND %(worker)s IN (SELECT live_workers());

-- name: pause
-- Stops pushes of a field and object (or all) until later. The first moment of a trouble is kept, and told once.
WITH before AS (SELECT code FROM pause WHERE org_id = %(org)s AND field = %(field)s AND prefix = %(prefix)s
                  AND until > clock() - interval '1 hour'),
told AS (
    INSERT INTO event (kind, org_id, field, reason, evidence)
    SELECT 'pushes paused', %(org)s, nullif(%(field)s::smallint, 0), %(code)s || ': ' || %(message)s,
           jsonb_build_object('prefix', %(prefix)s::text)
    WHERE NOT EXISTS (SELECT FROM before WHERE code = %(code)s))
INSERT INTO pause AS p (org_id, field, prefix, until, code, message)
VALUES (%(org)s, %(field)s, %(prefix)s, clock() + make_interval(secs => %(seconds)s), %(code)s, %(message)s)
ON CONFLICT (org_id, field, prefix) DO UPDATE
    SET until = EXCLUDED.until, code = EXCLUDED.code, message = EXCLUDED.message,
        since = CASE WHEN EXISTS (SELECT FROM before WHERE code = %(code)s) THEN p.since ELSE EXCLUDED.since END;

-- name: clear_pauses
-- Ends every pause of an org.
DELETE FROM pause WHERE org_id = %s;

-- name: pauses
-- The pauses that stand, with what Salesforce said.
SELECT org_id, field, prefix, since, until, code, message FROM pause WHERE until > clock() ORDER BY org_id, field, prefix;

-- name: retry_now
-- Makes parked marks and owed ones that wait due at once; what a person refused (a fan-out, a mass change) stays refused.
UPDATE mark SET due_at = clock()
WHERE org_id = %(org)s AND state IN ('o', 'p')
  AND coalesce(reason, '') NOT IN ('fan-out refused', 'hold dropped') AND (due_at IS NULL OR due_at > clock())
  AND (%(reason)s::text IS NULL OR starts_with(reason, %(reason)s::text));

-- name: retry_now_of_cause
-- The same for the parked marks of an org with one cause (cause_of), by its index.
UPDATE mark SET due_at = clock()
WHERE org_id = %(org)s AND state = 'p' AND state IN ('o', 'p') AND reason IS NOT NULL
  AND cause_of(reason, record_id) = %(cause)s AND (%(reason)s::text IS NULL OR starts_with(reason, %(reason)s::text))
  AND reason NOT IN ('fan-out refused', 'hold dropped') AND (due_at IS NULL OR due_at > clock());

-- name: retry_now_of_run
-- The same for the boxes that a run parked; with a cause only for those whose last refusal in the run had it.
UPDATE mark m SET due_at = clock()
FROM (SELECT DISTINCT ON (org_id, field, record_id) org_id, field, record_id, cause_of(reason, record_id) AS cause FROM event
      WHERE run_id = %(run)s AND kind = 'parked' ORDER BY org_id, field, record_id, event_id DESC) e
WHERE (m.org_id, m.field, m.record_id) = (e.org_id, e.field, e.record_id)
  AND m.org_id = %(org)s AND m.state IN ('o', 'p')
  AND coalesce(m.reason, '') NOT IN ('fan-out refused', 'hold dropped') AND (m.due_at IS NULL OR m.due_at > clock())
  AND (%(reason)s::text IS NULL OR starts_with(m.reason, %(reason)s::text))
  AND (%(cause)s::text IS NULL OR (e.cause = %(cause)s::text AND m.state = 'p'));

-- name: due_after_clock_step
-- What was never tried is due at once. A moment far ahead of now was set before the clock stepped back: it would wait for the
-- clock to come there again. (A lift that waits for a write in flight puts a mark off by 35 seconds.)
WITH boxes AS (
    UPDATE mark SET due_at = clock()
    WHERE state = 'o' AND attempts = 0 AND due_at > clock() + interval '1 minute' RETURNING 1),
people AS (
    UPDATE lookup SET due_at = clock() WHERE attempts = 0 AND due_at > clock() + interval '1 minute' RETURNING 1)
SELECT (SELECT count(*) FROM boxes) + (SELECT count(*) FROM people);

-- name: new_worker
-- A worker number that was never used before.
SELECT nextval('worker_seq')::int;

-- name: notify
-- Wakes the workers.
SELECT pg_notify('mark', '');

-- name: retry_now_of_people
-- The same for the boxes of some people, and for the look-ups of those without a record; how many are due now.
WITH boxes AS (
    UPDATE mark m SET due_at = clock() FROM record r
    WHERE r.address_id = ANY (%(addresses)s) AND (m.org_id, m.record_id) = (r.org_id, r.record_id) AND m.state IN ('o', 'p')
      AND coalesce(m.reason, '') NOT IN ('fan-out refused', 'hold dropped') AND (m.due_at IS NULL OR m.due_at > clock()) RETURNING 1),
lookups AS (
    UPDATE lookup SET due_at = clock() WHERE address_id = ANY (%(addresses)s) AND due_at > clock() RETURNING 1)
SELECT (SELECT count(*) FROM boxes) + (SELECT count(*) FROM lookups);

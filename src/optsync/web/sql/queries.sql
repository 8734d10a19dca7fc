-- What the pages themselves read and write; everything about people is the ledger's.

-- name: make_link
-- Stores a new sign-in link and forgets those that ended more than a day ago, and open ones of the same user.
WITH old AS (DELETE FROM sign_in_link WHERE expires_at < clock() - interval '1 day' OR (user_id = %(user_id)s AND used_at IS NULL))
INSERT INTO sign_in_link (secret_hash, expires_at, user_id)
VALUES (%(secret_hash)s, clock() + make_interval(secs => %(seconds)s), %(user_id)s);

-- name: use_link
-- Uses a sign-in link up; a row comes back for exactly one of any number of attempts, and none after its time.
UPDATE sign_in_link SET used_at = clock()
WHERE secret_hash = %(secret_hash)s AND used_at IS NULL AND expires_at > clock()
RETURNING user_id;

-- name: standing
-- What decides the verdict on one org, at this moment: nothing here counts further than `most`. The errors of a sign-in
-- (OAuth's) are in lower case, all other codes are not. A hold without an org is of all of them; one of a scanner's list
-- keeps nothing back. The oldest is as old as it is due; what was tried again and again is due later, and as old as its
-- unsubscribe. `unproved` is the newest run that was to prove, if it did not.
SELECT clock() AS at, s.sync_on_since IS NOT NULL AS sync_on, refused.since AS refused_since,
       coalesce((SELECT min(p.code) FROM pause p WHERE p.org_id = s.org_id AND p.until > clock()), '') AS paused,
       (SELECT count(*)::int FROM (SELECT DISTINCT i.address_id FROM hold h, LATERAL (
            SELECT DISTINCT i.hold_id, i.address_id FROM hold_item i WHERE i.hold_id = h.hold_id
            ORDER BY i.hold_id, i.address_id LIMIT %(most)s) i
        WHERE h.decided_at IS NULL AND h.direction <> 's' AND (h.org_id IS NULL OR h.org_id = s.org_id)
        LIMIT %(most)s) people) AS held_people,
       (SELECT count(*)::int FROM (SELECT FROM mark m WHERE m.org_id = s.org_id AND m.state = 'p'
                                   AND m.reason NOT IN ('fan-out refused', 'hold dropped') LIMIT %(most)s) boxes) AS refused,
       (SELECT count(*)::int FROM (SELECT FROM mark m WHERE m.org_id = s.org_id AND m.state = 'o' LIMIT %(most)s) boxes) AS owed,
       (SELECT count(*)::int FROM (SELECT FROM mark m WHERE m.org_id = s.org_id AND m.state = 'h' AND m.reason = 'carried'
                                   LIMIT %(most)s) boxes) AS carried,
       (SELECT count(*)::int FROM (SELECT FROM lookup l WHERE l.org_id = s.org_id AND l.due_at <= clock() LIMIT %(most)s) people)
           AS looked_for,
       EXISTS (SELECT FROM opt_out WHERE scope = 0 AND lifted_at IS NULL)
           OR EXISTS (SELECT FROM mark m WHERE m.org_id = s.org_id) AS knows_any,
       greatest(0, extract(epoch FROM clock() - least(
           (SELECT min(m.due_at) FROM mark m WHERE m.org_id = s.org_id AND m.state = 'o'),
           (SELECT min(l.due_at) FROM lookup l WHERE l.org_id = s.org_id),
           (SELECT min(o.since) FROM (
                SELECT m.org_id, m.record_id FROM mark m WHERE m.org_id = s.org_id AND m.state = 'o' AND m.due_at > clock()
                    AND m.attempts >= %(tries)s ORDER BY m.due_at LIMIT %(most)s) m
            JOIN record r USING (org_id, record_id) JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0))))::float8
           AS oldest_seconds,
       CASE WHEN NOT EXISTS (SELECT FROM live_workers()) THEN 'no worker'
            ELSE coalesce((SELECT mode() WITHIN GROUP (ORDER BY split_part(m.reason, ':', 1))
                           FROM (SELECT reason FROM mark WHERE org_id = s.org_id AND state = 'o' ORDER BY due_at LIMIT 100) m
                           WHERE m.reason IS NOT NULL), '') END AS slowed_by,
       proof.at AS proved_at, swept.at AS swept_at, coalesce(unproved.result, '') AS unproved, unproved.run_id AS unproved_run
FROM settings s
     LEFT JOIN LATERAL (SELECT min(p.since) AS since FROM pause p
                        WHERE p.org_id = s.org_id AND p.prefix = '' AND p.field = 0 AND p.until > clock()
                          AND (p.code = 'INVALID_SESSION_ID' OR p.code = lower(p.code))) refused ON true
     LEFT JOIN LATERAL (SELECT max(r.started_at) AS at FROM run r
                        WHERE r.org_id = s.org_id AND r.state = 'finished' AND r.counts ? 'swept') swept ON true
     LEFT JOIN LATERAL (SELECT max(r.finished_at) AS at FROM run r
                        WHERE r.org_id = s.org_id AND r.result LIKE 'proved%%') proof ON true
     LEFT JOIN LATERAL (SELECT r.run_id, coalesce(r.result, r.state) AS result FROM run r
                        WHERE r.org_id = s.org_id AND r.kind <> 'dry run' AND (proof.at IS NULL OR r.started_at > proof.at)
                        ORDER BY r.run_id DESC LIMIT 1) unproved ON true
WHERE s.org_id = %(org)s;

-- name: counted
-- What only a look at every row can tell, besides the balance. Parked boxes about which a person has said no are decided.
SELECT clock(), (SELECT count(*) FROM mark m WHERE m.org_id = %(org)s AND m.state = 'h' AND m.reason = 'carried'),
       (SELECT count(*) FROM mark m WHERE m.org_id = %(org)s AND m.state = 'p'
        AND m.reason IN ('fan-out refused', 'hold dropped')),
       (SELECT count(DISTINCT i.address_id) FROM hold h JOIN hold_item i USING (hold_id)
        WHERE h.decided_at IS NULL AND h.direction <> 's' AND (h.org_id IS NULL OR h.org_id = %(org)s)),
       (SELECT count(*) FROM lookup l WHERE l.org_id = %(org)s AND l.due_at <= clock());

-- name: now
-- The moment, by the database's clock.
SELECT clock();

-- name: ledger_bytes
-- How large the tables are that a balance reads, from the file system.
SELECT pg_relation_size('mark') + pg_relation_size('opt_out') + pg_relation_size('record');

-- name: waiting
-- What waits for a person: of each org the boxes that Salesforce refused, counted no further than shown, and whether its
-- pushes are paused until somebody acts (`passing` are the codes that pass by themselves), and in the row without an org
-- the mass changes to decide about and the lists that look like a scanner's. The badge is the sum of it.
SELECT c.org_id, (SELECT count(*)::int FROM (SELECT FROM mark m WHERE m.org_id = c.org_id AND m.state = 'p'
                  AND m.reason NOT IN ('fan-out refused', 'hold dropped') LIMIT %(most)s) boxes) AS refused,
       (EXISTS (SELECT FROM pause p WHERE p.org_id = c.org_id AND p.until > clock() AND p.code <> ALL (%(passing)s)))::int AS pauses,
       0 AS holds, 0 AS scanners
FROM connection c WHERE c.disconnected_at IS NULL
UNION ALL
SELECT NULL, 0, 0, count(*) FILTER (WHERE h.direction <> 's')::int, count(*) FILTER (WHERE h.direction = 's')::int FROM hold h
WHERE h.decided_at IS NULL AND EXISTS (SELECT FROM hold_item i WHERE i.hold_id = h.hold_id);

-- name: shell
-- What every page shows of each connected org: whether Salesforce refuses our sign-in (the verdict above asks the same) or
-- pushes are paused.
SELECT c.org_id,
       EXISTS (SELECT FROM pause p WHERE p.org_id = c.org_id AND p.prefix = '' AND p.field = 0 AND p.until > clock()
               AND (p.code = 'INVALID_SESSION_ID' OR p.code = lower(p.code))) AS refused,
       EXISTS (SELECT FROM pause p WHERE p.org_id = c.org_id AND p.until > clock()) AS paused
FROM connection c WHERE c.disconnected_at IS NULL ORDER BY c.org_id;

-- name: parked
-- Boxes that wait for a person, by Salesforce's code, with one of its own texts; not those a person has decided about. No more
-- than `most` boxes are looked at.
SELECT split_part(m.reason, ':', 1) AS code, max(substr(m.reason, strpos(m.reason, ':') + 1)) AS said, count(*)::int AS count
FROM (SELECT reason FROM mark WHERE org_id = %(org)s AND state = 'p' AND reason NOT IN ('fan-out refused', 'hold dropped')
      LIMIT %(most)s) m
GROUP BY 1 ORDER BY 3 DESC LIMIT 5;

-- name: recorded
-- How many addresses have an active account-wide opt-out.
SELECT clock(), count(*)::int FROM opt_out WHERE scope = 0 AND lifted_at IS NULL;

-- name: recent_runs
-- Runs of one org before one of them, the newest first, of a kind and with a result where one is given.
SELECT run_id, kind, state, coalesce(result, state) AS result, by_whom, started_at,
       coalesce(report -> 'counts', counts) AS counts, (report ->> 'seconds')::float8 AS seconds,
       (report ->> 'api_calls')::int AS api_calls
FROM run WHERE org_id = %(org)s AND run_id < %(before)s AND (%(kind)s::text = '' OR kind = %(kind)s::text)
  AND (%(result)s::text = '' OR coalesce(result, state) = %(result)s::text OR starts_with(result, %(result)s::text || ','))
ORDER BY run_id DESC LIMIT %(limit)s;

-- name: one_run
-- One run with its counts, what it could not prove, and why it failed.
SELECT run_id, org_id, kind, state, coalesce(result, state) AS result, by_whom, cancelled_by, started_at,
       coalesce(report -> 'counts', counts) AS counts, report -> 'rest' AS rest,
       coalesce(report -> 'error_told', report -> 'error') AS error,
       (report ->> 'seconds')::float8 AS seconds, (report ->> 'api_calls')::int AS api_calls,
       report -> 'phases' AS phases, report -> 'samples' AS samples, options ->> 'retry_at' AS retry_at
FROM run WHERE run_id = %(run)s;

-- name: api_calls
-- What the last run heard of the org's API calls of 24 hours, how long ago, and what runs of ours have used since a day.
SELECT (r.report -> 'org_calls' ->> 'used')::int AS used, (r.report -> 'org_calls' ->> 'allowed')::int AS allowed,
       (extract(epoch FROM clock() - r.finished_at) / 60)::int AS age_minutes,
       (SELECT coalesce(sum((x.report ->> 'api_calls')::int), 0)::int FROM run x
        WHERE x.org_id = r.org_id AND x.finished_at > clock() - interval '24 hours') AS ours
FROM run r WHERE r.org_id = %(org)s AND r.finished_at IS NOT NULL AND r.report -> 'org_calls' ? 'used'
ORDER BY r.run_id DESC LIMIT 1;

-- name: newest_dry_run
-- The number of an org's newest dry run that is over and was not cancelled.
SELECT run_id FROM run WHERE org_id = %(org)s AND kind = 'dry run' AND state = 'finished' AND result <> 'cancelled'
ORDER BY run_id DESC LIMIT 1;

-- name: newest_run
-- The number of an org's newest run.
SELECT max(run_id) FROM run WHERE org_id = %(org)s;

-- name: propagation
-- Seconds from each person's latest unsubscribe to the first box that Salesforce confirmed, and that record. Imports and what
-- Salesforce told us are left out.
SELECT extract(epoch FROM confirmed.at - o.at)::float8 AS took, confirmed.record_id
FROM (SELECT DISTINCT ON (subject) event_id, at, subject FROM (
          SELECT event_id, at, subject FROM event
          WHERE kind = 'opted out' AND scope = 0 AND source NOT IN ('import', 'salesforce sync', 'follows record')
            AND event_id > (SELECT max(event_id) - 50000 FROM event)
          ORDER BY event_id DESC LIMIT 500) newest
      ORDER BY subject, event_id DESC) o,
     LATERAL (SELECT at, record_id FROM event
              WHERE subject = o.subject AND kind = 'confirmed' AND org_id = %(org)s AND event_id > o.event_id
              ORDER BY at, event_id LIMIT 1) confirmed
ORDER BY took;

-- name: people_of_records
-- The addresses of some records of an org.
SELECT DISTINCT address_id FROM record
WHERE org_id = %(org)s AND record_id = ANY (%(records)s::text[]) AND address_id IS NOT NULL;

-- What Salesforce refused, by cause (cause_of). A reason is Salesforce's code, a colon, and its own words; one of ours has
-- no colon. However many boxes wait, a page looks at a bounded number of them.

-- name: causes
-- The causes of an org's boxes in one state ('p': they wait for a person, 'o': they are tried again by themselves), from one
-- cause on; one more than `causes`, if there are as many. Of each, `most` boxes are counted and `look` looked at; who and
-- since when is told only where that was all of them.
WITH RECURSIVE step AS (
    (SELECT cause_of(reason, record_id) AS cause, 1 AS nth FROM mark
     WHERE org_id = %(org)s AND state = %(state)s::"char" AND state IN ('o', 'p') AND reason IS NOT NULL
       AND cause_of(reason, record_id) >= %(from)s ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT cause_of(m.reason, m.record_id) FROM mark m
            WHERE m.org_id = %(org)s AND m.state = %(state)s::"char" AND m.state IN ('o', 'p') AND m.reason IS NOT NULL
              AND cause_of(m.reason, m.record_id) > step.cause ORDER BY 1 LIMIT 1), step.nth + 1
    FROM step WHERE step.cause IS NOT NULL AND step.nth <= %(causes)s)
SELECT step.cause, counted.*, waiting.*, first.at AS first_at, greatest(last.at, waiting.tried_at) AS last_at,
       mute.until AS muted_until, mute.muted_by,
       EXISTS (SELECT FROM alert a WHERE a.rule = 'issue' AND a.problem = 'issue ' || %(org)s || ' ' || waiting.code
               AND a.fixed_at > first.at) AS came_back
FROM step CROSS JOIN LATERAL (
    SELECT count(*)::int AS count, count(*)::int AS still FROM (
        SELECT FROM mark WHERE org_id = %(org)s AND state = %(state)s::"char" AND state IN ('o', 'p') AND reason IS NOT NULL
                           AND cause_of(reason, record_id) = step.cause LIMIT %(most)s) m) counted
CROSS JOIN LATERAL (
    SELECT CASE WHEN count(*) < %(look)s THEN count(DISTINCT r.address_id)::int END AS people,
           CASE WHEN count(*) < %(look)s THEN min(o.since) END AS oldest,
           min(left(m.record_id, 3)) AS prefix, min(split_part(m.reason, ':', 1)) AS code,
           (array_agg(DISTINCT ltrim(substr(m.reason, strpos(m.reason, ':') + 1))) FILTER (WHERE m.reason LIKE '%%:%%'))[1:3] AS said,
           (array_agg(DISTINCT m.record_id))[1:%(samples)s] AS samples,
           max(m.due_at) FILTER (WHERE m.due_at > clock()) - interval '1 day' AS tried_at
    FROM (SELECT record_id, reason, due_at FROM mark
          WHERE org_id = %(org)s AND state = %(state)s::"char" AND state IN ('o', 'p') AND reason IS NOT NULL
            AND cause_of(reason, record_id) = step.cause ORDER BY record_id, field LIMIT %(look)s) m
    LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = m.record_id
    LEFT JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL) waiting
LEFT JOIN LATERAL (SELECT at FROM event WHERE kind = 'parked' AND org_id = %(org)s AND cause_of(reason, record_id) = step.cause
                   ORDER BY event_id LIMIT 1) first ON true
LEFT JOIN LATERAL (SELECT at FROM event WHERE kind = 'parked' AND org_id = %(org)s AND cause_of(reason, record_id) = step.cause
                   ORDER BY event_id DESC LIMIT 1) last ON true
LEFT JOIN issue_mute mute ON mute.org_id = %(org)s AND mute.cause = step.cause AND mute.until > clock()
WHERE step.cause IS NOT NULL ORDER BY counted.count DESC, step.cause;

-- name: causes_settled
-- The causes that no box of an org waits for any more, and that some did within 30 days, the newest first.
WITH RECURSIVE step AS (
    (SELECT cause_of(reason, record_id) AS cause, 1 AS nth FROM event WHERE kind = 'parked' AND org_id = %(org)s ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT cause_of(e.reason, e.record_id) FROM event e WHERE e.kind = 'parked' AND e.org_id = %(org)s
            AND cause_of(e.reason, e.record_id) > step.cause ORDER BY 1 LIMIT 1), step.nth + 1
    FROM step WHERE step.cause IS NOT NULL AND step.nth <= %(causes)s)
SELECT step.cause, last.at AS last_at, left(last.record_id, 3) AS prefix, split_part(last.reason, ':', 1) AS code,
       ltrim(substr(last.reason, strpos(last.reason, ':') + 1)) AS said,
       (SELECT min(a.fixed_at) FROM alert a WHERE a.rule = 'issue' AND a.fixed_at > last.at
        AND a.problem = 'issue ' || %(org)s || ' ' || split_part(last.reason, ':', 1)) AS fixed_at
FROM step CROSS JOIN LATERAL (
    SELECT at, record_id, reason FROM event WHERE kind = 'parked' AND org_id = %(org)s AND cause_of(reason, record_id) = step.cause
    ORDER BY event_id DESC LIMIT 1) last
WHERE step.cause IS NOT NULL AND last.at > clock() - interval '30 days'
  AND (SELECT true FROM mark m WHERE m.org_id = %(org)s AND m.state = 'p' AND m.state IN ('o', 'p') AND m.reason IS NOT NULL
       AND cause_of(m.reason, m.record_id) = step.cause LIMIT 1) IS NULL    -- as NOT EXISTS it would be computed for all boxes
ORDER BY last.at DESC LIMIT %(most)s;

-- name: rejected_in_run
-- The boxes that a run parked, by the cause it met last, and how many of them still wait for a person.
SELECT cause, count(*)::int AS count, count(*) FILTER (WHERE waits)::int AS still,
       min(left(record_id, 3)) AS prefix, min(split_part(reason, ':', 1)) AS code,
       (array_agg(DISTINCT ltrim(substr(reason, strpos(reason, ':') + 1))) FILTER (WHERE reason LIKE '%%:%%'))[1:3] AS said,
       (array_agg(record_id ORDER BY waits DESC, record_id))[1:%(samples)s] AS samples
FROM (SELECT DISTINCT ON (e.org_id, e.field, e.record_id) e.record_id, e.reason, cause_of(e.reason, e.record_id) AS cause,
             m.state IS NOT DISTINCT FROM 'p' AS waits
      FROM (SELECT * FROM event WHERE run_id = %(run)s AND kind = 'parked' LIMIT %(most)s) e
      LEFT JOIN mark m USING (org_id, field, record_id)
      ORDER BY e.org_id, e.field, e.record_id, e.event_id DESC) parked
GROUP BY cause ORDER BY 3 DESC, 2 DESC, cause LIMIT %(causes)s;

-- name: boxes_of_cause
-- The boxes of an org that wait because of a cause, behind one of them, in the order of their ids.
SELECT m.record_id, m.field, f.label, m.reason, m.due_at, a.normal, o.since
FROM (SELECT * FROM mark WHERE org_id = %(org)s AND state = 'p' AND state IN ('o', 'p') AND reason IS NOT NULL
        AND cause_of(reason, record_id) = %(cause)s AND (record_id, field) > (%(record)s, %(field)s)
      ORDER BY record_id, field LIMIT %(most)s) m
LEFT JOIN opt_out_field f USING (org_id, field)
LEFT JOIN record r USING (org_id, record_id) LEFT JOIN address a USING (address_id)
LEFT JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL
ORDER BY m.record_id, m.field;

-- name: boxes_of_run
-- The boxes that a run parked because of a cause, as they are now.
SELECT e.record_id, e.field, f.label, e.reason, m.due_at, a.normal, o.since
FROM (SELECT DISTINCT ON (org_id, field, record_id) * FROM event WHERE run_id = %(run)s AND kind = 'parked'
      ORDER BY org_id, field, record_id, event_id DESC) e
LEFT JOIN mark m USING (org_id, field, record_id) LEFT JOIN opt_out_field f USING (org_id, field)
LEFT JOIN record r USING (org_id, record_id) LEFT JOIN address a USING (address_id)
LEFT JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL
WHERE cause_of(e.reason, e.record_id) = %(cause)s
ORDER BY e.record_id, e.field;

-- name: last_compared
-- When an org's sides were last compared and proved equal.
SELECT max(finished_at) FROM run WHERE org_id = %(org)s AND result LIKE 'proved%%';

-- name: mute_issue
-- Puts a cause aside until a moment, with its event; muting again sets another moment.
WITH told AS (INSERT INTO event (kind, org_id, actor, reason, evidence)
    VALUES ('issue muted', %(org)s, %(actor)s, %(code)s, jsonb_build_object('cause', %(cause)s::text, 'until', %(until)s::timestamptz)))
INSERT INTO issue_mute AS i (org_id, cause, until, muted_by) VALUES (%(org)s, %(cause)s, %(until)s, %(actor)s)
ON CONFLICT (org_id, cause) DO UPDATE SET until = EXCLUDED.until, muted_by = EXCLUDED.muted_by, muted_at = clock();

-- name: unmute_issue
-- Ends a mute that has not ended by itself, with its event.
WITH done AS (DELETE FROM issue_mute WHERE org_id = %(org)s AND cause = %(cause)s RETURNING until)
INSERT INTO event (kind, org_id, actor, reason, evidence)
SELECT 'issue unmuted', %(org)s, %(actor)s, %(code)s, jsonb_build_object('cause', %(cause)s::text) FROM done WHERE until > clock();

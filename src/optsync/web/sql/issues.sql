-- What Salesforce refused, by cause. A reason is Salesforce's code, a colon, and its own words; one of ours has no colon.

-- name: rejected_now
-- The boxes of an org that wait for a person, by cause, the largest first; no more than `most` boxes and 50 causes are looked at.
SELECT code, count(*)::int AS count, count(*)::int AS still, (array_agg(DISTINCT said) FILTER (WHERE said <> ''))[1:3] AS said,
       (array_agg(record_id))[1:5] AS samples, bool_or(strpos(reason, ':') > 0) AS has_colon, min(since) AS oldest
FROM (SELECT m.record_id, m.reason, split_part(m.reason, ':', 1) AS code,
             ltrim(substr(m.reason, length(split_part(m.reason, ':', 1)) + 2)) AS said, o.since
      FROM (SELECT * FROM mark WHERE state = 'p' AND org_id = %(org)s LIMIT %(most)s) m
      LEFT JOIN record r USING (org_id, record_id)
      LEFT JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL) parked
GROUP BY code ORDER BY 2 DESC, code LIMIT 50;

-- name: rejected_in_run
-- The boxes that a run parked, by the cause it met last, and how many of them still wait for a person.
SELECT code, count(*)::int AS count, count(*) FILTER (WHERE waits)::int AS still,
       (array_agg(DISTINCT said) FILTER (WHERE said <> ''))[1:3] AS said,
       (array_agg(record_id ORDER BY waits DESC))[1:5] AS samples, bool_or(strpos(reason, ':') > 0) AS has_colon
FROM (SELECT DISTINCT ON (e.org_id, e.field, e.record_id) e.record_id, e.reason, m.state IS NOT DISTINCT FROM 'p' AS waits,
             split_part(e.reason, ':', 1) AS code, ltrim(substr(e.reason, length(split_part(e.reason, ':', 1)) + 2)) AS said
      FROM event e LEFT JOIN mark m USING (org_id, field, record_id)
      WHERE e.run_id = %(run)s AND e.kind = 'parked'
      ORDER BY e.org_id, e.field, e.record_id, e.event_id DESC) parked
GROUP BY code ORDER BY 3 DESC, 2 DESC, code;

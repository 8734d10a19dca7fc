-- The proof: a fresh read of S (temp table staged again) against opt-outs, records and marks, whatever marks and job
-- results claimed.

-- name: expected_pairs
-- The boxes that should be ticked, from opt-outs and records alone; and those of marked records without address.
CREATE TEMP TABLE expected AS
SELECT d.field, r.record_id FROM opt_out o
JOIN due d ON d.epoch = o.epoch AND d.org_id = %(org)s AND d.field = ANY (%(fields)s),
LATERAL (SELECT record_id FROM record WHERE address_id = o.address_id AND org_id + 0 = %(org)s AND successor IS NULL
         OFFSET 0) r
WHERE o.scope = 0 AND o.lifted_at IS NULL
UNION ALL SELECT m.field, m.record_id FROM record r JOIN mark m USING (org_id, record_id)
WHERE r.org_id = %(org)s AND r.address_id IS NULL AND r.successor IS NULL AND m.field = ANY (%(fields)s)

-- name: prove_outbound
-- Every pair whose box Salesforce does not show ticked, with what its mark says. A mark settled since the proof began is
-- newer than this read. 'contradicted' is a box that we called confirmed.
CREATE TEMP TABLE unproved AS
WITH missing AS MATERIALIZED (
    SELECT e.field, e.record_id FROM expected e LEFT JOIN staged s ON s.record_id = e.record_id
    WHERE NOT coalesce(s.boxes >> e.field & 1 = 1, false))
SELECT e.field, e.record_id, m.state, m.reason,
       CASE WHEN m.record_id IS NULL THEN 'no mark' WHEN m.state = 'c' AND m.touched_run >= %(run_no)s THEN 'newer'
            WHEN m.state = 'c' THEN 'contradicted' WHEN m.state = 'o' THEN 'owed' WHEN m.state = 'h' THEN 'held'
            ELSE 'parked' END AS verdict
FROM missing e
LEFT JOIN mark m ON m.org_id = %(org)s AND m.field = e.field AND m.record_id = e.record_id

-- name: prove_inbound
-- Every tick in Salesforce of a person who is not opted out here, with the reason. 'new' came while the run was going;
-- 'contradicted' stood in the first read too and is explained by nothing. A record with an expected box belongs to an
-- active opt-out, or has its mark.
CREATE TEMP TABLE unanswered AS
WITH odd AS MATERIALIZED (
    SELECT s.record_id, s.is_converted FROM staged s
    WHERE s.boxes & %(read)s <> 0 AND NOT EXISTS (SELECT FROM expected e WHERE e.record_id = s.record_id))
SELECT s.record_id,
       CASE WHEN p.record_id IS NOT NULL THEN 'disputed' WHEN h.record_id IS NOT NULL THEN 'held'
            WHEN r.successor IS NOT NULL OR s.is_converted THEN 'dead'
            WHEN o.lifted_at IS NOT NULL AND o.version > %(start_version)s THEN 'lifted during the run'
            WHEN f.record_id IS NULL THEN 'new' ELSE 'contradicted' END AS verdict
FROM odd s
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = s.record_id
LEFT JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0
LEFT JOIN (SELECT DISTINCT record_id FROM dispute WHERE org_id = %(org)s) p ON p.record_id = s.record_id
LEFT JOIN (SELECT DISTINCT i.record_id FROM hold_item i JOIN hold USING (hold_id)
           WHERE i.org_id = %(org)s AND decided_at IS NULL) h ON h.record_id = s.record_id
LEFT JOIN first_read f ON f.record_id = s.record_id
WHERE o.address_id IS NULL OR o.lifted_at IS NOT NULL

-- name: park_contradicted
-- A box that was confirmed and is not ticked: something in Salesforce unsets it. It waits for a person and is retried daily.
WITH parked AS (
    UPDATE mark m SET state = 'p', reason = %(reason)s, due_at = clock() + interval '1 day', attempts = 0, touched_run = %(run_no)s
    FROM unproved u
    WHERE u.verdict = 'contradicted' AND m.org_id = %(org)s AND m.field = u.field AND m.record_id = u.record_id
      AND m.state = 'c' AND m.touched_run < %(run_no)s RETURNING m.field, m.record_id)
INSERT INTO event (kind, org_id, field, record_id, run_id, reason)
SELECT 'not kept', %(org)s, field, record_id, %(run_id)s, %(reason)s FROM parked

-- name: boxes_in_field
-- The marks of one field.
SELECT count(*) FROM mark WHERE org_id = %(org)s AND field = %(field)s

-- name: count_verdicts
-- The proof in numbers.
SELECT verdict, count(*) FROM (SELECT verdict FROM unproved UNION ALL SELECT 'inbound: ' || verdict FROM unanswered) v GROUP BY 1

-- name: rest_reasons
-- The rest, grouped by what Salesforce or we say about it.
SELECT verdict, coalesce(reason, ''), count(*), min(record_id) FROM unproved WHERE verdict <> 'newer' GROUP BY 1, 2
ORDER BY 3 DESC LIMIT 50

-- What runs did, as programs ask for it.

-- name: newest_preview
-- The number of an org's newest dry run, also of a first run that waits for its go; NULL when there was none.
SELECT max(run_id) FROM run WHERE org_id = %(org)s AND (kind = 'dry run' OR result = 'waiting for go');

-- name: rejects
-- A page of the boxes that a run parked, each with the refusal it met last and whether it still waits for a person.
SELECT p.event_id, p.at, p.org_id, p.field, p.record_id, p.reason, m.state IS NOT DISTINCT FROM 'p' AS waits, r.address_id
FROM (SELECT DISTINCT ON (org_id, field, record_id) event_id, at, org_id, field, record_id, reason
      FROM event WHERE run_id = %(run)s AND kind = 'parked'
      ORDER BY org_id, field, record_id, event_id DESC) p
LEFT JOIN mark m USING (org_id, field, record_id) LEFT JOIN record r USING (org_id, record_id)
WHERE p.event_id > %(after)s ORDER BY p.event_id LIMIT %(limit)s;

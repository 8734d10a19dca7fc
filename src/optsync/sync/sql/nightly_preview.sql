-- name: preview_counts
-- Boxes that would be set, boxes that are set already, and opted-out addresses without a record in this org. What a person
-- has refused is never sent.
SELECT count(*) FILTER (WHERE m.state IN ('o', 'p') AND coalesce(m.reason, '') NOT IN ('fan-out refused', 'hold dropped')),
       count(*) FILTER (WHERE m.state = 'c'),
       (SELECT count(*) FROM opt_out o WHERE o.scope = 0 AND o.lifted_at IS NULL AND NOT EXISTS (
            SELECT FROM record r WHERE r.address_id = o.address_id AND r.org_id + 0 = %(org)s AND r.successor IS NULL))
FROM mark m WHERE m.org_id = %(org)s

-- name: sample_owed
-- Some boxes that would be set, and why.
SELECT a.normal, m.record_id, CASE WHEN o.record_id IS NULL THEN coalesce(m.reason, 'waits to be pushed')
                                   ELSE 'opted out here, box not ticked' END
FROM mark m LEFT JOIN owed o USING (org_id, field, record_id)
LEFT JOIN record r ON r.org_id = m.org_id AND r.record_id = m.record_id LEFT JOIN address a USING (address_id)
WHERE m.org_id = %(org)s AND m.state IN ('o', 'p') AND coalesce(m.reason, '') NOT IN ('fan-out refused', 'hold dropped')
ORDER BY o.record_id IS NULL, m.record_id LIMIT %(samples)s

-- name: sample_fresh
-- Some people who would be opted out here, and by which record.
SELECT a.normal, f.record_id, CASE f.source WHEN 'salesforce sync' THEN 'ticked in Salesforce' ELSE 'follows the record' END
FROM fresh f JOIN address a USING (address_id) ORDER BY f.record_id LIMIT %(samples)s

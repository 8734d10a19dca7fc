-- name: issues
-- Boxes of one org that wait for a person, by cause, with one of Salesforce's own texts.
SELECT split_part(m.reason, ':', 1) AS code, max(substr(m.reason, strpos(m.reason, ':') + 1)) AS said,
       count(*)::int AS boxes, count(DISTINCT r.address_id)::int AS people
FROM mark m LEFT JOIN record r USING (org_id, record_id)
WHERE m.org_id = %(org)s AND m.state = 'p' GROUP BY 1 ORDER BY 3 DESC, 1;

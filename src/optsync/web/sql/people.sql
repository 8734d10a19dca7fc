-- What the page of one person reads besides the ledger's own.

-- name: person_of_record
-- The address of a record (NULL when it has none or was erased), and whether it was erased.
SELECT a.normal, a.erased_hash IS NOT NULL FROM org o JOIN record r USING (org_id) LEFT JOIN address a USING (address_id)
WHERE r.record_id = %(record)s LIMIT 1;

-- name: instances
-- Where each org is.
SELECT org_id, instance_url, login_url, is_practice FROM connection;

-- name: people_from
-- People whose address begins as asked, in its order, after a given one: opted out from where, and how many live records.
-- Of the first `most` only those who are linked, or not, are given, and the last one whatever it is: the next page goes on
-- there. Records are counted no further than `rows` need.
SELECT a.nth::int, a.address_id, a.normal, o.source, records.count AS records
FROM (SELECT address_id, normal, row_number() OVER (ORDER BY normal) AS nth FROM address
      WHERE normal > %(after)s AND normal >= %(first)s AND normal < %(last)s ORDER BY normal LIMIT %(most)s) a
LEFT JOIN LATERAL (SELECT o.source FROM opt_out o WHERE o.address_id = a.address_id AND o.scope = 0 AND o.lifted_at IS NULL) o ON true,
LATERAL (SELECT count(*)::int FROM (SELECT FROM record r WHERE r.address_id = a.address_id AND r.successor IS NULL LIMIT 100) r) records
WHERE %(linked)s = '' OR (%(linked)s = 'yes') = (records.count > 0) OR a.nth = %(most)s
ORDER BY a.normal LIMIT %(rows)s;

-- name: lookups_of
-- Where an address is looked for in Salesforce, when next, and whether it was tried before.
SELECT org_id, due_at, attempts > 0 AS is_tried FROM lookup WHERE address_id = %s;

-- name: newest_proofs
-- The newest run of each of these orgs that proved both sides equal, if it read after a moment.
SELECT DISTINCT ON (r.org_id) r.org_id, r.run_id, r.finished_at AS at FROM run r
WHERE r.org_id = ANY (%(orgs)s::smallint[]) AND r.result LIKE 'proved%%' AND r.started_at > %(since)s
ORDER BY r.org_id, r.run_id DESC;

-- name: addresses_of_records
-- The addresses to which these records are linked, in any org.
SELECT r.record_id, a.normal FROM org o JOIN record r USING (org_id) JOIN address a USING (address_id)
WHERE r.record_id = ANY (%s) AND a.normal IS NOT NULL;

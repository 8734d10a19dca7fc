-- What the page of one person reads besides the ledger's own.

-- name: person_of_record
-- The address of a record (NULL when it has none or was erased), and whether it was erased.
SELECT a.normal, a.erased_hash IS NOT NULL FROM org o JOIN record r USING (org_id) LEFT JOIN address a USING (address_id)
WHERE r.record_id = %(record)s LIMIT 1;

-- name: instances
-- Where each org is.
SELECT org_id, instance_url, login_url, is_practice FROM connection;

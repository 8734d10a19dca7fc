-- name: claim_lookups
-- Claims due look-ups of an org for a live worker; an erased address has no normal form and cannot be looked up.
SELECT address_id, normal FROM claim_lookups(%(worker)s, %(org)s::smallint, %(limit)s, %(newest)s);

-- name: finish_lookups
-- Ends the look-ups of addresses that have a live record in the org now, or that were erased; the rest wait a day.
WITH done AS (SELECT l.address_id, a.normal IS NULL OR EXISTS (
                  SELECT FROM record r WHERE r.address_id = l.address_id AND r.org_id = l.org_id AND r.successor IS NULL) AS is_over
              FROM lookup l JOIN address a USING (address_id)
              WHERE l.org_id = %(org)s AND l.address_id = ANY (%(addresses)s) AND l.claimed_by = %(worker)s),
over AS (DELETE FROM lookup l USING done d WHERE l.org_id = %(org)s AND l.address_id = d.address_id AND d.is_over
         AND l.claimed_by = %(worker)s)
UPDATE lookup l SET claimed_by = NULL, due_at = clock() + make_interval(secs => %(seconds)s)
FROM done d WHERE l.org_id = %(org)s AND l.address_id = d.address_id AND NOT d.is_over AND l.claimed_by = %(worker)s;

-- name: give_back_lookups
-- Gives claimed look-ups back, due again after a delay.
UPDATE lookup SET claimed_by = NULL, due_at = clock() + make_interval(secs => %(seconds)s)
WHERE org_id = %(org)s AND address_id = ANY (%(addresses)s) AND claimed_by = %(worker)s;

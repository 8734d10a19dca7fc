-- name: lift
-- Lifts one address, found by its normal form or its hash (functions/lifting.sql lift_record); no row when it is unknown.
SELECT lift_record(a.address_id, %(mode)s, %(version)s, %(subject)s, %(actor)s, %(reason)s, %(evidence)s)
FROM address a WHERE a.normal = %(normal)s OR a.erased_hash = %(subject)s;

-- name: lift_by_id
-- Lifts one address by its number, naming its subject itself.
SELECT lift_record(a.address_id, %(mode)s, %(version)s, subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(actor)s,
                   %(reason)s, %(evidence)s)
FROM address a WHERE a.address_id = %(address)s;

-- name: any_org
-- Whether any Salesforce org is known.
SELECT EXISTS (SELECT FROM org);

-- name: waiting_lifts
-- The lifts that wait, the oldest first.
SELECT o.address_id, a.normal, o.version, o.lift_waits_at FROM opt_out o JOIN address a USING (address_id)
WHERE o.lift_waits_at IS NOT NULL ORDER BY o.lift_waits_at, o.address_id;

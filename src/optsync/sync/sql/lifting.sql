-- name: live_records_of
-- The live records of an address in one org.
SELECT record_id FROM record WHERE org_id = %(org)s AND address_id = %(address)s AND successor IS NULL ORDER BY record_id;

-- name: disconnected_orgs_of
-- Disconnected orgs in which an address has a live record.
SELECT c.org_id FROM connection c
WHERE c.disconnected_at IS NOT NULL AND EXISTS (
    SELECT FROM record r WHERE r.org_id = c.org_id AND r.address_id = %(address)s AND r.successor IS NULL)
ORDER BY c.org_id;

-- name: remember_unticked
-- Notes boxes seen unticked while a lift waits, for the nightly run too, and holds the marks that were confirmed: nothing
-- may tick them now.
WITH seen AS (SELECT * FROM unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)),
held AS (UPDATE mark m SET state = 'h', reason = 'lift, unticked', due_at = NULL FROM seen s
         WHERE m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id AND (m.state = 'c' OR m.reason = 'lift')
           AND EXISTS (SELECT FROM opt_out o WHERE o.address_id = %(address)s AND o.scope = 0
                       AND o.version = %(version)s AND o.lift_waits_at IS NOT NULL))
INSERT INTO lift_look AS l (org_id, field, record_id, version)
SELECT %(org)s, s.field, s.record_id, %(version)s FROM seen s
ON CONFLICT (org_id, field, record_id) DO UPDATE SET version = EXCLUDED.version;

-- name: ticked_again
-- Of boxes that are ticked now: those that a look or a night saw unticked since this lift began to wait.
SELECT DISTINCT s.record_id FROM unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)
WHERE EXISTS (SELECT FROM lift_look l WHERE l.org_id = %(org)s AND l.field = s.field AND l.record_id = s.record_id
              AND l.version = %(version)s)
   OR EXISTS (SELECT FROM mark m WHERE m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id
              AND m.state = 'h' AND m.reason = 'lift, unticked');

-- name: forget_looks
-- A wait that is over needs no memory.
DELETE FROM lift_look WHERE version = %(version)s;

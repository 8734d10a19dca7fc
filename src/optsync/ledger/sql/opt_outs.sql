-- Account-wide opt-outs, page by page.

-- name: active_after
-- The next page of active ones, in the order of the primary key.
SELECT o.address_id, a.normal, o.since AS since_at, o.source, o.version, o.lifted_at, o.lift_waits_at
FROM opt_out o JOIN address a USING (address_id)
WHERE o.address_id > %s AND o.scope = 0 AND o.lifted_at IS NULL ORDER BY o.address_id LIMIT %s;

-- name: count_active
SELECT count(*) FROM opt_out WHERE scope = 0 AND lifted_at IS NULL;

-- name: opt_out_of
-- One of them, also a lifted one.
SELECT o.address_id, a.normal, o.since AS since_at, o.source, o.version, o.lifted_at, o.lift_waits_at
FROM opt_out o JOIN address a USING (address_id) WHERE o.address_id = %s AND o.scope = 0;

-- Many opt-outs of one request.

-- name: count_batch
-- How many addresses of a set are not opted out yet, or opted out by a mass change that is still held.
SELECT count(*)::int FROM (SELECT DISTINCT b.normal, b.subject FROM unnest(%(normals)s::text[], %(subjects)s::bytea[]) AS b(normal, subject)) p
LEFT JOIN address a ON a.normal = p.normal LEFT JOIN address e ON e.erased_hash = p.subject
LEFT JOIN opt_out o ON o.address_id = coalesce(a.address_id, e.address_id) AND o.scope = 0
WHERE o.address_id IS NULL OR o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL
   OR EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id)
              WHERE i.address_id = o.address_id AND h.direction = 'o' AND h.decided_at IS NULL);

-- name: outcomes_ahead
-- What recording each of these addresses would come to now, in their order.
SELECT CASE WHEN o.address_id IS NULL THEN 'new' WHEN o.lifted_at IS NULL AND o.lift_waits_at IS NULL THEN 'already'
            ELSE 'again' END
FROM unnest(%(normals)s::text[], %(subjects)s::bytea[]) WITH ORDINALITY AS b(normal, subject, nth)
LEFT JOIN address a ON a.normal = b.normal LEFT JOIN address e ON e.erased_hash = b.subject
LEFT JOIN opt_out o ON o.address_id = coalesce(a.address_id, e.address_id) AND o.scope = 0
ORDER BY b.nth;

-- name: record_batch
-- Records opt-outs of one source in one commit; a row for each given one, in its order. An address given twice has one outcome.
WITH locked AS MATERIALIZED (SELECT addresses_locked(%(normals)s::text[], %(subjects)s::bytea[], '{}') AS ids),
done AS MATERIALIZED (
    SELECT d.* FROM locked, LATERAL opt_out_addresses(locked.ids, %(subjects)s::bytea[], %(source)s, 0, %(actor)s,
                                                      %(reasons)s::text[], %(evidence)s::jsonb[], %(records)s::text[], %(hold)s) d)
SELECT done.address_id, done.outcome, done.version, done.owed
FROM locked, unnest(locked.ids) WITH ORDINALITY AS i(id, nth) JOIN done ON done.address_id = i.id ORDER BY i.nth;

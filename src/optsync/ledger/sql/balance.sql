-- name: balance
-- Both sides from one snapshot. From opt-outs and records: recorded, linked, not linked, pairs, no address (boxes of ticked
-- records without an e-mail). From marks alone: confirmed, owed, held, parked.
WITH active AS (SELECT o.address_id, o.epoch FROM opt_out o WHERE o.scope = 0 AND o.lifted_at IS NULL),
linked AS (SELECT a.address_id, a.epoch, count(*) AS records FROM active a JOIN record r USING (address_id)
           WHERE r.org_id = %(org)s AND r.successor IS NULL GROUP BY 1, 2),
boxes AS (SELECT epoch, count(*) AS fields FROM due WHERE org_id = %(org)s GROUP BY 1)
SELECT (SELECT count(*) FROM active), (SELECT count(*) FROM linked),
       (SELECT count(*) FROM active a WHERE NOT EXISTS (
           SELECT FROM record r WHERE r.address_id = a.address_id AND r.org_id = %(org)s AND r.successor IS NULL)),
       (SELECT coalesce(sum(l.records * b.fields), 0)::bigint FROM linked l JOIN boxes b USING (epoch)),
       (SELECT count(*) FROM record r JOIN mark m USING (org_id, record_id)
        WHERE r.org_id = %(org)s AND r.address_id IS NULL AND r.successor IS NULL),
       states.*
FROM (SELECT count(*) FILTER (WHERE state = 'c'), count(*) FILTER (WHERE state = 'o'),
             count(*) FILTER (WHERE state = 'h'), count(*) FILTER (WHERE state = 'p')
      FROM mark WHERE org_id = %(org)s) states;

-- name: linked_addresses
-- Addresses with a live record in any org: what the brake measures its five percent against.
SELECT count(DISTINCT address_id) FROM record WHERE successor IS NULL;

-- name: uneven
-- The audit: where the pairs and no-address marks differ from the marks; is_missing = a pair without a mark.
WITH expected AS (
    SELECT d.field, r.record_id, r.address_id FROM opt_out o JOIN record r USING (address_id)
    JOIN due d ON d.epoch = o.epoch AND d.org_id = r.org_id
    WHERE o.scope = 0 AND o.lifted_at IS NULL AND r.successor IS NULL AND r.org_id = %(org)s)
SELECT coalesce(e.field, m.field) AS field, coalesce(e.record_id, m.record_id) AS record_id, e.address_id,
       m.record_id IS NULL AS is_missing
FROM expected e FULL JOIN (SELECT * FROM mark WHERE org_id = %(org)s) m ON m.field = e.field AND m.record_id = e.record_id
WHERE m.record_id IS NULL OR e.record_id IS NULL AND NOT EXISTS (
    SELECT FROM record r WHERE r.org_id = %(org)s AND r.record_id = m.record_id AND r.address_id IS NULL
        AND r.successor IS NULL);

-- name: owe_missing
-- Makes the marks that the audit missed: owed, or held like any other of the address.
SELECT owe_marks(%s, '{}', false, NULL);

-- name: remove_extra
-- Removes marks that belong to no pair, unless a live worker is sending them.
DELETE FROM mark m USING unnest(%(fields)s::smallint[], %(records)s::text[]) AS x(field, record_id)
WHERE m.org_id = %(org)s AND m.field = x.field AND m.record_id = x.record_id
  AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()));

-- name: quick_joins
-- The settings for large sets, until the end of the transaction: index searches, no JIT, and plans made for the arrays at
-- hand (a plan made for any array expects ten rows of it).
SELECT set_config('jit', 'off', true), set_config('random_page_cost', '1.1', true), set_config('work_mem', '64MB', true),
       set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: undecided_holds
-- The mass changes that wait for a decision, the oldest first, at most so many (NULL = all); one whose last address was
-- repeated or lifted needs none. Lists of what looks like a link scanner only when they are wanted.
SELECT h.hold_id, h.direction, h.origin, h.org_id, h.made_at, items.addresses, items.boxes
FROM hold h, LATERAL (SELECT count(DISTINCT i.address_id) AS addresses, count(*) FILTER (WHERE i.record_id <> '') AS boxes
                      FROM hold_item i WHERE i.hold_id = h.hold_id) items
WHERE h.decided_at IS NULL AND EXISTS (SELECT FROM hold_item i WHERE i.hold_id = h.hold_id)
      AND (%(scanners)s OR h.direction <> 's')
ORDER BY h.hold_id LIMIT %(most)s;

-- name: count_undecided
-- How many mass changes wait; lists of scanners are not counted.
SELECT count(*)::int FROM hold h WHERE h.decided_at IS NULL AND h.direction <> 's'
    AND EXISTS (SELECT FROM hold_item i WHERE i.hold_id = h.hold_id);

-- name: holds_over
-- Mass changes that need no decision any more, the newest first, before one of them or just one: decided ones, and those
-- whose last address was repeated or lifted. Their items are gone; the event of the decision says how many people it was.
SELECT h.hold_id, h.direction, h.origin, h.org_id, h.made_at, h.decided_at, h.decision, h.decided_by, h.note,
       (SELECT (e.evidence ->> 'addresses')::int FROM event e WHERE e.kind IN ('hold applied', 'hold dropped')
        AND e.evidence ->> 'hold' = h.hold_id::text ORDER BY e.event_id DESC LIMIT 1) AS addresses
FROM hold h
WHERE h.direction <> 's' AND h.hold_id < %(before)s AND (%(hold)s::int IS NULL OR h.hold_id = %(hold)s::int)
  AND (h.decided_at IS NOT NULL OR NOT EXISTS (SELECT FROM hold_item i WHERE i.hold_id = h.hold_id))
ORDER BY h.hold_id DESC LIMIT %(most)s;

-- name: count_disputes
-- How many ticks of a dropped mass change are still ignored: they are there until a complete read no longer finds them.
SELECT count(*)::int FROM dispute WHERE hold_id = %s;

-- name: hold_disputes_csv
-- The ticks of a dropped mass change that are still ignored, as CSV; cells as in export_csv.
COPY (SELECT CASE WHEN a.normal ~ '^['' \uFEFF]*[=+@\t\r-]' THEN '''' || a.normal ELSE a.normal END AS address,
             CASE left(d.record_id, 3) WHEN '00Q' THEN 'Lead' WHEN '003' THEN 'Contact' WHEN '001' THEN 'Account' END AS object,
             d.record_id AS record, f.label AS field
      FROM dispute d LEFT JOIN record r USING (org_id, record_id) LEFT JOIN address a USING (address_id)
           LEFT JOIN opt_out_field f USING (org_id, field)
      WHERE d.hold_id = %s ORDER BY a.normal, d.record_id, d.field) TO STDOUT WITH (FORMAT csv, HEADER);

-- name: hold_sample
-- Some addresses of a hold; an erased one is NULL. An inbound hold has a row for each box, so a few more are looked at.
SELECT DISTINCT a.normal FROM (SELECT address_id FROM hold_item WHERE hold_id = %s ORDER BY address_id LIMIT 50) i
JOIN address a USING (address_id) ORDER BY 1 LIMIT %s;

-- name: hold_records
-- Some of the records that were ticked, spread evenly and the same each time, each with whose it is; an erased one is NULL.
SELECT i.record_id, min(a.normal) FROM hold_item i JOIN address a USING (address_id)
WHERE i.hold_id = %s AND i.record_id <> '' GROUP BY i.record_id ORDER BY md5(i.record_id), i.record_id LIMIT %s;

-- name: hold_people_csv
-- The people of an undecided hold as CSV, each with the records that were ticked; cells as in export_csv.
COPY (SELECT CASE WHEN a.normal ~ '^['' \uFEFF]*[=+@\t\r-]' THEN '''' || a.normal ELSE a.normal END AS address,
             CASE left(i.record_id, 3) WHEN '00Q' THEN 'Lead' WHEN '003' THEN 'Contact' WHEN '001' THEN 'Account' END AS object,
             nullif(i.record_id, '') AS record, f.label AS field
      FROM hold_item i JOIN hold h USING (hold_id) JOIN address a USING (address_id)
           LEFT JOIN opt_out_field f ON f.org_id = i.org_id AND f.field = i.field
      WHERE i.hold_id = %s AND h.decided_at IS NULL ORDER BY a.normal, i.record_id, i.field) TO STDOUT WITH (FORMAT csv, HEADER);

-- name: open_hold
-- Begins a hold, with the event that programs hear of; a sync run has its own way, and tells it at its end.
WITH made AS (INSERT INTO hold (direction, origin, org_id) VALUES (%(direction)s, %(origin)s, %(org)s)
    RETURNING hold_id, origin, org_id),
told AS (INSERT INTO event (kind, org_id, reason, evidence)
    SELECT 'sync held', org_id, 'held', jsonb_build_object('hold', hold_id, 'origin', origin) FROM made)
SELECT hold_id FROM made;

-- name: lock_for_holds
-- Before any row, as addresses_locked does it.
SELECT pg_advisory_xact_lock_shared(7005, 0);

-- name: hold_to_join
-- The undecided outbound hold of the same origin, begun within the last hour, or only a certain one; nobody decides about
-- it until this commits.
SELECT hold_id FROM hold WHERE direction = 'o' AND origin = %(origin)s AND decided_at IS NULL
  AND coalesce(hold_id = %(only)s, made_at > clock() - interval '1 hour') ORDER BY hold_id DESC LIMIT 1 FOR SHARE;

-- name: hold_ticks
-- The ticked boxes of an inbound hold, with the address each would opt out.
INSERT INTO hold_item (hold_id, address_id, org_id, field, record_id)
SELECT %(hold)s, i.address, %(org)s, i.field, i.record
FROM unnest(%(addresses)s::bigint[], %(fields)s::smallint[], %(records)s::text[]) AS i(address, field, record)
ON CONFLICT DO NOTHING;

-- name: hold_marks
-- Holds the owed marks of addresses back (functions/holds.sql hold_marks).
SELECT hold_marks(%(hold)s, %(addresses)s, %(versions)s);

-- name: apply_hold
-- Releases a hold; NULL when it is unknown or decided.
SELECT hold_apply(%(hold)s, %(inner)s, %(outer)s, %(actor)s);

-- name: drop_hold
-- Refuses a hold; NULL when it is unknown or decided.
SELECT hold_drop(%(hold)s, %(inner)s, %(outer)s, %(actor)s, %(note)s);

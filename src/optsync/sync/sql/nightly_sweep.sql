-- Unticked records: those changed since the last run, or all of them in a sweep. They lie in the temp table unticked:
-- record_id, email, is_converted, converted_to, boxes.

-- name: odd_unticked_out
-- The e-mails that need more than lower and trim go through Python's one normal form.
COPY (SELECT DISTINCT email FROM unticked WHERE email <> '' AND (email !~ %(plain)s OR octet_length(email) > 1000)) TO STDOUT

-- name: leave_seen
-- A record with a mark whose e-mail is the one that the last comparison saw has nothing new to tell.
DELETE FROM unticked u USING mark m
WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s) AND m.record_id = u.record_id AND u.is_converted IS NOT TRUE
  AND m.seen = hashtextextended(u.email, 0)

-- name: leave_known
-- Nor has one that is linked to its very e-mail: of the records changed in a day that leaves few.
DELETE FROM unticked u USING record r, address a
WHERE r.org_id = %(org)s AND r.record_id = u.record_id AND a.address_id = r.address_id AND u.is_converted IS NOT TRUE
  AND a.normal = lower(btrim(u.email, E' \t\r\n\f\x0B'))

-- name: match_unticked
-- Unticked records that concern us: their e-mail is opted out and they are not linked to it, or they have a mark and
-- their e-mail is another one now. Converted Leads are dead; their Contact is read as a record of its own.
CREATE TEMP TABLE matched AS
WITH named AS (
    SELECT u.record_id, u.email, u.boxes, nullif(u.converted_to, '') AS converted_to, u.is_converted,
           coalesce(o.normal, lower(btrim(u.email, E' \t\r\n\f\x0B'))) AS normal
    FROM unticked u LEFT JOIN odd_address o ON o.email = u.email WHERE u.email <> '')
SELECT n.record_id, n.email, n.boxes, n.normal, CASE WHEN n.is_converted THEN n.converted_to END AS converted_to
FROM named n JOIN address a ON a.normal = n.normal JOIN opt_out p ON p.address_id = a.address_id
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = n.record_id
WHERE p.scope = 0 AND p.lifted_at IS NULL AND NOT coalesce(n.is_converted, false)
  AND (r.record_id IS NULL OR (r.address_id IS DISTINCT FROM a.address_id AND r.successor IS NULL))
UNION
SELECT n.record_id, n.email, n.boxes, n.normal, CASE WHEN n.is_converted THEN n.converted_to END
FROM mark m JOIN record r ON r.org_id = m.org_id AND r.record_id = m.record_id
JOIN named n ON n.record_id = m.record_id LEFT JOIN address a ON a.address_id = r.address_id
WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s) AND r.successor IS NULL
  AND (a.normal IS DISTINCT FROM n.normal OR n.is_converted)

-- name: match_erased
-- The same for erased addresses, by their keyed hash; run only when an erased row exists.
INSERT INTO matched
SELECT n.record_id, n.email, n.boxes, n.normal, NULL FROM (
    SELECT u.*, coalesce(o.normal, lower(btrim(u.email, E' \t\r\n\f\x0B'))) AS normal
    FROM unticked u LEFT JOIN odd_address o ON o.email = u.email WHERE u.email <> '' AND NOT coalesce(u.is_converted, false)) n
JOIN address a ON a.erased_hash = subject_of(n.normal, NULL, %(inner)s, %(outer)s)
JOIN opt_out p ON p.address_id = a.address_id LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = n.record_id
WHERE p.scope = 0 AND p.lifted_at IS NULL AND (r.record_id IS NULL OR r.address_id IS DISTINCT FROM a.address_id)

-- name: link_fresh
-- The same after the apply, for those opted out since the run began, by its ticks or by a door: their other records are
-- linked and owed at once.
SELECT link_records(%(org)s::smallint, array_agg(f.record_id), array_agg(CASE left(f.record_id, 3) WHEN '00Q' THEN 'L' WHEN '003' THEN 'C' ELSE 'A' END),
                    array_agg(f.normal), array_agg(subject_of(f.normal, NULL, %(inner)s, %(outer)s)), 'n')
FROM (SELECT n.record_id, n.normal
      FROM opt_out p JOIN address a USING (address_id)
      JOIN (SELECT u.record_id, coalesce(o.normal, lower(btrim(u.email, E' \t\r\n\f\x0B'))) AS normal
            FROM unticked u LEFT JOIN odd_address o ON o.email = u.email
            WHERE u.email <> '' AND NOT coalesce(u.is_converted, false)) n ON n.normal = a.normal
      LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = n.record_id
      WHERE p.scope = 0 AND p.lifted_at IS NULL AND p.version > %(start_version)s
        AND (r.record_id IS NULL OR (r.address_id IS DISTINCT FROM a.address_id AND r.successor IS NULL))) f
HAVING count(*) > 0

-- name: due_lookups
-- How many addresses are to be looked up now: those without a live record in this org, or everyone's.
SELECT count(*) FROM lookup l WHERE l.org_id = %(org)s AND l.due_at <= clock()
  AND (%(everyone)s OR NOT EXISTS (SELECT FROM record r WHERE r.address_id = l.address_id AND r.org_id + 0 = l.org_id AND r.successor IS NULL))

-- name: count_everyone
-- Opted-out addresses, and how many of them are erased.
SELECT count(*), count(a.erased_hash) FROM opt_out o JOIN address a USING (address_id) WHERE o.scope = 0 AND o.lifted_at IS NULL

-- name: want_everyone
-- Every opted-out address is looked up now.
INSERT INTO lookup (org_id, address_id)
SELECT %(org)s, o.address_id FROM opt_out o JOIN address a USING (address_id)
WHERE o.scope = 0 AND o.lifted_at IS NULL AND a.normal IS NOT NULL ORDER BY o.address_id
ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = least(lookup.due_at, clock())

-- name: lookups_swept
-- A sweep has looked every address up: those found have their record, the others wait a day. Who opted out at a door since
-- the run began may have a record that is younger than what was read, and stays due.
UPDATE lookup l SET due_at = clock() + interval '1 day', attempts = greatest(attempts, 1)
WHERE l.org_id = %(org)s AND l.due_at <= clock() AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT live_workers()))
  AND NOT EXISTS (SELECT FROM opt_out p WHERE p.address_id = l.address_id AND p.scope = 0 AND p.version > %(start_version)s
                                          AND p.source NOT IN ('salesforce sync', 'follows record'))

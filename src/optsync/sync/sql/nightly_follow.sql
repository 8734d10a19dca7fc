-- Records that became other ones: converted Leads in S, and merged or deleted records from the queryAll twin.

-- name: successors_to_read
-- Contacts that converted Leads became and whose e-mail we do not know yet.
SELECT DISTINCT d.converted_to FROM difference d
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = d.record_id
LEFT JOIN record t ON t.org_id = %(org)s AND t.record_id = d.converted_to
WHERE d.converted_to IS NOT NULL AND d.in_s AND r.successor IS NULL AND t.record_id IS NULL
  AND NOT EXISTS (SELECT FROM staged s WHERE s.record_id = d.converted_to)
UNION SELECT g.survivor FROM gone g LEFT JOIN record t ON t.org_id = %(org)s AND t.record_id = g.survivor
WHERE g.survivor IS NOT NULL AND t.record_id IS NULL AND NOT EXISTS (SELECT FROM staged s WHERE s.record_id = g.survivor)

-- name: gone_table
-- Linked live records that Salesforce has deleted, with the end of their chain of merges, if any.
CREATE TEMP TABLE gone AS
WITH RECURSIVE mine AS MATERIALIZED (
    SELECT d.record_id, nullif(d.master, '') AS master FROM deleted d
    JOIN record r ON r.org_id = %(org)s AND r.record_id = d.record_id WHERE r.successor IS NULL),
chain AS (
    SELECT record_id, master, 1 AS step FROM mine
    UNION ALL SELECT c.record_id, nullif(d.master, ''), c.step + 1 FROM chain c JOIN deleted d ON d.record_id = c.master
    WHERE c.step < 20)
SELECT DISTINCT ON (record_id) record_id,
       CASE WHEN NOT EXISTS (SELECT FROM deleted d WHERE d.record_id = master) THEN master END AS survivor
FROM chain ORDER BY record_id, step DESC

-- name: know_successors
-- The e-mail of each successor as Salesforce tells it now, in normal form where plain.
UPDATE successor SET normal = lower(btrim(email, E' \t\r\n\f\x0B')) WHERE normal IS NULL AND email ~ %(plain)s AND octet_length(email) <= 1000

-- name: find_converted
-- Ticked converted Leads that are not followed yet. A lifted address is not revived by a dead record: its Contact decides.
CREATE TEMP TABLE converted ON COMMIT DROP AS
SELECT DISTINCT ON (d.record_id) d.record_id, d.converted_to, d.normal, d.boxes & %(read)s AS ticks,
       r.record_id IS NOT NULL AS stored, r.address_id, NULL::bigint AS successor_id,
       coalesce(n.normal, CASE WHEN s.email ~ %(plain)s AND octet_length(s.email) <= 1000 THEN lower(btrim(s.email, E' \t\r\n\f\x0B')) END) AS successor_normal
FROM difference d
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = d.record_id
LEFT JOIN successor n ON n.record_id = d.converted_to
LEFT JOIN staged s ON s.record_id = d.converted_to
WHERE d.converted_to IS NOT NULL AND d.in_s AND r.successor IS NULL
  AND NOT EXISTS (SELECT FROM mark m WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s) AND m.record_id = d.record_id
                                       AND m.claimed_by IN (SELECT live_workers()))
ORDER BY d.record_id

-- name: know_erased_converted
-- An erased address of such a Lead or of its Contact is found by its keyed hash and never stored in clear again.
UPDATE converted c SET
    address_id = coalesce(l.address_id, c.address_id), normal = CASE WHEN l.address_id IS NULL THEN c.normal END,
    successor_id = s.address_id, successor_normal = CASE WHEN s.address_id IS NULL THEN c.successor_normal END
FROM converted k LEFT JOIN address l ON l.erased_hash = subject_of(k.normal, NULL, %(inner)s, %(outer)s)
LEFT JOIN address s ON s.erased_hash = subject_of(k.successor_normal, NULL, %(inner)s, %(outer)s)
WHERE k.record_id = c.record_id AND NOT c.stored

-- name: add_converted_addresses
-- Addresses of converted Leads that we meet for the first time, and of their Contacts.
INSERT INTO address (normal)
SELECT normal FROM converted WHERE NOT stored AND normal IS NOT NULL
UNION SELECT successor_normal FROM converted WHERE NOT stored AND successor_normal IS NOT NULL
ON CONFLICT DO NOTHING

-- name: place_converted
-- The address of each such Lead.
UPDATE converted c SET address_id = a.address_id FROM address a WHERE NOT c.stored AND a.normal = c.normal

-- name: link_converted
-- A converted Lead that we meet for the first time is stored as followed, and its Contact is linked.
WITH leads AS (
    INSERT INTO record (org_id, record_id, kind, address_id, provenance, successor)
    SELECT %(org)s, record_id, 'L', address_id, 'n', converted_to FROM converted WHERE NOT stored ON CONFLICT DO NOTHING)
INSERT INTO record (org_id, record_id, kind, address_id, provenance)
SELECT DISTINCT ON (c.converted_to) %(org)s, c.converted_to, 'C'::"char", coalesce(c.successor_id, a.address_id, c.address_id), 'c'::"char"
FROM converted c LEFT JOIN address a ON a.normal = c.successor_normal WHERE NOT c.stored
ORDER BY c.converted_to, c.record_id ON CONFLICT DO NOTHING

-- name: follow_converted
-- A linked Lead that was converted hands over to its Contact, one function call each: the same as at push.
SELECT count(follow_record(%(org)s, c.record_id, c.converted_to, 'C', coalesce(c.successor_normal, ta.normal),
                           subject_of(coalesce(c.successor_normal, ta.normal), NULL, %(inner)s, %(outer)s), 'c',
                           subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s)))
FROM converted c LEFT JOIN address a ON a.address_id = c.address_id
LEFT JOIN record t ON t.org_id = %(org)s AND t.record_id = c.converted_to LEFT JOIN address ta ON ta.address_id = t.address_id
WHERE c.stored

-- name: follow_merged
-- A linked record that lost a merge hands over to the end of its chain.
SELECT count(follow_record(%(org)s, g.record_id, g.survivor, CASE left(g.survivor, 3) WHEN '00Q' THEN 'L' WHEN '003' THEN 'C' ELSE 'A' END::"char",
                           coalesce(n.normal, ta.normal), subject_of(coalesce(n.normal, ta.normal), NULL, %(inner)s, %(outer)s), 'm',
                           subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s)))
FROM gone g JOIN record r ON r.org_id = %(org)s AND r.record_id = g.record_id
LEFT JOIN address a ON a.address_id = r.address_id LEFT JOIN successor n ON n.record_id = g.survivor
LEFT JOIN record t ON t.org_id = %(org)s AND t.record_id = g.survivor LEFT JOIN address ta ON ta.address_id = t.address_id
WHERE g.survivor IS NOT NULL AND r.successor IS NULL
  AND NOT EXISTS (SELECT FROM mark m WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s) AND m.record_id = g.record_id
                                       AND m.claimed_by IN (SELECT live_workers()))

-- name: forget_deleted
-- A deleted record: its marks and its link end, its address stays opted out and is looked up again.
SELECT count(forget_record(%(org)s, g.record_id, subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s)))
FROM gone g JOIN record r ON r.org_id = %(org)s AND r.record_id = g.record_id
LEFT JOIN address a ON a.address_id = r.address_id
WHERE g.survivor IS NULL AND r.successor IS NULL
  AND NOT EXISTS (SELECT FROM mark m WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s) AND m.record_id = g.record_id
                                       AND m.claimed_by IN (SELECT live_workers()))

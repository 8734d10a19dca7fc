-- The apply: one transaction under the exclusive lock (7004, 0), which a lift takes shared. Order of locks: that lock,
-- addresses in the order of their numbers, opt-outs, marks.

-- name: know_records
-- What we know of each ticked record: its address before, and whether its e-mail in Salesforce is another one now.
-- Ticks that an admin disputed, or that wait in a hold, do not count as ticks.
CREATE TEMP TABLE known ON COMMIT DROP AS
WITH left_out AS MATERIALIZED (
    SELECT record_id, bit_or(1::bigint << field) AS mask FROM (
        SELECT record_id, field FROM dispute WHERE org_id = %(org)s
        UNION ALL SELECT i.record_id, i.field FROM hold_item i JOIN hold h USING (hold_id)
        WHERE i.org_id = %(org)s AND h.direction = 'i' AND h.decided_at IS NULL) x GROUP BY record_id)
SELECT d.record_id, d.field IS NULL AS unmarked, d.boxes & %(read)s & ~coalesce(l.mask, 0) AS ticks, d.boxes, d.seen,
       d.normal, r.record_id IS NOT NULL AS stored, r.address_id AS before, r.address_id,
       CASE WHEN %(erased)s AND d.normal IS NOT NULL AND a.normal IS DISTINCT FROM d.normal
            THEN subject_of(d.normal, NULL, %(inner)s, %(outer)s) END AS subject,
       d.normal IS NOT NULL AND a.normal IS DISTINCT FROM d.normal AS moved
FROM (SELECT DISTINCT ON (record_id) * FROM difference WHERE in_s AND converted_to IS NULL
      ORDER BY record_id, field NULLS LAST, boxes DESC) d
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = d.record_id
LEFT JOIN address a ON a.address_id = r.address_id
LEFT JOIN left_out l ON l.record_id = d.record_id
WHERE r.successor IS NULL

-- name: know_erased
-- An erased address is found by its keyed hash and never stored in clear again.
UPDATE known k SET address_id = a.address_id, moved = k.before IS DISTINCT FROM a.address_id, normal = NULL
FROM address a WHERE k.moved AND a.erased_hash = k.subject

-- name: add_addresses
-- New addresses of ticked records.
INSERT INTO address (normal) SELECT DISTINCT normal FROM known WHERE moved AND normal IS NOT NULL ON CONFLICT DO NOTHING

-- name: place_records
-- Each moved or new record to the address it has in Salesforce now.
UPDATE known k SET address_id = a.address_id FROM address a WHERE k.moved AND a.normal = k.normal

-- name: leave_unread
-- A lift that fell between the single read and now: a record that the snapshot moved to that address was not read again,
-- and its e-mail may have changed back since. It is left alone until the next night.
DELETE FROM known k USING opt_out o
WHERE k.moved AND o.address_id = k.address_id AND o.scope = 0 AND o.lifted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM candidate c WHERE c.record_id = k.record_id)

-- name: lock_addresses
-- Every address that gets a link here, in order: a door in flight is met here and nowhere else. (Links, follows and lifts
-- wait for the lock of the apply.)
SELECT count(*) FROM (
    SELECT FROM address WHERE address_id IN (
        SELECT address_id FROM known WHERE moved OR NOT stored UNION SELECT address_id FROM converted WHERE NOT stored)
    ORDER BY address_id FOR UPDATE) locked

-- name: link_records
-- Links found by the nightly read. The old address of a moved record keeps its opt-out.
INSERT INTO record AS r (org_id, record_id, kind, address_id, provenance)
SELECT %(org)s, record_id, CASE left(record_id, 3) WHEN '00Q' THEN 'L' WHEN '003' THEN 'C' ELSE 'A' END::"char", address_id, 'n'
FROM known WHERE moved OR NOT stored
ON CONFLICT (org_id, record_id) DO UPDATE SET address_id = EXCLUDED.address_id, provenance = EXCLUDED.provenance
    WHERE EXCLUDED.address_id IS NOT NULL

-- name: want_opt_outs
-- The opt-outs that the ticks ask for: the record's e-mail of today and its linked address; and the new address of a
-- record with a mark, because the opt-out follows the person. Active ones are left out, lifted ones need a re-read.
CREATE TEMP TABLE wanted ON COMMIT DROP AS
SELECT DISTINCT ON (w.address_id) w.address_id, w.source, w.record_id, w.ticks,
       CASE WHEN w.normal IS NOT NULL THEN subject_of(w.normal, NULL, %(inner)s, %(outer)s) END AS subject FROM (
    SELECT address_id, 'salesforce sync' AS source, record_id, ticks, normal FROM known
    WHERE unmarked AND ticks <> 0 AND address_id IS NOT NULL
    UNION ALL SELECT before, 'salesforce sync', record_id, ticks, NULL FROM known
    WHERE unmarked AND ticks <> 0 AND moved AND before IS NOT NULL
    UNION ALL SELECT k.address_id, 'follows record', k.record_id, 0, k.normal FROM known k
    WHERE k.moved AND k.stored AND EXISTS (SELECT FROM mark m WHERE m.org_id = %(org)s AND m.field = ANY (%(fields)s)
                                                                AND m.record_id = k.record_id)
    UNION ALL SELECT c.address_id, 'salesforce sync', c.record_id, c.ticks, NULL FROM converted c
    WHERE c.ticks <> 0 AND c.address_id IS NOT NULL
    UNION ALL SELECT r.address_id, 'salesforce sync', c.record_id, c.ticks, NULL FROM converted c
    JOIN record r ON r.org_id = %(org)s AND r.record_id = c.converted_to WHERE c.ticks <> 0 AND r.address_id IS NOT NULL
    UNION ALL SELECT v.address_id, 'salesforce sync', min(c.record_id), 0, NULL FROM revive v
    JOIN candidate c USING (address_id) JOIN opt_out o USING (address_id) WHERE o.scope = 0 AND o.lift_waits_at IS NOT NULL
    GROUP BY v.address_id
) w LEFT JOIN opt_out o ON o.address_id = w.address_id AND o.scope = 0
WHERE o.address_id IS NULL
   OR (o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL)
      AND EXISTS (SELECT FROM revive v WHERE v.address_id = o.address_id AND v.version = o.version)
ORDER BY w.address_id, w.ticks DESC, w.record_id

-- name: count_wanted
SELECT count(*) FROM wanted

-- name: hold_inbound
-- A mass of new ticks waits for a decision; an item blocks its address for as long as it exists.
-- A converted Lead counts only in the night that follows it, so its tick waits like the others.
WITH h AS (INSERT INTO hold (org_id, direction, origin) VALUES (%(org)s, 'i', %(origin)s) RETURNING hold_id),
tick AS (
    SELECT address_id, record_id, ticks FROM known UNION ALL SELECT before, record_id, ticks FROM known WHERE moved
    UNION ALL SELECT address_id, record_id, ticks FROM converted
    UNION ALL SELECT r.address_id, c.record_id, c.ticks FROM converted c
              JOIN record r ON r.org_id = %(org)s AND r.record_id = c.converted_to),
items AS (
    INSERT INTO hold_item (hold_id, address_id, org_id, field, record_id)
    SELECT h.hold_id, w.address_id, %(org)s, f.field, k.record_id
    FROM h, wanted w JOIN tick k USING (address_id)
    JOIN LATERAL (SELECT field FROM unnest(%(fields)s::smallint[]) AS field
                  WHERE k.ticks >> field & 1 = 1 OR (k.ticks = 0 AND field = (%(fields)s::smallint[])[1])) f ON true
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT hold_id, (SELECT count(*) FROM items) FROM h

-- name: empty_wanted
-- What is held is neither opted out nor owed.
TRUNCATE wanted

-- name: apply_opt_outs
-- New opt-outs; a lifted or waiting one is set again only for the version that was re-read.
WITH o AS (
    INSERT INTO opt_out AS o (address_id, source, epoch)
    SELECT w.address_id, w.source, t.epoch FROM wanted w, target t ORDER BY w.address_id
    ON CONFLICT (address_id, scope) DO UPDATE
        SET lifted_at = NULL, lift_waits_at = NULL, since = clock(), source = EXCLUDED.source,
            version = nextval('version_seq'), epoch = EXCLUDED.epoch
        WHERE (o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL)
          AND (o.address_id, o.version) IN (SELECT address_id, version FROM revive)
    RETURNING o.address_id, o.version, o.source)
INSERT INTO fresh (address_id, version, source, record_id, subject)
SELECT o.address_id, o.version, o.source, w.record_id, w.subject FROM o JOIN wanted w USING (address_id)

-- name: fresh_table
-- The opt-outs of this run.
CREATE TEMP TABLE fresh (address_id bigint, version bigint, source text, record_id text COLLATE "C", subject bytea) ON COMMIT DROP

-- name: tell_opt_outs
-- One event for each opt-out, naming the record whose box was ticked.
INSERT INTO event (kind, subject, scope, source, org_id, record_id, run_id)
SELECT 'opted out', coalesce(f.subject, (SELECT subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s)
                                         FROM address a WHERE a.address_id = f.address_id)), 0, f.source, %(org)s, f.record_id, %(run_id)s
FROM fresh f

-- name: look_up_fresh
-- Records of the address that nobody linked yet are looked for by exact e-mail, in every org.
INSERT INTO lookup (org_id, address_id) SELECT g.org_id, f.address_id FROM fresh f, org g
ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = least(lookup.due_at, clock())

-- name: free_repeated
-- A new tick takes its address out of an undecided mass hold: somebody meant it, and its held boxes are owed.
SELECT owe_marks(repeat_in_holds(r.ids, NULL), '{}', false, NULL)
FROM (SELECT array_agg(DISTINCT x.address_id) AS ids FROM (
          SELECT address_id FROM known WHERE unmarked AND ticks <> 0 UNION SELECT address_id FROM fresh
          UNION SELECT k.address_id FROM known k JOIN difference d USING (record_id)
                WHERE d.own AND d.reason = 'brake' AND k.ticks >> d.field & 1 = 1) x
      WHERE EXISTS (SELECT FROM hold_item i WHERE i.address_id = x.address_id)
        AND EXISTS (SELECT FROM opt_out o WHERE o.address_id = x.address_id AND o.scope = 0 AND o.lifted_at IS NULL)) r
WHERE r.ids IS NOT NULL

-- name: find_pairs
-- Every due box of every live record, in any org, of addresses that are new, moved to or newly linked. Above the fan-out
-- cap only the ticked records count as named.
CREATE TEMP TABLE pair ON COMMIT DROP AS
WITH owing AS (
    SELECT address_id FROM fresh
    UNION SELECT address_id FROM known WHERE address_id IS NOT NULL AND (moved OR NOT stored OR unmarked)
    UNION SELECT r.address_id FROM converted c JOIN record r ON r.org_id = %(org)s AND r.record_id = c.converted_to
    WHERE r.address_id IS NOT NULL)
SELECT r.org_id, d.field, r.record_id, r.address_id, g.run_no,
       coalesce(r.org_id = %(org)s AND s.boxes >> d.field & 1 = 1, false) AS own,
       CASE WHEN r.org_id = %(org)s AND s.record_id IS NOT NULL THEN hashtextextended(coalesce(s.email, ''), 0) END AS seen,
       coalesce(r.org_id = %(org)s AND s.boxes & %(read)s <> 0, false) AS named,
       r.fan_out IS NOT DISTINCT FROM 'r'::"char" AS refused,
       r.fan_out IS DISTINCT FROM 'a'::"char" AND r.records > fan_out_cap() AS over,
       o.lift_waits_at IS NOT NULL AS waits
FROM (SELECT r.*, CASE WHEN r.records > fan_out_cap()
                       THEN (SELECT x.fan_out FROM address x WHERE x.address_id = r.address_id) END AS fan_out
      FROM (SELECT r.org_id, r.record_id, r.address_id, count(*) OVER (PARTITION BY r.address_id) AS records
            FROM owing, LATERAL (SELECT * FROM record WHERE address_id = owing.address_id AND successor IS NULL OFFSET 0) r) r) r
JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL
JOIN due d ON d.epoch = o.epoch AND d.org_id = r.org_id
JOIN org g ON g.org_id = r.org_id
LEFT JOIN staged s ON r.org_id = %(org)s AND s.record_id = r.record_id

-- name: owed_table
-- The boxes that this run found owed, with whether the brake counts them, and whether their marks are new.
CREATE TEMP TABLE owed (org_id smallint, field smallint, record_id text COLLATE "C", counted boolean, made boolean DEFAULT false)
ON COMMIT DROP

-- name: make_marks
-- A mark for each of these boxes: confirmed when Salesforce shows it ticked, else owed; held above the fan-out cap.
-- A waiting lift and an undecided hold owe nothing: their boxes are held until it is decided.
WITH braked AS MATERIALIZED (
    SELECT DISTINCT i.address_id FROM hold_item i JOIN hold h USING (hold_id) WHERE h.direction = 'o' AND h.decided_at IS NULL),
made AS (
    INSERT INTO mark (org_id, field, record_id, seen, due_at, touched_run, state, reason)
    SELECT p.org_id, p.field, p.record_id, p.seen, CASE WHEN NOT p.own AND p.why IS NULL THEN clock() END, p.run_no,
           CASE WHEN p.own THEN 'c' WHEN p.why IS NULL THEN 'o' WHEN p.why = 'fan-out refused' THEN 'p' ELSE 'h' END::"char",
           p.why
    FROM (SELECT p.*, CASE WHEN p.own THEN NULL WHEN p.waits THEN 'lift, unticked' WHEN b.address_id IS NOT NULL THEN 'brake'
                           WHEN p.named OR NOT p.over THEN NULL WHEN p.refused THEN 'fan-out refused' ELSE 'fan-out' END AS why
          FROM pair p LEFT JOIN braked b USING (address_id)) p
    ORDER BY p.org_id, p.field, p.record_id
    ON CONFLICT DO NOTHING RETURNING org_id, field, record_id, state)
INSERT INTO owed SELECT org_id, field, record_id, true, true FROM made WHERE state = 'o'

-- name: hold_fan_out
-- One hold for each address above the cap whose other marks wait; a second one is not made while the first is undecided.
WITH over AS (
    SELECT address_id, row_number() OVER (ORDER BY address_id) AS n FROM (
        SELECT DISTINCT p.address_id FROM pair p JOIN mark m USING (org_id, field, record_id)
        WHERE p.over AND m.state = 'h' AND m.reason = 'fan-out') x
    WHERE NOT EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id)
                      WHERE i.address_id = x.address_id AND h.direction = 'f' AND h.decided_at IS NULL)),
h AS (INSERT INTO hold (direction, origin) SELECT 'f', 'more than 20 records' FROM over ORDER BY n RETURNING hold_id)
INSERT INTO hold_item (hold_id, address_id)
SELECT h.hold_id, over.address_id FROM (SELECT hold_id, row_number() OVER (ORDER BY hold_id) AS n FROM h) h JOIN over USING (n)

-- name: mark_no_address
-- A ticked record without e-mail keeps a mark of its own in the fields that are due today.
INSERT INTO mark (org_id, field, record_id, seen, due_at, touched_run, state)
SELECT %(org)s, d.field, k.record_id, k.seen, clock(), %(run_no)s, CASE WHEN k.boxes >> d.field & 1 = 1 THEN 'c' ELSE 'o' END::"char"
FROM known k JOIN target t ON true JOIN due d ON d.epoch = t.epoch AND d.org_id = %(org)s
WHERE k.address_id IS NULL AND k.ticks <> 0 ON CONFLICT DO NOTHING

-- name: end_no_address
-- The mark of a record without address ends when its box is seen unticked; never under a live claim.
WITH nameless AS MATERIALIZED (        -- first, because they are few
    SELECT m.field, m.record_id FROM record r JOIN mark m USING (org_id, record_id)
    WHERE r.org_id = %(org)s AND r.address_id IS NULL AND m.field = ANY (%(fields)s)),
gone AS (
    DELETE FROM mark m USING nameless n
    WHERE m.org_id = %(org)s AND m.field = n.field AND m.record_id = n.record_id AND m.touched_run < %(run_no)s
      AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()))
      AND NOT EXISTS (SELECT FROM staged s WHERE s.record_id = m.record_id AND (s.boxes & %(read)s <> 0 OR s.boxes >> m.field & 1 = 1))
    RETURNING m.field, m.record_id)
INSERT INTO event (kind, org_id, field, record_id, run_id, reason)
SELECT 'mark ended', %(org)s, field, record_id, %(run_id)s, 'unticked in Salesforce; the record has no address' FROM gone

-- name: settle
-- A mark whose own box is ticked is confirmed; a confirmed one whose box is not is owed again, or held while its
-- address waits for a lift. Only marks older than this run, and claimed_by is never touched.
WITH waiting AS MATERIALIZED (
    SELECT r.record_id FROM opt_out o JOIN record r USING (address_id)
    WHERE o.scope = 0 AND o.lift_waits_at IS NOT NULL AND r.org_id = %(org)s),
step AS MATERIALIZED (
    SELECT d.record_id, d.field, d.seen, d.in_s, d.state AS was, d.reason AS why, w.record_id IS NOT NULL AS waits,
           CASE WHEN d.own THEN 'c'
                WHEN d.state = 'c' AND w.record_id IS NOT NULL THEN 'h'
                WHEN d.reason LIKE 'lift%%' AND w.record_id IS NOT NULL THEN 'h'
                WHEN d.state = 'c' OR d.reason = 'carried' THEN 'o'
                ELSE d.state END::"char" AS becomes
    FROM difference d LEFT JOIN waiting w USING (record_id) WHERE d.field IS NOT NULL),
moved AS (
    UPDATE mark m
    SET state = s.becomes, seen = CASE WHEN s.in_s THEN s.seen ELSE m.seen END, touched_run = %(run_no)s,
        reason = CASE WHEN s.becomes = 'h' AND s.waits THEN 'lift, unticked' WHEN s.becomes IN ('h', 'p') THEN m.reason END,
        due_at = CASE WHEN s.becomes = 'o' AND s.was <> 'o' THEN clock() ELSE m.due_at END,
        attempts = CASE WHEN s.becomes = s.was THEN m.attempts ELSE 0 END
    FROM step s
    WHERE m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id
      AND m.touched_run < %(run_no)s AND m.state = s.was
      AND (s.becomes <> s.was OR (s.becomes = 'h' AND s.waits AND s.why = 'lift') OR (s.in_s AND m.seen IS DISTINCT FROM s.seen))
    RETURNING m.field, m.record_id, m.state, s.was, s.why)
INSERT INTO owed
SELECT %(org)s, field, record_id, why IS DISTINCT FROM 'carried' FROM moved WHERE state = 'o' AND was <> 'o'

-- name: find_ended_waits
-- The boxes that wait for a lift that is over: one of the person's boxes was ticked again.
CREATE TEMP TABLE waited ON COMMIT DROP AS
SELECT m.org_id, m.field, m.record_id, r.address_id
FROM (SELECT address_id FROM fresh
      UNION SELECT r.address_id FROM difference d JOIN record r ON r.org_id = %(org)s AND r.record_id = d.record_id
      WHERE d.state = 'h' AND d.reason LIKE 'lift%%') p
JOIN opt_out o ON o.address_id = p.address_id AND o.scope = 0 AND o.lifted_at IS NULL AND o.lift_waits_at IS NULL
JOIN record r ON r.address_id = p.address_id
JOIN mark m ON m.org_id = r.org_id AND m.record_id = r.record_id AND m.field = ANY (%(all_fields)s)
WHERE m.state = 'h' AND m.reason LIKE 'lift%%'

-- name: release_ended_waits
-- They are owed, or wait for what else their address waits for; the ticked record passes the fan-out cap.
SELECT owe_marks(x.ids, ARRAY(SELECT record_id FROM fresh), false, NULL)
FROM (SELECT array_agg(DISTINCT address_id) AS ids FROM waited) x WHERE x.ids IS NOT NULL

-- name: count_ended_waits
-- Those that are owed now count for the brake.
INSERT INTO owed SELECT m.org_id, m.field, m.record_id, true
FROM waited w JOIN mark m USING (org_id, field, record_id) WHERE m.state = 'o'

-- name: free_moved
-- A box that waited for its old address's lift, hold or crowd, while its record moved: it is as its new address says.
SELECT owe_marks(array_agg(DISTINCT k.address_id), array_agg(DISTINCT k.record_id), false, NULL)
FROM known k JOIN mark m ON m.org_id = %(org)s AND m.field = ANY (%(all_fields)s) AND m.record_id = k.record_id
WHERE k.moved AND k.stored AND k.address_id IS NOT NULL
  AND (m.state = 'h' AND m.reason <> 'carried' OR m.reason = 'fan-out refused')
HAVING count(*) > 0

-- name: end_disputes
-- A dispute ends when its box is absent from a complete read; a later tick is a new one.
WITH gone AS (
    DELETE FROM dispute p WHERE p.org_id = %(org)s AND p.field = ANY (%(fields)s)
      AND NOT EXISTS (SELECT FROM staged s WHERE s.record_id = p.record_id AND s.boxes >> p.field & 1 = 1)
    RETURNING p.field, p.record_id)
INSERT INTO event (kind, org_id, field, record_id, run_id)
SELECT 'dispute ended', %(org)s, field, record_id, %(run_id)s FROM gone

-- name: audit_marks
-- The marks of an org are exactly its pairs plus those of records without address. One row per box that does not fit.
CREATE TEMP TABLE misfit ON COMMIT DROP AS
SELECT coalesce(e.field, m.field) AS field, coalesce(e.record_id, m.record_id) AS record_id, m.record_id IS NULL AS missing
FROM (SELECT d.field, r.record_id FROM opt_out o JOIN due d ON d.epoch = o.epoch AND d.org_id = %(org)s,
      LATERAL (SELECT record_id FROM record WHERE address_id = o.address_id AND org_id + 0 = %(org)s AND successor IS NULL
               OFFSET 0) r          -- OFFSET keeps the planner from reading every record there is
      WHERE o.scope = 0 AND o.lifted_at IS NULL) e
FULL JOIN (SELECT field, record_id FROM mark WHERE org_id = %(org)s) m ON m.record_id = e.record_id AND m.field = e.field
WHERE e.record_id IS NULL OR m.record_id IS NULL

-- name: repair_missing
-- A missing mark is made like any other of its address: owed, or held or parked with its reason.
SELECT owe_marks(x.ids, x.named, false, NULL)
FROM (SELECT array_agg(DISTINCT r.address_id) AS ids,
             coalesce(array_agg(r.record_id) FILTER (WHERE s.boxes & %(read)s <> 0), '{}') AS named
      FROM misfit x JOIN record r ON r.org_id = %(org)s AND r.record_id = x.record_id
      LEFT JOIN staged s ON s.record_id = x.record_id WHERE x.missing) x
WHERE x.ids IS NOT NULL

-- name: settle_repaired
-- Of the marks that were missing: confirmed where S shows the box ticked; the owed ones count for the brake.
WITH ticked AS (
    UPDATE mark m SET state = 'c', reason = NULL, due_at = NULL FROM misfit x JOIN staged s ON s.record_id = x.record_id
    WHERE x.missing AND s.boxes >> x.field & 1 = 1
      AND m.org_id = %(org)s AND m.field = x.field AND m.record_id = x.record_id)
INSERT INTO owed
SELECT m.org_id, m.field, m.record_id, true FROM misfit x JOIN mark m ON m.field = x.field AND m.record_id = x.record_id
WHERE x.missing AND m.org_id = %(org)s AND m.state = 'o'
  AND NOT EXISTS (SELECT FROM staged s WHERE s.record_id = x.record_id AND s.boxes >> x.field & 1 = 1)

-- name: remove_extra
-- An extra mark ends with an event, never under a live claim; records without address keep theirs.
WITH gone AS (
    DELETE FROM mark m USING misfit x
    WHERE NOT x.missing AND m.org_id = %(org)s AND m.field = x.field AND m.record_id = x.record_id
      AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()))
      AND NOT EXISTS (SELECT FROM record r WHERE r.org_id = %(org)s AND r.record_id = x.record_id
                                             AND r.address_id IS NULL AND r.successor IS NULL)
    RETURNING m.field, m.record_id)
INSERT INTO event (kind, org_id, field, record_id, run_id, reason)
SELECT 'mark ended', %(org)s, field, record_id, %(run_id)s, 'no opt-out is due in this box' FROM gone

-- name: count_owed_addresses
-- The outbound change set, counted in addresses; a record without address counts as one of its own.
SELECT count(DISTINCT coalesce(r.address_id::text, o.record_id))
FROM owed o LEFT JOIN record r ON r.org_id = o.org_id AND r.record_id = o.record_id WHERE o.counted

-- name: leave_out_waited
-- The first boxes of earlier opt-outs whose look-up is not over: single opt-outs that waited for their record, because
-- Salesforce was away or did not have it. They are no change of tonight's. Asked only when the limit seems passed.
UPDATE owed o SET counted = false FROM record r JOIN lookup l USING (org_id, address_id)
WHERE o.made AND o.counted AND r.org_id = o.org_id AND r.record_id = o.record_id
  AND NOT EXISTS (SELECT FROM fresh f WHERE f.address_id = r.address_id)

-- name: hold_outbound
-- A mass of new writes waits for a decision: the people are blocked, the outside write is not made.
WITH h AS (INSERT INTO hold (org_id, direction, origin) VALUES (%(org)s, 'o', %(origin)s) RETURNING hold_id),
items AS (
    INSERT INTO hold_item (hold_id, address_id, version)
    SELECT DISTINCT h.hold_id, r.address_id, f.version
    FROM h, owed o JOIN record r ON r.org_id = o.org_id AND r.record_id = o.record_id
    LEFT JOIN fresh f ON f.address_id = r.address_id
    WHERE o.counted AND r.address_id IS NOT NULL ON CONFLICT DO NOTHING RETURNING 1),
stopped AS (
    UPDATE mark m SET state = 'h', reason = 'brake' FROM owed o
    WHERE o.counted AND (m.org_id, m.field, m.record_id) = (o.org_id, o.field, o.record_id) AND m.state = 'o'
      AND EXISTS (SELECT FROM record r WHERE r.org_id = m.org_id AND r.record_id = m.record_id AND r.address_id IS NOT NULL)
    RETURNING 1)
SELECT hold_id, (SELECT count(*) FROM items), (SELECT count(*) FROM stopped) FROM h

-- name: count_apply
-- What the run report tells of the apply.
SELECT (SELECT count(*) FROM fresh WHERE source = 'salesforce sync') AS recorded,
       (SELECT count(*) FROM fresh WHERE source = 'follows record') AS followed,
       (SELECT count(*) FROM owed WHERE org_id = %(org)s) AS owed,
       (SELECT count(*) FROM misfit WHERE missing) AS audit_missing,
       (SELECT count(*) FROM misfit x WHERE NOT missing AND NOT EXISTS (
            SELECT FROM record r WHERE r.org_id = %(org)s AND r.record_id = x.record_id AND r.address_id IS NULL
                                   AND r.successor IS NULL)) AS audit_extra

-- The comparison itself. S, the ticked records of Salesforce, stands in the temp table staged: record_id, email,
-- is_converted, converted_to, one box_N per field, and boxes, in which bit N says that the box of field N is ticked.

-- name: never_analysed
-- Tables that the planner knows nothing of: a first import may have come a moment ago, before autovacuum did.
SELECT relname FROM pg_class
WHERE oid IN ('address'::regclass, 'record'::regclass, 'opt_out'::regclass, 'mark'::regclass) AND reltuples < 0

-- name: compare
-- One full join of S with the marks; empty when both sides agree. A row without a field is a tick that has no mark.
-- Marks touched since the run began (touched_run) are newer than S and stay out.
CREATE TEMP TABLE difference AS
SELECT coalesce(s.record_id, m.record_id) AS record_id, m.field, m.state, m.reason, s.record_id IS NOT NULL AS in_s,
       coalesce((s.boxes >> m.field) & 1 = 1, false) AS own, coalesce(s.boxes, 0) AS boxes, s.email,
       CASE WHEN s.email ~ %(plain)s AND octet_length(s.email) <= 1000 THEN lower(btrim(s.email, E' \t\r\n\f\x0B')) END AS normal,
       hashtextextended(coalesce(s.email, ''), 0) AS seen,
       CASE WHEN s.is_converted THEN nullif(s.converted_to, '') END AS converted_to
FROM staged s
FULL JOIN (SELECT record_id, field, state, reason, touched_run, seen FROM mark
           WHERE org_id = %(org)s AND field = ANY (%(fields)s)) m
       ON m.record_id = s.record_id
WHERE NOT coalesce(m.state = 'c' AND (s.boxes >> m.field) & 1 = 1
                   AND m.seen = hashtextextended(coalesce(s.email, ''), 0) AND s.is_converted IS NOT TRUE, false)
  AND CASE WHEN m.record_id IS NULL THEN s.boxes & %(read)s <> 0
           ELSE m.touched_run < %(run_no)s
                AND (s.record_id IS NOT NULL OR m.state = 'c'
                     OR (m.state = 'h' AND (m.reason = 'carried' OR m.reason LIKE 'lift%%')))
      END

-- name: odd_addresses_out
-- The e-mails that need more than lower and trim go through Python's one normal form.
COPY (SELECT DISTINCT email FROM difference WHERE normal IS NULL AND email <> '') TO STDOUT

-- name: odd_addresses_table
-- Takes their normal forms back.
CREATE TEMP TABLE IF NOT EXISTS odd_address (email text PRIMARY KEY, normal text COLLATE "C")

-- name: odd_addresses_in
-- Puts the normal forms into the difference.
UPDATE difference d SET normal = o.normal FROM odd_address o WHERE d.email = o.email AND d.normal IS NULL AND o.normal <> ''

-- name: matched_to_difference
-- Unticked records that concern an opted-out person join the difference: they carry an e-mail, never a tick.
INSERT INTO difference (record_id, in_s, own, boxes, email, normal, seen, converted_to)
SELECT u.record_id, true, false, u.boxes & ~%(read)s, u.email, u.normal, hashtextextended(coalesce(u.email, ''), 0), u.converted_to
FROM matched u

-- name: find_candidates
-- Records that belong or moved to a lifted address, at any age of the lift, or would end a waiting lift; each is re-read
-- singly before anything is decided, because the snapshot's box or e-mail may be older than the lift.
CREATE TEMP TABLE candidate AS
WITH lifted AS MATERIALIZED (
    SELECT o.address_id, o.version, a.normal, a.erased_hash FROM opt_out o JOIN address a USING (address_id)
    WHERE o.scope = 0 AND o.lifted_at IS NOT NULL),
waiting AS MATERIALIZED (
    SELECT o.address_id, o.version, r.record_id FROM opt_out o JOIN record r USING (address_id)
    WHERE o.scope = 0 AND o.lift_waits_at IS NOT NULL AND r.org_id = %(org)s)
SELECT d.record_id, l.address_id, l.version FROM lifted l JOIN record r USING (address_id)
JOIN difference d ON d.record_id = r.record_id
WHERE r.org_id = %(org)s AND r.successor IS NULL AND d.in_s
UNION SELECT d.record_id, l.address_id, l.version FROM lifted l JOIN difference d ON d.normal = l.normal WHERE d.in_s
UNION SELECT d.record_id, l.address_id, l.version FROM lifted l JOIN difference d
      ON l.erased_hash = subject_of(d.normal, NULL, %(inner)s, %(outer)s) WHERE l.erased_hash IS NOT NULL AND d.in_s
UNION SELECT w.record_id, w.address_id, w.version FROM waiting w JOIN difference d USING (record_id)
      WHERE d.own AND d.state = 'h' AND d.reason = 'lift, unticked'

-- name: take_reread
-- What the single re-read found replaces the snapshot: the boxes and the e-mail of that moment decide.
UPDATE difference d SET boxes = coalesce(x.boxes, 0), own = coalesce((x.boxes >> d.field) & 1 = 1, false),
       in_s = x.record_id IS NOT NULL, email = x.email, normal = NULL, seen = hashtextextended(coalesce(x.email, ''), 0)
FROM candidate c LEFT JOIN reread x USING (record_id) WHERE d.record_id = c.record_id

-- name: normalize_reread
-- Plain addresses of re-read records get their normal form here, the others from Python.
UPDATE difference SET normal = lower(btrim(email, E' \t\r\n\f\x0B')) WHERE normal IS NULL AND email ~ %(plain)s AND octet_length(email) <= 1000

-- name: choose_revivals
-- Which lifted opt-outs may be revived: still ticked on the re-read, for the very version seen before it. A lift made
-- since the run began is left alone until the next night (version, no clock).
CREATE TEMP TABLE revive AS
SELECT DISTINCT c.address_id, c.version FROM candidate c JOIN difference d USING (record_id)
WHERE c.version <= %(start_version)s AND d.in_s AND d.boxes & %(read)s <> 0 AND d.converted_to IS NULL

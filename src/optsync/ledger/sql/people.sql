-- name: record_opt_out
-- Records one opt-out in one round trip and one commit (functions/recording.sql opt_out_record).
SELECT address_id, outcome, version, owed
FROM opt_out_record(%(normal)s, %(subject)s, %(source)s, %(scope)s, %(actor)s, %(reason)s, %(evidence)s, %(named)s);

-- name: find_address
-- The row of an address, also of an erased one, and whether it is.
SELECT address_id, false FROM address WHERE normal = %(normal)s
UNION ALL SELECT address_id, true FROM address WHERE erased_hash = %(subject)s LIMIT 1;

-- name: address_by_id
-- The normal form of an address, or its hash once it was erased.
SELECT normal, erased_hash FROM address WHERE address_id = %s;

-- name: opt_outs_of
-- Every opt-out an address ever had, whole account first.
SELECT scope, since, source, version, lifted_at, lift_waits_at FROM opt_out WHERE address_id = %s ORDER BY scope;

-- name: records_of
-- The Salesforce records of an address with their marks; a record without a mark gives one row.
SELECT r.org_id, r.record_id, r.kind, r.provenance, r.successor, m.field, m.state, m.reason, m.attempts,
       m.due_at, m.claimed_by IN (SELECT live_workers())
FROM record r LEFT JOIN mark m USING (org_id, record_id) WHERE r.address_id = %s ORDER BY 1, 2, m.field;

-- name: disputed_boxes_of
-- The boxes of an address whose tick in Salesforce does not count, and the mass change or undone run that says so.
SELECT r.org_id, r.record_id, d.field, d.hold_id, d.run_id
FROM record r JOIN opt_out_field f USING (org_id)
JOIN dispute d ON (d.org_id, d.field, d.record_id) = (r.org_id, f.field, r.record_id)
WHERE r.address_id = %s ORDER BY 1, 2, 3;

-- name: holds_of
-- The undecided holds an address waits in.
SELECT DISTINCT h.hold_id, h.direction FROM hold_item i JOIN hold h USING (hold_id)
WHERE i.address_id = %s AND h.decided_at IS NULL ORDER BY h.hold_id;

-- name: link_records
-- Stores links and owes what is due (functions/links.sql link_records).
SELECT link_records(%(org)s::smallint, %(records)s, %(kinds)s, %(normals)s, %(subjects)s, %(provenance)s);

-- name: follow_record
-- Hands a converted or merged record over to its successor (functions/links.sql follow_record).
SELECT follow_record(%(org)s::smallint, %(old)s, %(new)s, %(kind)s, %(normal)s, %(subject)s, %(provenance)s, %(subject_old)s);

-- name: forget_record
-- Ends the marks and the link of a deleted record (functions/links.sql forget_record).
SELECT forget_record(%(org)s::smallint, %(record)s, %(subject)s);

-- name: address_of_record
-- The normal form (NULL once erased) and the erased hash of a record's address; no row for an unknown record.
SELECT a.normal, a.erased_hash FROM record r LEFT JOIN address a USING (address_id)
WHERE r.org_id = %(org)s AND r.record_id = %(record)s;

-- name: timeline_of
-- What happened to one person, oldest first.
SELECT event_id, at, kind, scope, source, actor, org_id, field, record_id, run_id, reason, evidence
FROM event WHERE subject = %s ORDER BY event_id;

-- name: timeline_after
-- A stretch of it.
SELECT event_id, at, kind, scope, source, actor, org_id, field, record_id, run_id, reason, evidence
FROM event WHERE subject = %s AND event_id > %s ORDER BY event_id LIMIT %s;

-- name: erase_address
-- Swaps an address for its keyed hash (functions/addresses.sql erase_address); false when it is unknown or erased already.
SELECT coalesce((SELECT erase_address(a.address_id, %(subject)s, %(actor)s, %(reason)s)
                 FROM address a WHERE a.normal = %(normal)s), false);

-- name: become_worker
-- Takes the lock by which everybody sees that this worker lives.
SELECT pg_advisory_lock(7001, %(worker)s);

-- name: fence
-- Ends the sessions of workers that have been silent too long: frozen ones keep their lock otherwise.
SELECT fence_silent_workers(%(seconds)s);

-- name: due_orgs
-- Connected orgs with something due that no pause of the whole org stops.
SELECT c.org_id, c.revision FROM connection c
WHERE c.disconnected_at IS NULL
  AND NOT EXISTS (SELECT FROM pause p WHERE p.org_id = c.org_id AND p.field = 0 AND p.prefix = '' AND p.until > clock())
  AND (EXISTS (SELECT FROM mark m WHERE m.org_id = c.org_id AND m.state NOT IN ('c', 'h') AND m.due_at <= clock())
       OR EXISTS (SELECT FROM lookup l WHERE l.org_id = c.org_id AND l.due_at <= clock()))
ORDER BY c.org_id;

-- name: is_connected
-- Whether somebody has ended the connection meanwhile; asked right before sending.
SELECT EXISTS (SELECT FROM connection WHERE org_id = %(org)s AND disconnected_at IS NULL);

-- name: tell_late_writes
-- Names boxes we ticked but could not settle, where the opt-out was lifted or waits for its lift meanwhile (rules 6).
INSERT INTO event (kind, subject, org_id, field, record_id)
SELECT 'late write', subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s), %(org)s, s.field, s.record_id
FROM unnest(%(fields)s::smallint[], %(records)s::text[]) AS s(field, record_id)
LEFT JOIN record r ON r.org_id = %(org)s AND r.record_id = s.record_id LEFT JOIN address a USING (address_id)
LEFT JOIN mark m ON m.org_id = %(org)s AND m.field = s.field AND m.record_id = s.record_id
WHERE m.record_id IS NULL OR m.state = 'h';

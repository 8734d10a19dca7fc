-- name: export_opt_outs
-- Active account-wide opt-outs.
SELECT a.normal AS address, to_char(o.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since, o.source
FROM opt_out o JOIN address a USING (address_id)
WHERE o.scope = 0 AND o.lifted_at IS NULL AND a.normal IS NOT NULL ORDER BY a.normal;

-- name: export_people
-- Everybody whom we know, with what is recorded of why their data may be used.
SELECT a.normal AS address, o.address_id IS NOT NULL AS unsubscribed,
       to_char(o.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since, o.source,
       c.authorization_type, c.authorization_note, c.consent_date, c.consent_purpose, c.source_type, c.source_note,
       to_char(c.set_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS set_at, c.set_by
FROM address a LEFT JOIN opt_out o ON o.address_id = a.address_id AND o.scope = 0 AND o.lifted_at IS NULL
LEFT JOIN compliance c ON c.address_id = a.address_id
WHERE a.normal IS NOT NULL ORDER BY a.normal;

-- name: export_ids
-- The live records of one org whose person can be named, a row for each box that is owed or ticked; a record without one once.
SELECT a.normal AS address, CASE r.kind WHEN 'L' THEN 'Lead' WHEN 'C' THEN 'Contact' ELSE 'Account' END AS object, r.record_id,
       f.label AS field,
       CASE m.state WHEN 'o' THEN 'owed' WHEN 'c' THEN 'confirmed' WHEN 'h' THEN 'held' WHEN 'p' THEN 'parked' END AS box
FROM record r JOIN address a USING (address_id) LEFT JOIN mark m ON (m.org_id, m.record_id) = (r.org_id, r.record_id)
LEFT JOIN opt_out_field f ON (f.org_id, f.field) = (m.org_id, m.field)
WHERE r.org_id = %(org)s AND r.successor IS NULL AND a.normal IS NOT NULL ORDER BY a.normal, r.record_id, m.field;

-- name: export_evidence
-- One JSON object for each person whom we can name: what stands, and what happened, the oldest first.
SELECT jsonb_build_object(
    'address', a.normal,
    'opt_outs', (SELECT coalesce(jsonb_agg(to_jsonb(o) - '{address_id,epoch}'::text[] ORDER BY o.scope), '[]')
                 FROM opt_out o WHERE o.address_id = a.address_id),
    'records', (SELECT coalesce(jsonb_agg(to_jsonb(r) - 'address_id' ORDER BY r.org_id, r.record_id), '[]')
                FROM record r WHERE r.address_id = a.address_id),
    'compliance', (SELECT to_jsonb(c) - 'address_id' FROM compliance c WHERE c.address_id = a.address_id),
    'events', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(e) - 'subject') ORDER BY e.event_id), '[]')
               FROM event e WHERE e.subject = subject_of(a.normal, NULL, %(inner)s, %(outer)s)))::text
FROM address a WHERE a.normal IS NOT NULL ORDER BY a.normal;

-- name: tell_export
INSERT INTO event (kind, actor, org_id, evidence) VALUES ('exported', %(actor)s, %(org)s, %(evidence)s);

-- name: imported_before
-- The earlier import of the same bytes.
SELECT imported_at, counts FROM import_file WHERE digest = %s;

-- name: one_at_a_time
-- The same bytes are not imported by two at once: the second one waits and then finds them imported.
SELECT pg_advisory_lock(7005, %s);

-- name: next_one
SELECT pg_advisory_unlock(7005, %s);

-- name: create_stage
-- The rows of one file; addresses stay in temporary tables until they are recorded.
CREATE TEMP TABLE import_row (nth int, normal text COLLATE "C", subject bytea, record_id text COLLATE "C", kind text, reason text,
                              evidence jsonb, change jsonb);

-- name: copy_stage
COPY import_row (nth, normal, subject, record_id, kind, reason, evidence, change) FROM STDIN;

-- name: stage_people
-- Each address once, with what its first row says.
CREATE TEMP TABLE import_person AS
SELECT row_number() OVER (ORDER BY normal) AS nth, normal, subject, reason, evidence
FROM (SELECT DISTINCT ON (normal) normal, subject, reason, evidence FROM import_row ORDER BY normal, nth) once;

-- name: stage_links
-- Each Salesforce record once, with its last row's address.
CREATE TEMP TABLE import_link AS
SELECT row_number() OVER (ORDER BY record_id) AS nth, record_id, kind, normal, subject
FROM (SELECT DISTINCT ON (record_id) record_id, kind, normal, subject FROM import_row WHERE record_id IS NOT NULL
      ORDER BY record_id, nth DESC) once;

-- name: stage_compliance
-- Each address with compliance data once, with what its last row says.
CREATE TEMP TABLE import_compliance AS
SELECT row_number() OVER (ORDER BY normal) AS nth, normal, subject, change
FROM (SELECT DISTINCT ON (normal) normal, subject, change FROM import_row WHERE change IS NOT NULL ORDER BY normal, nth DESC) once;

-- name: index_stage
CREATE INDEX ON import_person (nth); CREATE INDEX ON import_link (nth); CREATE INDEX ON import_link (normal);
CREATE INDEX ON import_compliance (nth);
ANALYZE import_person (nth, normal); ANALYZE import_link; ANALYZE import_compliance;

-- name: drop_stage
DROP TABLE IF EXISTS import_row, import_person, import_link, import_compliance;

-- name: count_stage
-- Distinct addresses, records, and addresses with compliance data.
SELECT (SELECT count(*) FROM import_person), (SELECT count(*) FROM import_link), (SELECT count(*) FROM import_compliance);

-- name: count_rows_of_people
-- Rows about people: a record once, and who comes without one.
SELECT count(DISTINCT coalesce(record_id, normal)) FROM import_row;

-- name: count_changes
-- What recording would change: new, again, already, and the already recorded ones that an undecided outbound hold keeps.
SELECT count(*) FILTER (WHERE o.address_id IS NULL),
       count(*) FILTER (WHERE o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL),
       count(*) FILTER (WHERE o.lifted_at IS NULL AND o.lift_waits_at IS NULL AND o.address_id IS NOT NULL),
       count(*) FILTER (WHERE o.lifted_at IS NULL AND o.lift_waits_at IS NULL AND EXISTS (
           SELECT FROM hold_item i JOIN hold h USING (hold_id)
           WHERE i.address_id = o.address_id AND h.direction = 'o' AND h.decided_at IS NULL))
FROM import_person p LEFT JOIN address a ON a.normal = p.normal
LEFT JOIN address e ON e.erased_hash = p.subject
LEFT JOIN opt_out o ON o.address_id = coalesce(a.address_id, e.address_id) AND o.scope = 0;

-- name: count_new_links
-- The records of the file that are not linked to its address yet.
SELECT count(*) FROM import_link i LEFT JOIN record r ON r.org_id = %s AND r.record_id = i.record_id
LEFT JOIN address a USING (address_id)
WHERE r.record_id IS NULL OR (a.normal = i.normal OR a.erased_hash = i.subject) IS NOT TRUE;

-- name: count_compliance
-- For how many people compliance data would be new or different, and how many were erased: about these nothing is kept.
SELECT count(*) FILTER (WHERE e.address_id IS NULL
                        AND compliance_told(jsonb_populate_record(c, i.change)) <> compliance_told(c)), count(e.address_id)
FROM import_compliance i LEFT JOIN address a ON a.normal = i.normal LEFT JOIN address e ON e.erased_hash = i.subject
LEFT JOIN compliance c ON c.address_id = a.address_id;

-- name: compliance_portion
-- Sets one portion of the compliance data in one commit.
SELECT coalesce(compliance_set(addresses_locked(array_agg(normal), array_agg(subject), '{}'), array_agg(subject),
                               array_agg(change), 'import', %(actor)s), 0)
FROM import_compliance WHERE nth > %(after)s AND nth <= %(upto)s HAVING count(*) > 0;

-- name: link_portion
-- Stores one portion of the links in one commit.
SELECT coalesce(link_records(%(org)s::smallint, array_agg(record_id), array_agg(kind), array_agg(normal), array_agg(subject), 'g'), 0)
FROM import_link WHERE nth > %(after)s AND nth <= %(upto)s HAVING count(*) > 0;

-- name: record_portion
-- Records one portion of the opt-outs in one commit, with one notify; records that the file names pass the fan-out cap.
SELECT count(*) FILTER (WHERE d.outcome = 'new'), count(*) FILTER (WHERE d.outcome = 'again'),
       count(*) FILTER (WHERE d.outcome = 'already'), coalesce(max(d.owed), 0)
FROM (SELECT array_agg(normal) AS normals, array_agg(subject) AS subjects, array_agg(reason) AS reasons,
             array_agg(evidence) AS evidence,
             ARRAY(SELECT i.record_id FROM import_link i JOIN import_person n USING (normal)
                   WHERE n.nth > %(after)s AND n.nth <= %(upto)s) AS named
      FROM import_person WHERE nth > %(after)s AND nth <= %(upto)s) p,
LATERAL opt_out_addresses(addresses_locked(p.normals, p.subjects, '{}'), p.subjects, 'import', 0, %(actor)s, p.reasons,
                          p.evidence, p.named, %(hold)s) d;

-- name: remember_file
-- The same bytes will be recognised.
INSERT INTO import_file (digest, name, layout, hold_id, counts)
VALUES (%(digest)s, %(name)s, %(layout)s, %(hold)s, %(counts)s)
ON CONFLICT (digest) DO NOTHING;

-- name: tell_import
INSERT INTO event (kind, source, actor, org_id, evidence) VALUES ('file imported', 'import', %(actor)s, %(org)s, %(evidence)s);

-- name: orgs
SELECT org_id FROM org ORDER BY org_id;

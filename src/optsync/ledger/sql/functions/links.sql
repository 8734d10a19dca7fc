-- Which record belongs to which address, and what a link, a conversion, a merge or a deletion carries along.

-- Links records to addresses and owes what is due (NULL e-mail = the record has none; a stored link then stays). All links
-- of the call are stored before anything is owed, so that the fan-out cap counts them together. When a record with a mark
-- moves to a new address, the opt-out follows the person: the new address is opted out too, the old one keeps its own.
-- Arrays run in parallel; links that are stored already cost no lock. Returns the marks now owed.
CREATE FUNCTION link_records(p_org smallint, p_records text[], p_kinds text[], p_normals text[], p_subjects bytea[],
                             p_provenance "char") RETURNS int LANGUAGE plpgsql AS $$
DECLARE rs text[]; ks text[]; ns text[]; ss bytea[]; befores bigint[]; ids bigint[]; movers text[]; n int;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    WITH given AS (SELECT DISTINCT ON (i.record) i.* FROM unnest(p_records, p_kinds, p_normals, p_subjects) WITH ORDINALITY
                   AS i(record, kind, normal, subject, nth) ORDER BY i.record, i.nth DESC)
    SELECT array_agg(g.record), array_agg(g.kind), array_agg(g.normal), array_agg(g.subject) INTO rs, ks, ns, ss
    FROM given g LEFT JOIN record r ON r.org_id = p_org AND r.record_id = g.record
    LEFT JOIN address a ON a.address_id = r.address_id
    WHERE r.record_id IS NULL OR (g.normal IS NOT NULL AND (a.normal = g.normal OR a.erased_hash = g.subject) IS NOT TRUE);
    IF rs IS NULL THEN RETURN 0; END IF;
    PERFORM 1 FROM record r WHERE r.org_id = p_org AND r.record_id = ANY (rs) ORDER BY r.record_id FOR UPDATE;
    befores := ARRAY(SELECT r.address_id FROM record r
                     WHERE r.org_id = p_org AND r.record_id = ANY (rs) AND r.address_id IS NOT NULL);
    ids := addresses_locked(ns, ss, befores);
    SELECT coalesce(array_agg(r.record_id), '{}') INTO movers
    FROM unnest(rs, ids) AS i(record, id) JOIN record r ON r.org_id = p_org AND r.record_id = i.record
    WHERE i.id IS NOT NULL AND r.address_id IS DISTINCT FROM i.id
      AND EXISTS (SELECT FROM mark m WHERE m.org_id = p_org AND m.record_id = i.record);
    INSERT INTO record AS r (org_id, record_id, kind, address_id, provenance)
    SELECT p_org, i.record, i.kind::"char", i.id, p_provenance FROM unnest(rs, ks, ids) AS i(record, kind, id)
    ON CONFLICT (org_id, record_id) DO UPDATE SET address_id = EXCLUDED.address_id, provenance = EXCLUDED.provenance
        WHERE EXCLUDED.address_id IS NOT NULL AND r.address_id IS DISTINCT FROM EXCLUDED.address_id;
    IF movers <> '{}' THEN
        -- What the last comparison saw was about another link: the next one looks again.
        UPDATE mark m SET seen = NULL WHERE m.org_id = p_org AND m.record_id = ANY (movers) AND m.seen IS NOT NULL;
        PERFORM follow_people(array_agg(i.id), array_agg(i.subject), array_agg(i.record))
        FROM unnest(rs, ids, ss) AS i(record, id, subject) WHERE i.record IN (SELECT unnest(movers));
        PERFORM trim_marks(array_agg(i.id)) FROM unnest(rs, ids) AS i(record, id) WHERE i.record IN (SELECT unnest(movers));
        PERFORM look_up_unlinked(p_org, befores);
    END IF;
    -- A new statement: its snapshot sees the opt-out of a door that the lock has just waited for.
    n := owe_marks(ids, movers, false, NULL);
    IF n > 0 THEN PERFORM wake_workers(); END IF;
    RETURN n;
END $$;

-- A converted or merged record hands over to its successor: its marks end, the successor is linked to p_normal (NULL: it
-- has no e-mail; then to the address of the record it follows), and if the old one had a mark, the successor's address is
-- opted out too, or the successor gets the no-address mark. Returns whether the old one had a mark.
CREATE FUNCTION follow_record(p_org smallint, p_old text, p_new text, p_kind "char", p_normal text, p_subject bytea,
                              p_provenance "char", p_subject_old bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE boxes smallint[]; before bigint; was bigint; a bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    PERFORM 1 FROM record r WHERE r.org_id = p_org AND r.record_id IN (p_old, p_new) ORDER BY r.record_id FOR UPDATE;
    SELECT r.address_id INTO was FROM record r WHERE r.org_id = p_org AND r.record_id = p_new;
    a := (addresses_locked(ARRAY[p_normal], ARRAY[p_subject], ARRAY(
        SELECT r.address_id FROM record r
        WHERE r.org_id = p_org AND r.record_id IN (p_old, p_new) AND r.address_id IS NOT NULL)))[1];
    INSERT INTO record AS r (org_id, record_id, kind, provenance, successor)
    VALUES (p_org, p_old, CASE left(p_old, 3) WHEN '00Q' THEN 'L' WHEN '003' THEN 'C' ELSE 'A' END, p_provenance, p_new)
    ON CONFLICT (org_id, record_id) DO UPDATE SET successor = p_new WHERE r.successor IS DISTINCT FROM p_new
    RETURNING r.address_id INTO before;
    IF FOUND THEN
        INSERT INTO event (kind, subject, org_id, record_id, evidence)
        VALUES (CASE p_provenance WHEN 'c' THEN 'converted' ELSE 'merged' END, p_subject_old, p_org, p_old,
                jsonb_build_object('successor', p_new));
    END IF;
    WITH gone AS (DELETE FROM mark WHERE org_id = p_org AND record_id = p_old RETURNING field)
    SELECT array_agg(field) INTO boxes FROM gone;
    PERFORM link_records(p_org, ARRAY[p_new], ARRAY[p_kind::text], ARRAY[p_normal], ARRAY[p_subject], p_provenance);
    IF a IS NULL AND (boxes IS NOT NULL OR was IS NULL) THEN
        UPDATE record r SET address_id = before WHERE r.org_id = p_org AND r.record_id = p_new AND before IS NOT NULL;
        PERFORM trim_marks(ARRAY[before]);
    END IF;
    IF boxes IS NOT NULL THEN
        PERFORM assert_on_successor(p_org, p_new, CASE WHEN a IS NULL THEN p_subject_old ELSE p_subject END, boxes);
    END IF;
    PERFORM look_up_unlinked(p_org, ARRAY[before, was]);
    PERFORM wake_workers();
    RETURN boxes IS NOT NULL;
END $$;

-- The opt-out that a dead record carried now holds for its successor: through its address where it has one, else in the
-- fields (p_boxes) in which the dead record was ticked or owed.
CREATE FUNCTION assert_on_successor(p_org smallint, p_record text, p_subject bytea, p_boxes smallint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    SELECT r.address_id INTO a FROM record r WHERE r.org_id = p_org AND r.record_id = p_record;
    IF a IS NULL THEN
        INSERT INTO mark (org_id, field, record_id, due_at, touched_run, state)
        SELECT p_org, box, p_record, clock(), g.run_no, 'o' FROM unnest(p_boxes) box, org g WHERE g.org_id = p_org
        ON CONFLICT DO NOTHING;
    ELSIF EXISTS (SELECT FROM opt_out o WHERE o.address_id = a AND o.scope = 0 AND o.lifted_at IS NULL) THEN
        PERFORM owe_marks(ARRAY[a], ARRAY[p_record], false, NULL);
    ELSE
        PERFORM follow_people(ARRAY[a], ARRAY[p_subject], ARRAY[p_record]);
    END IF;
END $$;

-- The opt-out follows the person: locked addresses that marked records have moved to are opted out, where they are not yet.
CREATE FUNCTION follow_people(p_addresses bigint[], p_subjects bytea[], p_records text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opt_out_addresses(f.ids, f.subjects, 'follows record', 0, NULL, NULL, f.evidence, p_records, NULL)
    FROM (SELECT array_agg(i.id) AS ids, array_agg(i.subject) AS subjects,
                 array_agg(jsonb_build_object('record', i.record)) AS evidence
          FROM unnest(p_addresses, p_subjects, p_records) AS i(id, subject, record)
          WHERE NOT EXISTS (SELECT FROM opt_out o WHERE o.address_id = i.id AND o.scope = 0 AND o.lifted_at IS NULL)) f
    WHERE f.ids IS NOT NULL;
END $$;

-- A deleted record: its marks end with an event, its link ends, its address stays opted out and is looked up again.
CREATE FUNCTION forget_record(p_org smallint, p_record text, p_subject bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    SELECT r.address_id INTO a FROM record r WHERE r.org_id = p_org AND r.record_id = p_record FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM 1 FROM address WHERE address_id = a FOR UPDATE;
    DELETE FROM mark WHERE org_id = p_org AND record_id = p_record;
    DELETE FROM dispute WHERE org_id = p_org AND record_id = p_record;
    DELETE FROM record WHERE org_id = p_org AND record_id = p_record;
    INSERT INTO event (kind, subject, org_id, record_id) VALUES ('record deleted', p_subject, p_org, p_record);
    PERFORM look_up_unlinked(p_org, ARRAY[a]);
END $$;

-- What stands there, without what is empty; '{}' where there is nothing.
CREATE FUNCTION compliance_told(c compliance) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_strip_nulls(to_jsonb(c)) - '{address_id,set_at,set_by}'::text[], '{}')
$$;

-- Sets or changes it for people, who are named by address row and subject; a change holds the values to be stored by name.
-- Alone against an erasure (7005): nothing is kept about who was erased. Answers for how many people it changed something.
CREATE FUNCTION compliance_set(p_addresses bigint[], p_subjects bytea[], p_changes jsonb[], p_source text, p_actor text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7005, 0);
    PERFORM 1 FROM address WHERE address_id = ANY (p_addresses) ORDER BY address_id FOR UPDATE;
    WITH given AS (
        SELECT DISTINCT ON (i.id) i.id, i.subject, i.change
        FROM unnest(p_addresses, p_subjects, p_changes) AS i(id, subject, change) ORDER BY i.id),
    wanted AS (
        SELECT g.id, g.subject, compliance_told(c) AS was, jsonb_populate_record(c, g.change) AS will
        FROM given g JOIN address a ON a.address_id = g.id LEFT JOIN compliance c ON c.address_id = g.id
        WHERE a.normal IS NOT NULL),
    changed AS (
        INSERT INTO compliance AS c (address_id, authorization_type, authorization_note, consent_date, consent_purpose,
                                     source_type, source_note, set_at, set_by)
        SELECT w.id, (w.will).authorization_type, (w.will).authorization_note, (w.will).consent_date, (w.will).consent_purpose,
               (w.will).source_type, (w.will).source_note, clock(), p_actor
        FROM wanted w WHERE compliance_told(w.will) <> w.was
        ON CONFLICT (address_id) DO UPDATE SET (authorization_type, authorization_note, consent_date, consent_purpose,
                                                source_type, source_note, set_at, set_by)
            = (EXCLUDED.authorization_type, EXCLUDED.authorization_note, EXCLUDED.consent_date, EXCLUDED.consent_purpose,
               EXCLUDED.source_type, EXCLUDED.source_note, EXCLUDED.set_at, EXCLUDED.set_by)
        RETURNING c.address_id)
    INSERT INTO event (kind, subject, source, actor, evidence)
    SELECT 'compliance set', w.subject, p_source, p_actor, compliance_told(w.will)
    FROM changed JOIN wanted w ON w.id = changed.address_id;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

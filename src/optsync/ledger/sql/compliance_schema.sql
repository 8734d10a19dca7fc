-- Why a person's data may be used, and where it came from (core/compliance.py). It never changes an opt-out. Texts hold no
-- addresses. No foreign key, as with opt_out.
CREATE TABLE compliance (
    address_id         bigint PRIMARY KEY,
    authorization_type text CHECK (authorization_type IN (
        'consent', 'legitimate interest', 'performance of a contract', 'compliance with legal obligation',
        'protection of vital interests', 'public interest/official authority', 'other')),
    authorization_note text,
    consent_date       date,
    consent_purpose    text,
    source_type        text CHECK (source_type IN ('crm sync', 'import', 'manual upload', 'chrome extension', 'other')),
    source_note        text,
    set_at             timestamptz NOT NULL,
    set_by             text NOT NULL,
    CHECK ((authorization_type IS NOT DISTINCT FROM 'consent') = (consent_date IS NOT NULL)),
    CHECK ((consent_date IS NULL) = (consent_purpose IS NULL))
);

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

-- As in functions.sql; and nothing is kept any more of why the data could be used.
CREATE OR REPLACE FUNCTION erase_address(p_address bigint, p_subject bytea, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock(7005, 0);
    UPDATE address SET normal = NULL, erased_hash = p_subject WHERE address_id = p_address AND normal IS NOT NULL;
    IF NOT FOUND THEN RETURN false; END IF;
    DELETE FROM lookup WHERE address_id = p_address;
    DELETE FROM compliance WHERE address_id = p_address;
    INSERT INTO event (kind, subject, actor, reason) VALUES ('erased', p_subject, p_actor, p_reason);
    RETURN true;
END $$;

-- An address row: how it is named, made and locked, and erased.

-- The subject of an address row; pads: core/addresses.py hmac_pads of the subject key.
CREATE FUNCTION subject_of(p_normal text, p_erased bytea, p_inner bytea, p_outer bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$     -- convert_to is stable: an immutable function would not be inlined
    SELECT coalesce(p_erased, sha256(p_outer || sha256(p_inner || convert_to(p_normal, 'UTF8'))))
$$;

-- Locks and returns the address rows of normal forms, making new ones; parallel to the input, NULL for NULL. Doors hash
-- first: an erased address is found by its hash and never stored in clear again. p_also are locked in the same breath.
CREATE FUNCTION addresses_locked(p_normals text[], p_subjects bytea[], p_also bigint[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE ids bigint[]; missed boolean;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7005, 0);      -- before any row: a field change waits for those who hold rows
    FOR attempt IN 1 .. 3 LOOP      -- one that another session makes at this moment is found the next time
        WITH given AS MATERIALIZED (
            SELECT i.nth, i.normal, coalesce(clear.address_id, erased.address_id) AS id
            FROM unnest(p_normals, p_subjects) WITH ORDINALITY AS i(normal, subject, nth)
            LEFT JOIN LATERAL (SELECT x.address_id FROM address x WHERE x.normal = i.normal OFFSET 0) clear ON true
            LEFT JOIN address erased ON erased.erased_hash = i.subject),
        made AS (
            INSERT INTO address (normal) SELECT DISTINCT g.normal FROM given g WHERE g.id IS NULL AND g.normal IS NOT NULL
            ORDER BY g.normal ON CONFLICT (normal) DO NOTHING RETURNING address_id, normal)
        SELECT array_agg(coalesce(g.id, m.address_id) ORDER BY g.nth),
               coalesce(bool_or(g.normal IS NOT NULL AND g.id IS NULL AND m.address_id IS NULL), false) INTO ids, missed
        FROM given g LEFT JOIN made m ON g.id IS NULL AND m.normal = g.normal;
        EXIT WHEN NOT missed;
    END LOOP;
    PERFORM 1 FROM address x WHERE x.address_id = ANY (ids || p_also)   -- meets the KEY SHARE of a link in flight
    ORDER BY x.address_id FOR UPDATE;
    RETURN ids;
END $$;

-- Erases an address: only its keyed hash stays, so that its opt-out, marks and links still count; why the data could be used
-- is no longer kept. Alone (7005): whoever makes addresses looks for erased rows first, and one that was made and erased
-- since would be stored in clear again.
CREATE FUNCTION erase_address(p_address bigint, p_subject bytea, p_actor text, p_reason text) RETURNS boolean
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

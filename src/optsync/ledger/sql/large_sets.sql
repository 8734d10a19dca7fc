-- What large sets need of the functions in functions.sql, which these replace: an import of a million people spends its time
-- here. Nothing else is different. `OFFSET 0` keeps the planner at one index search for each person: for 20,000 of them it
-- would read the whole table, for each portion again.

-- Locks and returns the address rows of normal forms, making new ones; parallel to the input, NULL for NULL. Doors hash
-- first: an erased address is found by its hash and never stored in clear again. p_also are locked in the same breath.
CREATE OR REPLACE FUNCTION addresses_locked(p_normals text[], p_subjects bytea[], p_also bigint[]) RETURNS bigint[]
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

-- Wants opted-out addresses looked up by exact e-mail now, in every org where their opt-out is due.
CREATE OR REPLACE FUNCTION want_lookups(p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    WITH d AS MATERIALIZED (SELECT DISTINCT epoch, org_id FROM due)     -- small, but not to a planner that never saw it
    INSERT INTO lookup (org_id, address_id)
    SELECT d.org_id, o.address_id FROM opt_out o JOIN d USING (epoch)
    WHERE o.address_id = ANY (p_addresses) AND o.scope = 0 AND o.lifted_at IS NULL      -- an erased one cannot be asked for
      AND EXISTS (SELECT FROM address a WHERE a.address_id = o.address_id AND a.normal IS NOT NULL OFFSET 0)
    ORDER BY 1, 2
    ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = clock(), attempts = 0
$$;

-- Owes every live record of opted-out addresses its due boxes; an address that is not opted out is passed over. What a
-- new mark waits for, strongest first: a lift that waits, an undecided hold, the fan-out cap (not for named records),
-- p_held. An existing mark is left alone, except: p_again owes it afresh (a new opt-out during or after a lift), a mark
-- held for a lift or a hold that no longer is gets its due state, and a named one comes free of the cap.
-- Returns how many marks are now owed.
CREATE OR REPLACE FUNCTION owe_marks(p_addresses bigint[], p_named text[], p_again boolean, p_held text) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE n int; crowded int;
BEGIN
    WITH person AS MATERIALIZED (
        SELECT o.address_id, o.epoch,
               CASE WHEN o.lift_waits_at IS NOT NULL THEN 'lift'
                    WHEN EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id) WHERE i.address_id = o.address_id
                                 AND h.direction = 'o' AND h.decided_at IS NULL) THEN 'brake' END AS held,
               CASE WHEN a.fan_out IS NOT DISTINCT FROM 'a' THEN NULL
                    WHEN (SELECT count(*) FROM (SELECT FROM record r WHERE r.address_id = o.address_id
                          AND r.successor IS NULL LIMIT fan_out_cap() + 1) few) <= fan_out_cap() THEN NULL
                    WHEN a.fan_out = 'r' THEN 'fan-out refused' ELSE 'fan-out' END AS crowd
        FROM opt_out o, LATERAL (SELECT x.fan_out FROM address x WHERE x.address_id = o.address_id OFFSET 0) a
        WHERE o.address_id = ANY (p_addresses) AND o.scope = 0 AND o.lifted_at IS NULL
          AND EXISTS (SELECT FROM record r WHERE r.address_id = o.address_id AND r.successor IS NULL OFFSET 0)),  -- most have none
    wanted AS (
        SELECT r.org_id, d.field, r.record_id, g.run_no, p.address_id,
               coalesce(p.held, CASE WHEN r.record_id NOT IN (SELECT unnest(p_named)) THEN p.crowd END, p_held) AS reason
        FROM person p, LATERAL (SELECT org_id, record_id FROM record WHERE address_id = p.address_id AND successor IS NULL
                                OFFSET 0) r     -- in tables never analysed the planner would read all records for each person
        JOIN due d ON d.org_id = r.org_id JOIN org g ON g.org_id = r.org_id WHERE d.epoch = p.epoch),
    made AS (
        INSERT INTO mark AS m (org_id, field, record_id, due_at, touched_run, state, reason)
        SELECT w.org_id, w.field, w.record_id, CASE WHEN w.reason IS NULL THEN clock() END, w.run_no,
               CASE WHEN w.reason IS NULL THEN 'o' WHEN w.reason = 'fan-out refused' THEN 'p' ELSE 'h' END::"char", w.reason
        FROM wanted w ORDER BY w.org_id, w.field, w.record_id
        ON CONFLICT (org_id, field, record_id) DO UPDATE
            SET state = EXCLUDED.state, reason = EXCLUDED.reason, due_at = EXCLUDED.due_at,
                touched_run = EXCLUDED.touched_run, attempts = 0
            WHERE p_again
               OR (m.state = 'h' AND (m.reason = 'brake' OR m.reason LIKE 'lift%')       -- 'lift, unticked' is a lift's too
                   AND EXCLUDED.reason IS DISTINCT FROM split_part(m.reason, ',', 1))
               OR (m.reason IN ('fan-out', 'fan-out refused') AND m.record_id IN (SELECT unnest(p_named)))
        RETURNING m.state, m.reason)
    SELECT count(*) FILTER (WHERE made.state = 'o'), count(*) FILTER (WHERE made.reason = 'fan-out') INTO n, crowded FROM made;
    IF crowded > 0 THEN PERFORM hold_crowds(p_addresses); END IF;
    RETURN n;
END $$;

-- What each box (org, field, record) is owed: made, held back, removed and claimed.
--
-- `OFFSET 0`, here and elsewhere, keeps the planner at one index search for each person: for 20,000 of them, or in tables
-- never analysed, it would read the whole table, for each portion of an import again.

CREATE FUNCTION fan_out_cap() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 20';      -- rules 4

-- Owes every live record of opted-out addresses its due boxes; an address that is not opted out is passed over. What a
-- new mark waits for, strongest first: a lift that waits, an undecided hold, the fan-out cap (not for named records),
-- p_held. An existing mark is left alone, except: p_again owes it afresh (a new opt-out during or after a lift), a mark
-- held for a lift or a hold that no longer is gets its due state, and a named one comes free of the cap.
-- Returns how many marks are now owed.
CREATE FUNCTION owe_marks(p_addresses bigint[], p_named text[], p_again boolean, p_held text) RETURNS int
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

-- One undecided hold for each of the addresses whose marks the fan-out cap holds: each is a decision of its own.
CREATE FUNCTION hold_crowds(p_addresses bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    FOR a IN SELECT DISTINCT r.address_id FROM record r JOIN mark m USING (org_id, record_id)
             WHERE r.address_id = ANY (p_addresses) AND m.state = 'h' AND m.reason = 'fan-out'
               AND NOT EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id) WHERE i.address_id = r.address_id
                               AND h.direction = 'f' AND h.decided_at IS NULL) LOOP
        WITH h AS (INSERT INTO hold (direction, origin) VALUES ('f', 'more than 20 records') RETURNING hold_id)
        INSERT INTO hold_item (hold_id, address_id) SELECT hold_id, a FROM h;
    END LOOP;
END $$;

-- Removes marks of addresses' live records in fields where the opt-out is not due (any more), unless being sent now.
CREATE FUNCTION trim_marks(p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    DELETE FROM mark m USING record r LEFT JOIN opt_out o
        ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL
    WHERE r.address_id = ANY (p_addresses) AND (m.org_id, m.record_id) = (r.org_id, r.record_id)
      AND NOT EXISTS (SELECT FROM due d WHERE (d.epoch, d.org_id, d.field) = (o.epoch, m.org_id, m.field))
      AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()))
$$;

-- After a worker's claims of records have ended: removes the marks that trim_marks had to leave to it, because the record
-- moved to an opt-out due in other fields. Waits for a move in flight; while there is one target only, there are none.
CREATE FUNCTION trim_settled(p_org smallint, p_records text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM target_epoch) = 1 THEN RETURN; END IF;
    PERFORM 1 FROM record r WHERE r.org_id = p_org AND r.record_id = ANY (p_records) ORDER BY r.record_id FOR SHARE;
    PERFORM trim_marks(ARRAY(SELECT r.address_id FROM record r WHERE r.org_id = p_org AND r.record_id = ANY (p_records)));
END $$;

-- Claims up to p_limit due marks of one org for a live worker; no transaction stays open across HTTP. Up to p_newest are
-- the newest ones: a backlog drains from both ends, so that who opts out now does not wait behind it.
-- Says whose records they are from the same snapshot: an outer join's would be older, and miss a mark just committed.
CREATE FUNCTION claim_marks(p_worker int, p_org smallint, p_limit int, p_newest int)
RETURNS TABLE (field smallint, record_id text, attempts smallint, kind "char", address_id bigint, normal text, state "char")
LANGUAGE sql AS $$
    WITH live AS MATERIALIZED (SELECT w FROM live_workers() w),
    stopped AS MATERIALIZED (SELECT p.field, p.prefix FROM pause p WHERE p.org_id = p_org AND p.until > clock()),
    newest AS MATERIALIZED (
        SELECT m.org_id, m.field, m.record_id FROM mark m
        WHERE m.state NOT IN ('c', 'h') AND m.due_at <= clock() AND m.org_id = p_org
          AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT w FROM live))
          AND NOT EXISTS (SELECT FROM stopped s WHERE s.field IN (0, m.field) AND s.prefix IN ('', left(m.record_id, 3)))
        ORDER BY m.due_at DESC LIMIT p_newest FOR UPDATE SKIP LOCKED),
    oldest AS MATERIALIZED (
        SELECT m.org_id, m.field, m.record_id FROM mark m
        WHERE m.state NOT IN ('c', 'h') AND m.due_at <= clock() AND m.org_id = p_org
          AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT w FROM live))
          AND NOT EXISTS (SELECT FROM stopped s WHERE s.field IN (0, m.field) AND s.prefix IN ('', left(m.record_id, 3)))
          AND (m.field, m.record_id) NOT IN (SELECT n.field, n.record_id FROM newest n)
        ORDER BY m.due_at LIMIT p_limit - p_newest FOR UPDATE SKIP LOCKED),
    c AS (SELECT * FROM newest UNION ALL SELECT * FROM oldest)
    UPDATE mark m SET claimed_by = p_worker, attempts = least(m.attempts + 1, 32000)
    FROM c LEFT JOIN record r USING (org_id, record_id) LEFT JOIN address a USING (address_id)
    WHERE (m.org_id, m.field, m.record_id) = (c.org_id, c.field, c.record_id)
    RETURNING m.field, m.record_id, m.attempts, r.kind, r.address_id, a.normal, m.state
$$;

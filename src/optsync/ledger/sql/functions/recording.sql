-- How opt-outs come in: by a door for one address, and for sets by what stands behind it.

-- The door: records the opt-out of one address; made anew when unknown. One plan for all calls and index searches only:
-- planning for each array of one costs twice the work itself (0.5 instead of 1.6 ms).
CREATE FUNCTION opt_out_record(p_normal text, p_subject bytea, p_source text, p_scope int, p_actor text, p_reason text,
                               p_evidence jsonb, p_named text[])
RETURNS TABLE (address_id bigint, outcome text, version bigint, owed int)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY SELECT * FROM opt_out_addresses(addresses_locked(ARRAY[p_normal], ARRAY[p_subject], '{}'),
        ARRAY[p_subject], p_source, p_scope, p_actor, ARRAY[p_reason], ARRAY[p_evidence], p_named, NULL);
END $$;

-- Records opt-outs of locked addresses (7005 is held, too): opt-out, event, owed marks, look-ups, one notify. Unique per
-- (address, scope); recording again answers 'already' and changes nothing, except during a lift ('again' ends the wait) or
-- after one ('again'); and where a tick in Salesforce had made the opt-out, the word of whoever repeats it takes the place
-- of the tick as its source, so that undoing the tick leaves it. Arrays run in parallel to p_addresses. With p_hold the new ones join that undecided outbound hold.
-- One row per input row; owed is the total of the call.
CREATE FUNCTION opt_out_addresses(p_addresses bigint[], p_subjects bytea[], p_source text, p_scope int, p_actor text,
                                  p_reasons text[], p_evidence jsonb[], p_named text[], p_hold int)
RETURNS TABLE (address_id bigint, outcome text, version bigint, owed int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE e int; fresh bigint[]; again bigint[]; freed bigint[]; n int := 0;
BEGIN
    SELECT t.epoch INTO e FROM target t;
    WITH given AS (
        SELECT DISTINCT ON (i.id) i.* FROM unnest(p_addresses, p_subjects, p_reasons, p_evidence) WITH ORDINALITY
            AS i(id, subject, reason, evidence, nth) ORDER BY i.id, i.nth),
    recorded AS (
        INSERT INTO opt_out AS o (address_id, scope, source, epoch) SELECT g.id, p_scope, p_source, e FROM given g
        ON CONFLICT (address_id, scope) DO UPDATE
            SET lifted_at = NULL, lift_waits_at = NULL, since = clock(), source = EXCLUDED.source,
                version = nextval('version_seq'), epoch = EXCLUDED.epoch
            WHERE o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL
        RETURNING o.address_id, o.version, o.xmax = 0 AS is_new),
    told AS (
        INSERT INTO event (kind, subject, scope, source, actor, reason, evidence)
        SELECT 'opted out', g.subject, p_scope, p_source, p_actor, g.reason, g.evidence
        FROM recorded r JOIN given g ON g.id = r.address_id ORDER BY g.nth),
    held AS (
        INSERT INTO hold_item (hold_id, address_id, version) SELECT p_hold, r.address_id, r.version
        FROM recorded r WHERE p_hold IS NOT NULL ON CONFLICT DO NOTHING)
    SELECT coalesce(array_agg(r.address_id) FILTER (WHERE r.is_new), '{}'),
           coalesce(array_agg(r.address_id) FILTER (WHERE NOT r.is_new), '{}') INTO fresh, again FROM recorded r;
    IF p_scope = 0 THEN
        freed := repeat_in_holds(p_addresses, p_hold);
        IF p_source NOT IN ('salesforce sync', 'follows record') AND cardinality(fresh || again) < cardinality(p_addresses) THEN
            WITH given AS (SELECT DISTINCT ON (i.id) i.* FROM unnest(p_addresses, p_subjects, p_reasons, p_evidence)
                           WITH ORDINALITY AS i(id, subject, reason, evidence, nth) ORDER BY i.id, i.nth),
            repeated AS (UPDATE opt_out o SET source = p_source FROM given g
                         WHERE o.address_id = g.id AND o.scope = 0 AND o.source = 'salesforce sync'
                           AND o.address_id <> ALL (fresh || again) RETURNING g.*)
            INSERT INTO event (kind, subject, scope, source, actor, reason, evidence)
            SELECT 'repeated', r.subject, 0, p_source, p_actor, r.reason, r.evidence FROM repeated r ORDER BY r.nth;
        END IF;
        IF again <> '{}' THEN
            PERFORM trim_marks(again);
            n := owe_marks(again, p_named, true, NULL);
        END IF;
        IF p_named <> '{}' THEN freed := p_addresses; END IF;
        IF fresh || freed <> '{}' THEN n := n + owe_marks(fresh || freed, p_named, false, NULL); END IF;
        IF fresh || again <> '{}' THEN PERFORM want_lookups(fresh || again); END IF;
        IF n > 0 OR fresh || again <> '{}' THEN PERFORM wake_workers(); END IF;
    END IF;
    RETURN QUERY SELECT o.address_id, CASE WHEN o.address_id IN (SELECT unnest(fresh)) THEN 'new'
                                           WHEN o.address_id IN (SELECT unnest(again)) THEN 'again' ELSE 'already' END,
                        o.version, n
        FROM opt_out o WHERE o.address_id = ANY (p_addresses) AND o.scope = p_scope;
END $$;

-- A repeat takes addresses out of undecided mass holds: somebody meant it. A set that is itself held (p_hold) takes over
-- the addresses of earlier outbound holds instead: the latest set that named them decides. Returns the freed addresses.
CREATE FUNCTION repeat_in_holds(p_addresses bigint[], p_hold int) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE freed bigint[];
BEGIN
    IF p_hold IS NULL THEN
        WITH gone AS (DELETE FROM hold_item i USING hold h
                      WHERE i.address_id = ANY (p_addresses) AND h.hold_id = i.hold_id AND h.direction <> 'f'
                        AND h.decided_at IS NULL RETURNING i.address_id)
        SELECT array_agg(DISTINCT gone.address_id) INTO freed FROM gone;
    ELSE
        WITH moved AS (DELETE FROM hold_item i USING hold h
                       WHERE i.address_id = ANY (p_addresses) AND h.hold_id = i.hold_id AND h.direction = 'o'
                         AND h.decided_at IS NULL AND h.hold_id <> p_hold RETURNING i.hold_id, i.address_id, i.version),
        files AS (UPDATE import_file f SET hold_id = p_hold FROM moved WHERE f.hold_id = moved.hold_id)
        INSERT INTO hold_item (hold_id, address_id, version)
        SELECT p_hold, moved.address_id, max(moved.version) FROM moved GROUP BY 2 ON CONFLICT DO NOTHING;
    END IF;
    RETURN coalesce(freed, '{}');
END $$;

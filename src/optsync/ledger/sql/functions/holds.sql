-- Deciding about held mass changes (rules 8); the sets are large, so each plan is made for the arrays at hand.
-- Items end with the decision: an item blocks its address for as long as it exists.

-- Holds the owed marks of addresses back: they join an undecided outbound hold. Versions run in parallel and name the
-- opt-outs that the held set created (NULL = it existed before). Marks being sent now are left to their worker.
CREATE FUNCTION hold_marks(p_hold int, p_addresses bigint[], p_versions bigint[]) RETURNS int LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE n int;
BEGIN
    PERFORM 1 FROM address a WHERE a.address_id = ANY (p_addresses) ORDER BY a.address_id FOR UPDATE;
    INSERT INTO hold_item (hold_id, address_id, version)
    SELECT p_hold, i.id, max(i.version) FROM unnest(p_addresses, p_versions) AS i(id, version) GROUP BY i.id ON CONFLICT DO NOTHING;
    UPDATE mark m SET state = 'h', reason = 'brake', due_at = NULL FROM record r
    WHERE r.address_id = ANY (p_addresses) AND (m.org_id, m.record_id) = (r.org_id, r.record_id) AND m.state = 'o'
      AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()));
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- Releases a hold: inbound ticks become opt-outs, outbound marks are owed, an address above the fan-out cap is written.
-- Returns the addresses concerned.
CREATE FUNCTION hold_apply(p_hold int, p_inner bytea, p_outer bytea, p_actor text) RETURNS int LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan AS $$
DECLARE h hold; ids bigint[]; subjects bytea[]; ticked text[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    SELECT * INTO h FROM hold WHERE hold_id = p_hold AND decided_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    ids := ARRAY(SELECT DISTINCT i.address_id FROM hold_item i WHERE i.hold_id = p_hold ORDER BY 1);
    PERFORM 1 FROM address a WHERE a.address_id = ANY (ids) ORDER BY a.address_id FOR UPDATE;
    IF h.direction = 'i' THEN
        SELECT array_agg(subject_of(a.normal, a.erased_hash, p_inner, p_outer) ORDER BY a.address_id) INTO subjects
        FROM address a WHERE a.address_id = ANY (ids);
        ticked := ARRAY(SELECT DISTINCT i.record_id FROM hold_item i WHERE i.hold_id = p_hold AND i.record_id <> '');
        PERFORM opt_out_addresses(ids, subjects, 'salesforce sync', 0, p_actor, NULL, NULL, ticked, NULL);
    END IF;
    DELETE FROM hold_item i WHERE i.hold_id = p_hold;
    IF h.direction = 'f' THEN
        UPDATE address SET fan_out = 'a' WHERE address_id = ANY (ids);
        UPDATE mark m SET state = 'o', reason = NULL, due_at = clock() FROM record r
        WHERE r.address_id = ANY (ids) AND (m.org_id, m.record_id) = (r.org_id, r.record_id)
          AND m.reason IN ('fan-out', 'fan-out refused');
    END IF;
    PERFORM owe_marks(ids, '{}', false, NULL);
    PERFORM pg_notify('mark', '');
    PERFORM hold_decided(p_hold, 'applied', cardinality(ids), p_actor, NULL);
    RETURN cardinality(ids);
END $$;

-- Refuses a hold. Inbound: exactly those ticks are disputed and the people unblocked. Outbound: the opt-outs that the set
-- created and nobody repeated are lifted; marks of older opt-outs are parked for a person. Fan-out: the other records'
-- marks are parked, later ones too. Returns the addresses that are left because a worker is sending to them now.
CREATE FUNCTION hold_drop(p_hold int, p_inner bytea, p_outer bytea, p_actor text, p_note text) RETURNS int
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE h hold; ids bigint[]; busy int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    SELECT * INTO h FROM hold WHERE hold_id = p_hold AND decided_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    ids := ARRAY(SELECT DISTINCT i.address_id FROM hold_item i WHERE i.hold_id = p_hold ORDER BY 1);
    PERFORM 1 FROM address a WHERE a.address_id = ANY (ids) ORDER BY a.address_id FOR UPDATE;
    IF h.direction = 'i' THEN
        INSERT INTO dispute (org_id, field, record_id, hold_id)
        SELECT i.org_id, i.field, i.record_id, p_hold FROM hold_item i WHERE i.hold_id = p_hold AND i.record_id <> ''
        ON CONFLICT DO NOTHING;
    ELSIF h.direction = 'f' THEN
        UPDATE address SET fan_out = 'r' WHERE address_id = ANY (ids);
        UPDATE mark m SET state = 'p', reason = 'fan-out refused', due_at = NULL FROM record r
        WHERE r.address_id = ANY (ids) AND (m.org_id, m.record_id) = (r.org_id, r.record_id) AND m.reason = 'fan-out';
    ELSE
        busy := drop_outbound(p_hold, p_inner, p_outer, p_actor, p_note);
        IF busy > 0 THEN RETURN busy; END IF;
        DELETE FROM import_file f WHERE f.hold_id = p_hold;     -- whoever imports it again means it
    END IF;
    DELETE FROM hold_item i WHERE i.hold_id = p_hold;
    PERFORM hold_decided(p_hold, 'dropped', cardinality(ids), p_actor, p_note);
    RETURN 0;
END $$;

CREATE FUNCTION drop_outbound(p_hold int, p_inner bytea, p_outer bytea, p_actor text, p_note text) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE busy int;
BEGIN
    SELECT count(*) INTO busy FROM (
        SELECT lift_record(i.address_id, 'now', i.version, subject_of(a.normal, a.erased_hash, p_inner, p_outer),
                           p_actor, coalesce(p_note, 'hold dropped'), jsonb_build_object('hold', p_hold)) AS answer
        FROM (SELECT * FROM hold_item WHERE hold_id = p_hold AND version IS NOT NULL ORDER BY address_id) i
        JOIN address a USING (address_id)) lifted WHERE lifted.answer = 'busy';
    IF busy > 0 THEN RETURN busy; END IF;      -- not decided yet: what is left may still be applied
    UPDATE mark m SET state = 'p', reason = 'hold dropped', due_at = NULL FROM record r JOIN hold_item i USING (address_id)
    WHERE i.hold_id = p_hold AND i.version IS NULL AND (m.org_id, m.record_id) = (r.org_id, r.record_id)
      AND m.state = 'h' AND m.reason = 'brake';
    RETURN 0;
END $$;

CREATE FUNCTION hold_decided(p_hold int, p_decision text, p_addresses int, p_actor text, p_note text) RETURNS void
LANGUAGE sql AS $$
    UPDATE hold SET decided_at = clock(), decision = p_decision, decided_by = p_actor, note = p_note WHERE hold_id = p_hold;
    INSERT INTO event (kind, actor, reason, evidence)
    VALUES ('hold ' || p_decision, p_actor, p_note, jsonb_build_object('hold', p_hold, 'addresses', p_addresses));
$$;

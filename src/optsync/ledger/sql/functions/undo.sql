-- Undoing what a run brought in (rules 8): its ticks were a mistake. Nothing is written in Salesforce.

-- The people whom a run has opted out by a tick and who are opted out by nothing else. An opt-out and its event are of one
-- transaction and so of one moment. repeated: somebody has ticked a box of theirs since: one that neither we have ticked
-- nor the run has read. (Who has said it by any other door is no longer opted out by a tick.)
CREATE FUNCTION brought_in(p_run int, p_org smallint, p_run_no int, p_inner bytea, p_outer bytea)
RETURNS TABLE (address_id bigint, version bigint, subject bytea, record_id text, repeated boolean)
LANGUAGE sql STABLE SET plan_cache_mode = force_custom_plan AS $$
    WITH told AS MATERIALIZED (
        SELECT e.event_id, e.subject, e.record_id, e.at FROM event e
        WHERE e.run_id = p_run AND e.org_id = p_org AND e.kind = 'opted out' AND e.source = 'salesforce sync'),
    still AS MATERIALIZED (
        SELECT o.address_id, o.version, t.subject, t.record_id, t.event_id
        FROM opt_out o JOIN address a USING (address_id)
        JOIN told t ON t.at = o.since AND t.subject = subject_of(a.normal, a.erased_hash, p_inner, p_outer)
        WHERE o.scope = 0 AND o.source = 'salesforce sync' AND o.lifted_at IS NULL
          AND o.since IN (SELECT DISTINCT told.at FROM told))
    SELECT s.address_id, s.version, s.subject, s.record_id, EXISTS (
        SELECT FROM record r JOIN mark m USING (org_id, record_id)
        CROSS JOIN LATERAL (
            SELECT count(*) AS all_told, count(*) FILTER (WHERE e.reason IS NULL) AS by_us FROM event e
            WHERE e.subject = s.subject AND e.kind = 'confirmed' AND e.event_id > s.event_id
              AND (e.org_id, e.field, e.record_id) = (m.org_id, m.field, m.record_id)) c
        WHERE r.address_id = s.address_id AND m.state = 'c' AND c.by_us = 0
          AND NOT (m.org_id = p_org AND m.touched_run <= p_run_no AND c.all_told = 0))
    FROM still s
$$;

-- Disputes the ticks that a run brought in, and ends the opt-outs that they made and nobody repeated. p_fields are those
-- that the run read. Answers how many people are unblocked, are left because a worker is sending to them now, and stay.
CREATE FUNCTION run_undo(p_run int, p_org smallint, p_run_no int, p_fields smallint[], p_inner bytea, p_outer bytea,
                         p_actor text, p_reason text)
RETURNS TABLE (lifted int, busy int, stay int) LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE one record; boxes jsonb; answer text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    PERFORM 1 FROM address a WHERE a.address_id IN (
        SELECT b.address_id FROM brought_in(p_run, p_org, p_run_no, p_inner, p_outer) b) ORDER BY a.address_id FOR UPDATE;
    lifted := 0; busy := 0; stay := 0;
    -- A new statement: its snapshot sees what a door has recorded that the locks have just waited for.
    FOR one IN SELECT * FROM brought_in(p_run, p_org, p_run_no, p_inner, p_outer) b ORDER BY b.address_id LOOP
        IF one.repeated THEN
            stay := stay + 1;
            CONTINUE;
        END IF;
        -- What is ticked now, read or written by us: else the next night would take it for an opt-out. The lift ends the marks.
        SELECT coalesce(jsonb_agg(jsonb_build_array(m.org_id, m.field, m.record_id)), '[]') INTO boxes
        FROM record r JOIN mark m USING (org_id, record_id) WHERE r.address_id = one.address_id AND m.state = 'c';
        answer := lift_record(one.address_id, 'now', one.version, one.subject, p_actor, p_reason,
                              jsonb_build_object('run', p_run));
        IF answer = 'busy' THEN busy := busy + 1; END IF;
        CONTINUE WHEN answer <> 'lifted';
        lifted := lifted + 1;
        INSERT INTO dispute AS d (org_id, field, record_id, run_id)
        SELECT (b->>0)::smallint, (b->>1)::smallint, b->>2, p_run FROM jsonb_array_elements(boxes) b
        UNION SELECT p_org, f, one.record_id, p_run FROM unnest(p_fields) f
        ON CONFLICT DO NOTHING;
    END LOOP;
    IF lifted > 0 THEN
        INSERT INTO event (kind, actor, reason, org_id, run_id, evidence) VALUES ('run undone', p_actor, p_reason, p_org, p_run,
            jsonb_build_object('run', p_run, 'lifted', lifted, 'busy', busy, 'stay', stay));
    END IF;
    RETURN NEXT;
END $$;

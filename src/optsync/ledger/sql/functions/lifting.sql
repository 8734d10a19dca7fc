-- Lifts one address here (rules 6). p_mode 'wait': the lift waits until every box is unticked, the person stays blocked, nothing more
-- is written. 'complete': ends a lift that still waits. 'now': ends the opt-out. Answers lifted, waits, busy (a live worker
-- is sending), not opted out (also when it is no longer p_version).
CREATE FUNCTION lift_record(p_address bigint, p_mode text, p_version bigint, p_subject bytea, p_actor text, p_reason text,
                            p_evidence jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE o opt_out;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    PERFORM 1 FROM address WHERE address_id = p_address FOR UPDATE;
    SELECT * INTO o FROM opt_out WHERE address_id = p_address AND scope = 0 FOR UPDATE;
    IF NOT FOUND OR o.lifted_at IS NOT NULL OR o.version <> p_version
       OR (p_mode = 'complete' AND o.lift_waits_at IS NULL) THEN
        RETURN 'not opted out';
    END IF;
    PERFORM 1 FROM mark m JOIN record r USING (org_id, record_id) WHERE r.address_id = p_address
        ORDER BY m.org_id, m.field, m.record_id FOR UPDATE OF m;
    IF EXISTS (SELECT FROM mark m JOIN record r USING (org_id, record_id)
               WHERE r.address_id = p_address AND m.claimed_by IN (SELECT live_workers())) THEN
        -- No new claim may start while the admin waits for the one in flight (the HTTP deadline is 30 s).
        UPDATE mark m SET due_at = greatest(m.due_at, clock() + interval '35 seconds') FROM record r
        WHERE (r.org_id, r.record_id) = (m.org_id, m.record_id) AND r.address_id = p_address AND m.state IN ('o', 'p')
          AND m.due_at IS NOT NULL;
        RETURN 'busy';
    END IF;
    IF p_mode = 'wait' THEN
        UPDATE opt_out SET lift_waits_at = coalesce(lift_waits_at, clock()) WHERE address_id = p_address AND scope = 0;
        UPDATE mark m SET state = 'h', reason = 'lift', due_at = NULL, claimed_by = NULL FROM record r
        WHERE (r.org_id, r.record_id) = (m.org_id, m.record_id) AND r.address_id = p_address AND m.state <> 'c'
          AND (m.reason LIKE 'lift%') IS NOT TRUE;
        IF o.lift_waits_at IS NULL THEN
            INSERT INTO event (kind, subject, scope, actor, reason, evidence)
            VALUES ('lift asked', p_subject, 0, p_actor, p_reason, p_evidence);
        END IF;
        RETURN 'waits';
    END IF;
    UPDATE opt_out SET lifted_at = clock(), lift_waits_at = NULL, version = nextval('version_seq')
    WHERE address_id = p_address AND scope = 0;
    DELETE FROM mark m USING record r
    WHERE (r.org_id, r.record_id) = (m.org_id, m.record_id) AND r.address_id = p_address;
    DELETE FROM lookup WHERE address_id = p_address;
    DELETE FROM hold_item i USING hold h
    WHERE i.address_id = p_address AND h.hold_id = i.hold_id AND h.decided_at IS NULL;
    INSERT INTO event (kind, subject, scope, actor, reason, evidence)
    VALUES ('lifted', p_subject, 0, p_actor, p_reason, p_evidence);
    RETURN 'lifted';
END $$;

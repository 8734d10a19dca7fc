-- The statements that must be one round trip and one commit. Each is READ COMMITTED plpgsql: every statement inside gets a
-- fresh snapshot, which a single statement would not (it loses the mark of a record that is being linked at that moment).
-- Order of locks everywhere: nightly/lift advisory lock -> address row -> opt_out -> marks.

CREATE FUNCTION fan_out_cap() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 20';      -- rules 4

-- Workers whose session still holds its advisory lock (7001, worker number); a claim of any other is void.
CREATE FUNCTION live_workers() RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 7001 AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Locks and returns the address row of a normal form, making it when new. Doors hash first: an erased address is found by
-- its hash and never stored in clear again.
CREATE FUNCTION address_locked(p_normal text, p_subject bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    SELECT address_id INTO a FROM address WHERE erased_hash = p_subject FOR UPDATE;
    IF FOUND THEN RETURN a; END IF;
    INSERT INTO address (normal) VALUES (p_normal) ON CONFLICT DO NOTHING;
    SELECT address_id INTO a FROM address WHERE normal = p_normal FOR UPDATE;   -- meets the KEY SHARE of a link in flight
    RETURN a;
END $$;

-- Owes every live record of an opted-out address its due boxes. Marks above the fan-out cap are held unless named.
-- With p_again every existing mark is owed afresh (a new opt-out during or after a lift). Returns the marks now owed.
CREATE FUNCTION owe_marks(p_address bigint, p_epoch int, p_named text[], p_again boolean) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int; held int; refused boolean; over boolean;
BEGIN
    SELECT a.fan_out IS NOT DISTINCT FROM 'r'::"char",
           a.fan_out IS DISTINCT FROM 'a'::"char" AND
               (SELECT count(*) FROM record r WHERE r.address_id = p_address AND r.successor IS NULL) > fan_out_cap()
      INTO refused, over FROM address a WHERE a.address_id = p_address;
    WITH made AS (
        INSERT INTO mark AS m (org_id, field, record_id, due_at, touched_run, state, reason)
        SELECT r.org_id, d.field, r.record_id, clock(), g.run_no,
               CASE WHEN named.it OR NOT over THEN 'o' WHEN refused THEN 'p' ELSE 'h' END::"char",
               CASE WHEN named.it OR NOT over THEN NULL WHEN refused THEN 'fan-out refused' ELSE 'fan-out' END
        FROM record r JOIN due d ON d.epoch = p_epoch AND d.org_id = r.org_id JOIN org g ON g.org_id = r.org_id,
             LATERAL (SELECT r.record_id = ANY (p_named) AS it) named
        WHERE r.address_id = p_address AND r.successor IS NULL
        ON CONFLICT (org_id, field, record_id) DO UPDATE
            SET state = EXCLUDED.state, reason = EXCLUDED.reason, due_at = EXCLUDED.due_at,
                touched_run = EXCLUDED.touched_run, attempts = 0
            WHERE p_again OR (m.state = 'h' AND m.reason IN ('brake', 'lift'))
               OR (m.record_id = ANY (p_named) AND m.reason IN ('fan-out', 'fan-out refused'))
        RETURNING m.state)
    SELECT count(*) FILTER (WHERE state = 'o'), count(*) FILTER (WHERE state = 'h') INTO n, held FROM made;
    IF held > 0 AND NOT EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id)
                                WHERE i.address_id = p_address AND h.direction = 'f' AND h.decided_at IS NULL) THEN
        WITH h AS (INSERT INTO hold (direction, origin) VALUES ('f', 'more than 20 records') RETURNING hold_id)
        INSERT INTO hold_item (hold_id, address_id) SELECT hold_id, p_address FROM h;
    END IF;
    RETURN n;
END $$;

-- Records an opt-out: address, opt-out, event, owed marks, look-ups, notify. Unique per (address, scope); recording again
-- answers 'already' and changes nothing, except during a lift ('again' ends the wait) or after one ('again').
-- A repeat takes the address out of an undecided mass hold: somebody meant it.
CREATE FUNCTION opt_out_record(p_normal text, p_subject bytea, p_source text, p_scope int, p_actor text, p_reason text,
                               p_evidence jsonb, p_named text[])
RETURNS TABLE (address_id bigint, outcome text, version bigint, owed int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE a bigint; e int; v bigint; was_new boolean; freed int; n int := 0;
BEGIN
    a := address_locked(p_normal, p_subject);
    SELECT t.epoch INTO e FROM target t;
    INSERT INTO opt_out AS o (address_id, scope, source, epoch) VALUES (a, p_scope, p_source, e)
    ON CONFLICT (address_id, scope) DO UPDATE
        SET lifted_at = NULL, lift_waits_at = NULL, since = clock(), source = EXCLUDED.source,
            version = nextval('version_seq'), epoch = EXCLUDED.epoch
        WHERE o.lifted_at IS NOT NULL OR o.lift_waits_at IS NOT NULL
    RETURNING o.version, o.xmax = 0 INTO v, was_new;
    IF p_scope = 0 THEN
        DELETE FROM hold_item i USING hold h WHERE i.address_id = a AND h.hold_id = i.hold_id AND h.direction <> 'f';
        GET DIAGNOSTICS freed = ROW_COUNT;
    END IF;
    IF v IS NULL THEN
        IF freed > 0 OR cardinality(p_named) > 0 THEN
            SELECT o.epoch INTO e FROM opt_out o WHERE o.address_id = a AND o.scope = p_scope;
            n := owe_marks(a, e, p_named, false);
        END IF;
        SELECT o.version INTO v FROM opt_out o WHERE o.address_id = a AND o.scope = p_scope;
        IF n > 0 THEN PERFORM pg_notify('mark', ''); END IF;
        RETURN QUERY SELECT a, 'already', v, n;
        RETURN;
    END IF;
    INSERT INTO event (kind, subject, scope, source, actor, reason, evidence)
    VALUES ('opted out', p_subject, p_scope, p_source, p_actor, p_reason, p_evidence);
    IF p_scope = 0 THEN
        n := owe_marks(a, e, p_named, NOT was_new);
        INSERT INTO lookup AS l (org_id, address_id) SELECT g.org_id, a FROM org g
        ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = clock(), attempts = 0;
        PERFORM pg_notify('mark', '');
    END IF;
    RETURN QUERY SELECT a, CASE WHEN was_new THEN 'new' ELSE 'again' END, v, n;
END $$;

-- The subject of an address row; pads: core/addresses.py hmac_pads of the subject key.
CREATE FUNCTION subject_of(p_normal text, p_erased bytea, p_inner bytea, p_outer bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(p_erased, sha256(p_outer || sha256(p_inner || convert_to(p_normal, 'UTF8'))))
$$;

-- Owes the boxes of an address if it is opted out; 0 when it is not.
CREATE FUNCTION owe_if_opted_out(p_address bigint) RETURNS int LANGUAGE plpgsql AS $$
DECLARE e int; n int;
BEGIN
    SELECT o.epoch INTO e FROM opt_out o WHERE o.address_id = p_address AND o.scope = 0 AND o.lifted_at IS NULL;
    IF NOT FOUND THEN RETURN 0; END IF;
    n := owe_marks(p_address, e, '{}', false);
    IF n > 0 THEN PERFORM pg_notify('mark', ''); END IF;
    RETURN n;
END $$;

-- Stores one link without owing anything (NULL e-mail = the record has none). When a record with a mark moves to a new
-- address, the opt-out follows the person: the new address is opted out too and the old one keeps its opt-out.
CREATE FUNCTION store_link(p_org smallint, p_record text, p_kind "char", p_normal text, p_subject bytea, p_provenance "char")
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE a bigint; before bigint; existed boolean; follows boolean;
BEGIN
    IF p_normal IS NOT NULL THEN
        SELECT x.address_id INTO a FROM address x WHERE x.erased_hash = p_subject;
        IF NOT FOUND THEN
            INSERT INTO address (normal) VALUES (p_normal) ON CONFLICT DO NOTHING;
            SELECT x.address_id INTO a FROM address x WHERE x.normal = p_normal;
        END IF;
    END IF;
    SELECT r.address_id, true INTO before, existed FROM record r WHERE r.org_id = p_org AND r.record_id = p_record;
    IF existed AND (a IS NULL OR before = a) THEN RETURN before; END IF;
    follows := existed AND EXISTS (SELECT FROM mark m WHERE m.org_id = p_org AND m.record_id = p_record);
    IF follows THEN     -- before the KEY SHARE of the foreign key, which could not be raised past a waiting door
        PERFORM 1 FROM address x WHERE x.address_id = a FOR UPDATE;
    END IF;
    INSERT INTO record AS r (org_id, record_id, kind, address_id, provenance)
    VALUES (p_org, p_record, p_kind, a, p_provenance)
    ON CONFLICT (org_id, record_id) DO UPDATE SET address_id = EXCLUDED.address_id, provenance = EXCLUDED.provenance;
    IF follows AND NOT EXISTS (SELECT FROM opt_out o WHERE o.address_id = a AND o.scope = 0 AND o.lifted_at IS NULL) THEN
        PERFORM opt_out_record(p_normal, p_subject, 'follows record', 0, NULL, NULL,
                               jsonb_build_object('record', p_record), ARRAY[p_record]);
    END IF;
    RETURN a;
END $$;

-- Links records to addresses and owes what is due. All links of the call are stored before anything is owed, so that the
-- fan-out cap counts them together. Arrays run in parallel.
CREATE FUNCTION link_records(p_org smallint, p_records text[], p_kinds text[], p_normals text[], p_subjects bytea[],
                             p_provenance "char") RETURNS int LANGUAGE plpgsql AS $$
DECLARE linked bigint[];
BEGIN
    SELECT array_agg(DISTINCT x.a ORDER BY x.a) INTO linked FROM (
        SELECT store_link(p_org, i.record, i.kind::"char", i.normal, i.subject, p_provenance) AS a
        FROM unnest(p_records, p_kinds, p_normals, p_subjects) AS i(record, kind, normal, subject)) x WHERE x.a IS NOT NULL;
    -- A new statement: its snapshot sees a door that the foreign key's KEY SHARE has just waited for.
    RETURN coalesce((SELECT sum(owe_if_opted_out(a)) FROM unnest(linked) a), 0);
END $$;

-- A converted or merged record hands over to its successor: its marks end, the successor is linked to the same address
-- unless it is known already, and if anything was owed or confirmed the successor's address is opted out too.
CREATE FUNCTION follow_record(p_org smallint, p_old text, p_new text, p_kind "char", p_normal text, p_subject bytea,
                              p_provenance "char", p_subject_old bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE had_mark boolean; a bigint;
BEGIN
    PERFORM 1 FROM address x WHERE x.normal = p_normal OR x.address_id =        -- addresses before marks
        (SELECT address_id FROM record WHERE org_id = p_org AND record_id = p_old) ORDER BY x.address_id FOR UPDATE;
    UPDATE record SET successor = p_new WHERE org_id = p_org AND record_id = p_old RETURNING address_id INTO a;
    WITH gone AS (DELETE FROM mark WHERE org_id = p_org AND record_id = p_old RETURNING 1)
    SELECT count(*) > 0 INTO had_mark FROM gone;
    INSERT INTO event (kind, subject, org_id, record_id, evidence)
    VALUES (CASE p_provenance WHEN 'c' THEN 'converted' ELSE 'merged' END, p_subject_old, p_org, p_old,
            jsonb_build_object('successor', p_new));
    IF p_normal IS NULL THEN
        INSERT INTO record (org_id, record_id, kind, address_id, provenance) VALUES (p_org, p_new, p_kind, a, p_provenance)
        ON CONFLICT DO NOTHING;
        IF had_mark AND a IS NOT NULL THEN
            PERFORM owe_marks(a, o.epoch, ARRAY[p_new], false) FROM opt_out o
            WHERE o.address_id = a AND o.scope = 0 AND o.lifted_at IS NULL;
        END IF;
    ELSE
        PERFORM link_records(p_org, ARRAY[p_new], ARRAY[p_kind::text], ARRAY[p_normal], ARRAY[p_subject], p_provenance);
        IF had_mark THEN
            PERFORM opt_out_record(p_normal, p_subject, 'follows record', 0, NULL, NULL,
                                   jsonb_build_object('record', p_old), ARRAY[p_new]);
        END IF;
    END IF;
    PERFORM pg_notify('mark', '');
    RETURN had_mark;
END $$;

-- A deleted record: its marks end with an event, its link ends, its address stays opted out and is looked up again.
CREATE FUNCTION forget_record(p_org smallint, p_record text, p_subject bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    PERFORM 1 FROM address WHERE address_id = (SELECT address_id FROM record WHERE org_id = p_org AND record_id = p_record)
        FOR UPDATE;
    DELETE FROM mark WHERE org_id = p_org AND record_id = p_record;
    DELETE FROM record WHERE org_id = p_org AND record_id = p_record RETURNING address_id INTO a;
    IF NOT FOUND THEN RETURN; END IF;
    INSERT INTO event (kind, subject, org_id, record_id) VALUES ('record deleted', p_subject, p_org, p_record);
    INSERT INTO lookup (org_id, address_id)
    SELECT p_org, o.address_id FROM opt_out o WHERE o.address_id = a AND o.scope = 0 AND o.lifted_at IS NULL
    ON CONFLICT DO NOTHING;
END $$;

-- Claims up to p_limit due marks of one org for a live worker; no transaction stays open across HTTP.
CREATE FUNCTION claim_marks(p_worker int, p_org smallint, p_limit int)
RETURNS TABLE (field smallint, record_id text, attempts smallint) LANGUAGE sql AS $$
    WITH live AS MATERIALIZED (SELECT w FROM live_workers() w),
    stopped AS MATERIALIZED (SELECT p.field, p.prefix FROM pause p WHERE p.org_id = p_org AND p.until > clock()),
    c AS (SELECT m.org_id, m.field, m.record_id FROM mark m
          WHERE m.state NOT IN ('c', 'h') AND m.due_at <= clock() AND m.org_id = p_org
            AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT w FROM live))
            AND NOT EXISTS (SELECT FROM stopped s WHERE s.field IN (0, m.field) AND s.prefix IN ('', left(m.record_id, 3)))
          ORDER BY m.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    UPDATE mark m SET claimed_by = p_worker, attempts = least(m.attempts + 1, 32000)
    FROM c WHERE (m.org_id, m.field, m.record_id) = (c.org_id, c.field, c.record_id)
    RETURNING m.field, m.record_id, m.attempts
$$;

CREATE FUNCTION claim_lookups(p_worker int, p_org smallint, p_limit int)
RETURNS TABLE (address_id bigint, normal text, attempts smallint) LANGUAGE sql AS $$
    WITH live AS MATERIALIZED (SELECT w FROM live_workers() w),
    c AS (SELECT l.org_id, l.address_id FROM lookup l
          WHERE l.due_at <= clock() AND l.org_id = p_org
            AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT w FROM live))
            AND NOT EXISTS (SELECT FROM pause p WHERE p.org_id = p_org AND p.prefix = '' AND p.field = 0 AND p.until > clock())
          ORDER BY l.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    UPDATE lookup l SET claimed_by = p_worker, attempts = least(l.attempts + 1, 32000)
    FROM c JOIN address a USING (address_id) WHERE (l.org_id, l.address_id) = (c.org_id, c.address_id)
    RETURNING l.address_id, a.normal, l.attempts
$$;

-- Ends the database session of a worker that has been silent for 60 s (a frozen process keeps its lock otherwise).
CREATE FUNCTION fence_silent_workers(p_seconds float8) RETURNS int LANGUAGE sql AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(l.pid))::int
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.classid = 7001 AND l.objsubid = 2 AND l.granted AND a.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - make_interval(secs => p_seconds)
$$;

-- Lifts one address here. p_mode 'wait': the lift waits until every box is unticked, the person stays blocked, nothing more
-- is written. 'now': ends the opt-out. Answers lifted, waits, busy (a live worker is sending), not opted out.
-- The shared lock keeps a lift out of a nightly apply, whose snapshot could predate it.
CREATE FUNCTION lift_record(p_address bigint, p_mode text, p_version bigint, p_subject bytea, p_actor text, p_reason text,
                            p_evidence jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE o opt_out;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0);
    PERFORM 1 FROM address WHERE address_id = p_address FOR UPDATE;
    SELECT * INTO o FROM opt_out WHERE address_id = p_address AND scope = 0 FOR UPDATE;
    IF NOT FOUND OR o.lifted_at IS NOT NULL OR (p_version IS NOT NULL AND o.version <> p_version) THEN
        RETURN 'not opted out';
    END IF;
    PERFORM 1 FROM mark m JOIN record r USING (org_id, record_id) WHERE r.address_id = p_address FOR UPDATE OF m;
    IF EXISTS (SELECT FROM mark m JOIN record r USING (org_id, record_id)
               WHERE r.address_id = p_address AND m.claimed_by IN (SELECT live_workers())) THEN
        -- No new claim may start while the admin waits for the one in flight (the HTTP deadline is 30 s).
        UPDATE mark m SET due_at = greatest(m.due_at, clock() + interval '35 seconds') FROM record r
        WHERE (r.org_id, r.record_id) = (m.org_id, m.record_id) AND r.address_id = p_address AND m.state IN ('o', 'p');
        RETURN 'busy';
    END IF;
    IF p_mode = 'wait' THEN
        UPDATE opt_out SET lift_waits_at = coalesce(lift_waits_at, clock()) WHERE address_id = p_address AND scope = 0;
        UPDATE mark m SET state = 'h', reason = 'lift' FROM record r
        WHERE (r.org_id, r.record_id) = (m.org_id, m.record_id) AND r.address_id = p_address AND m.state IN ('o', 'p');
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
    DELETE FROM hold_item WHERE address_id = p_address;
    INSERT INTO event (kind, subject, scope, actor, reason, evidence)
    VALUES ('lifted', p_subject, 0, p_actor, p_reason, p_evidence);
    RETURN 'lifted';
END $$;

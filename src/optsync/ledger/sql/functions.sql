-- The statements that must be one round trip and one commit. Each is READ COMMITTED plpgsql: every statement inside gets a
-- fresh snapshot, which a single statement would not (it loses the mark of a record that is being linked at that moment).
--
-- Advisory locks: 7001 worker n is alive (session) - 7002 one run per org (session) - 7003 the sealer - 7004 a nightly apply
-- (exclusive) against links and lifts (shared) - 7005 a field change or an erasure (exclusive) against whatever makes an
-- address or makes or ends the marks of one (shared).
-- Order of locks everywhere: 7004, 7005 -> record rows by id -> address rows by id -> opt_out -> hold_item -> marks.
-- Doors lock no record rows; a link, a follow and a lift never run beside a nightly apply, whose snapshot could predate them.

CREATE FUNCTION fan_out_cap() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 20';      -- rules 4

-- Workers whose session still holds its advisory lock (7001, worker number); a claim of any other is void.
CREATE FUNCTION live_workers() RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 7001 AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Tells listening workers that something is owed. A sender's own findings wake nobody: it looks again itself, and another
-- one would only take its marks away and read their records a second time.
CREATE FUNCTION wake_workers() RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('mark', '') WHERE coalesce(current_setting('optsync.is_sender', true), '') <> 'yes'
$$;

-- Locks and returns the address rows of normal forms, making new ones; parallel to the input, NULL for NULL. Doors hash
-- first: an erased address is found by its hash and never stored in clear again. p_also are locked in the same breath.
CREATE FUNCTION addresses_locked(p_normals text[], p_subjects bytea[], p_also bigint[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7005, 0);      -- before any row: a field change waits for those who hold rows
    INSERT INTO address (normal)
    SELECT DISTINCT i.normal FROM unnest(p_normals, p_subjects) AS i(normal, subject)
    WHERE i.normal IS NOT NULL AND NOT EXISTS (SELECT FROM address x WHERE x.normal = i.normal)
      AND NOT EXISTS (SELECT FROM address x WHERE x.erased_hash = i.subject)
    ORDER BY i.normal ON CONFLICT DO NOTHING;
    SELECT array_agg(coalesce(clear.address_id, erased.address_id) ORDER BY i.nth) INTO ids
    FROM unnest(p_normals, p_subjects) WITH ORDINALITY AS i(normal, subject, nth)
    LEFT JOIN address clear ON clear.normal = i.normal LEFT JOIN address erased ON erased.erased_hash = i.subject;
    PERFORM 1 FROM address x WHERE x.address_id = ANY (ids || p_also)   -- meets the KEY SHARE of a link in flight
    ORDER BY x.address_id FOR UPDATE;
    RETURN ids;
END $$;

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
        FROM opt_out o JOIN address a USING (address_id)
        WHERE o.address_id = ANY (p_addresses) AND o.scope = 0 AND o.lifted_at IS NULL),
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

-- Wants opted-out addresses looked up by exact e-mail now, in every org where their opt-out is due.
CREATE FUNCTION want_lookups(p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO lookup (org_id, address_id)
    SELECT DISTINCT d.org_id, o.address_id FROM opt_out o JOIN due d USING (epoch) JOIN address a USING (address_id)
    WHERE o.address_id = ANY (p_addresses) AND o.scope = 0 AND o.lifted_at IS NULL
      AND a.normal IS NOT NULL              -- an erased address can no longer be asked for
    ORDER BY 1, 2
    ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = clock(), attempts = 0
$$;

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

-- The subject of an address row; pads: core/addresses.py hmac_pads of the subject key.
CREATE FUNCTION subject_of(p_normal text, p_erased bytea, p_inner bytea, p_outer bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$     -- convert_to is stable: an immutable function would not be inlined
    SELECT coalesce(p_erased, sha256(p_outer || sha256(p_inner || convert_to(p_normal, 'UTF8'))))
$$;

-- Addresses that are opted out but have lost their last live record in an org are looked up again there.
CREATE FUNCTION look_up_unlinked(p_org smallint, p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT want_lookups(ARRAY(SELECT a FROM unnest(p_addresses) a WHERE NOT EXISTS (
        SELECT FROM record r WHERE r.org_id + 0 = p_org AND r.address_id = a AND r.successor IS NULL)))
$$;     -- + 0: in a table never analysed the planner would read all records of the org for each address

-- The opt-out follows the person: locked addresses that marked records have moved to are opted out, where they are not yet.
CREATE FUNCTION follow_people(p_addresses bigint[], p_subjects bytea[], p_records text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opt_out_addresses(f.ids, f.subjects, 'follows record', 0, NULL, NULL, f.evidence, p_records, NULL)
    FROM (SELECT array_agg(i.id) AS ids, array_agg(i.subject) AS subjects,
                 array_agg(jsonb_build_object('record', i.record)) AS evidence
          FROM unnest(p_addresses, p_subjects, p_records) AS i(id, subject, record)
          WHERE NOT EXISTS (SELECT FROM opt_out o WHERE o.address_id = i.id AND o.scope = 0 AND o.lifted_at IS NULL)) f
    WHERE f.ids IS NOT NULL;
END $$;

-- Links records to addresses and owes what is due (NULL e-mail = the record has none; a stored link then stays). All links
-- of the call are stored before anything is owed, so that the fan-out cap counts them together. When a record with a mark
-- moves to a new address, the opt-out follows the person: the new address is opted out too, the old one keeps its own.
-- Arrays run in parallel; links that are stored already cost no lock. Returns the marks now owed.
CREATE FUNCTION link_records(p_org smallint, p_records text[], p_kinds text[], p_normals text[], p_subjects bytea[],
                             p_provenance "char") RETURNS int LANGUAGE plpgsql AS $$
DECLARE rs text[]; ks text[]; ns text[]; ss bytea[]; befores bigint[]; ids bigint[]; movers text[]; n int;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    WITH given AS (SELECT DISTINCT ON (i.record) i.* FROM unnest(p_records, p_kinds, p_normals, p_subjects) WITH ORDINALITY
                   AS i(record, kind, normal, subject, nth) ORDER BY i.record, i.nth DESC)
    SELECT array_agg(g.record), array_agg(g.kind), array_agg(g.normal), array_agg(g.subject) INTO rs, ks, ns, ss
    FROM given g LEFT JOIN record r ON r.org_id = p_org AND r.record_id = g.record
    LEFT JOIN address a ON a.address_id = r.address_id
    WHERE r.record_id IS NULL OR (g.normal IS NOT NULL AND (a.normal = g.normal OR a.erased_hash = g.subject) IS NOT TRUE);
    IF rs IS NULL THEN RETURN 0; END IF;
    PERFORM 1 FROM record r WHERE r.org_id = p_org AND r.record_id = ANY (rs) ORDER BY r.record_id FOR UPDATE;
    befores := ARRAY(SELECT r.address_id FROM record r
                     WHERE r.org_id = p_org AND r.record_id = ANY (rs) AND r.address_id IS NOT NULL);
    ids := addresses_locked(ns, ss, befores);
    SELECT coalesce(array_agg(r.record_id), '{}') INTO movers
    FROM unnest(rs, ids) AS i(record, id) JOIN record r ON r.org_id = p_org AND r.record_id = i.record
    WHERE i.id IS NOT NULL AND r.address_id IS DISTINCT FROM i.id
      AND EXISTS (SELECT FROM mark m WHERE m.org_id = p_org AND m.record_id = i.record);
    INSERT INTO record AS r (org_id, record_id, kind, address_id, provenance)
    SELECT p_org, i.record, i.kind::"char", i.id, p_provenance FROM unnest(rs, ks, ids) AS i(record, kind, id)
    ON CONFLICT (org_id, record_id) DO UPDATE SET address_id = EXCLUDED.address_id, provenance = EXCLUDED.provenance
        WHERE EXCLUDED.address_id IS NOT NULL AND r.address_id IS DISTINCT FROM EXCLUDED.address_id;
    IF movers <> '{}' THEN
        -- What the last comparison saw was about another link: the next one looks again.
        UPDATE mark m SET seen = NULL WHERE m.org_id = p_org AND m.record_id = ANY (movers) AND m.seen IS NOT NULL;
        PERFORM follow_people(array_agg(i.id), array_agg(i.subject), array_agg(i.record))
        FROM unnest(rs, ids, ss) AS i(record, id, subject) WHERE i.record IN (SELECT unnest(movers));
        PERFORM trim_marks(array_agg(i.id)) FROM unnest(rs, ids) AS i(record, id) WHERE i.record IN (SELECT unnest(movers));
        PERFORM look_up_unlinked(p_org, befores);
    END IF;
    -- A new statement: its snapshot sees the opt-out of a door that the lock has just waited for.
    n := owe_marks(ids, movers, false, NULL);
    IF n > 0 THEN PERFORM wake_workers(); END IF;
    RETURN n;
END $$;

-- A converted or merged record hands over to its successor: its marks end, the successor is linked to p_normal (NULL: it
-- has no e-mail; then to the address of the record it follows), and if the old one had a mark, the successor's address is
-- opted out too, or the successor gets the no-address mark. Returns whether the old one had a mark.
CREATE FUNCTION follow_record(p_org smallint, p_old text, p_new text, p_kind "char", p_normal text, p_subject bytea,
                              p_provenance "char", p_subject_old bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE boxes smallint[]; before bigint; was bigint; a bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    PERFORM 1 FROM record r WHERE r.org_id = p_org AND r.record_id IN (p_old, p_new) ORDER BY r.record_id FOR UPDATE;
    SELECT r.address_id INTO was FROM record r WHERE r.org_id = p_org AND r.record_id = p_new;
    a := (addresses_locked(ARRAY[p_normal], ARRAY[p_subject], ARRAY(
        SELECT r.address_id FROM record r
        WHERE r.org_id = p_org AND r.record_id IN (p_old, p_new) AND r.address_id IS NOT NULL)))[1];
    INSERT INTO record AS r (org_id, record_id, kind, provenance, successor)
    VALUES (p_org, p_old, CASE left(p_old, 3) WHEN '00Q' THEN 'L' WHEN '003' THEN 'C' ELSE 'A' END, p_provenance, p_new)
    ON CONFLICT (org_id, record_id) DO UPDATE SET successor = p_new WHERE r.successor IS DISTINCT FROM p_new
    RETURNING r.address_id INTO before;
    IF FOUND THEN
        INSERT INTO event (kind, subject, org_id, record_id, evidence)
        VALUES (CASE p_provenance WHEN 'c' THEN 'converted' ELSE 'merged' END, p_subject_old, p_org, p_old,
                jsonb_build_object('successor', p_new));
    END IF;
    WITH gone AS (DELETE FROM mark WHERE org_id = p_org AND record_id = p_old RETURNING field)
    SELECT array_agg(field) INTO boxes FROM gone;
    PERFORM link_records(p_org, ARRAY[p_new], ARRAY[p_kind::text], ARRAY[p_normal], ARRAY[p_subject], p_provenance);
    IF a IS NULL AND (boxes IS NOT NULL OR was IS NULL) THEN
        UPDATE record r SET address_id = before WHERE r.org_id = p_org AND r.record_id = p_new AND before IS NOT NULL;
        PERFORM trim_marks(ARRAY[before]);
    END IF;
    IF boxes IS NOT NULL THEN
        PERFORM assert_on_successor(p_org, p_new, CASE WHEN a IS NULL THEN p_subject_old ELSE p_subject END, boxes);
    END IF;
    PERFORM look_up_unlinked(p_org, ARRAY[before, was]);
    PERFORM wake_workers();
    RETURN boxes IS NOT NULL;
END $$;

-- The opt-out that a dead record carried now holds for its successor: through its address where it has one, else in the
-- fields (p_boxes) in which the dead record was ticked or owed.
CREATE FUNCTION assert_on_successor(p_org smallint, p_record text, p_subject bytea, p_boxes smallint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    SELECT r.address_id INTO a FROM record r WHERE r.org_id = p_org AND r.record_id = p_record;
    IF a IS NULL THEN
        INSERT INTO mark (org_id, field, record_id, due_at, touched_run, state)
        SELECT p_org, box, p_record, clock(), g.run_no, 'o' FROM unnest(p_boxes) box, org g WHERE g.org_id = p_org
        ON CONFLICT DO NOTHING;
    ELSIF EXISTS (SELECT FROM opt_out o WHERE o.address_id = a AND o.scope = 0 AND o.lifted_at IS NULL) THEN
        PERFORM owe_marks(ARRAY[a], ARRAY[p_record], false, NULL);
    ELSE
        PERFORM follow_people(ARRAY[a], ARRAY[p_subject], ARRAY[p_record]);
    END IF;
END $$;

-- A deleted record: its marks end with an event, its link ends, its address stays opted out and is looked up again.
CREATE FUNCTION forget_record(p_org smallint, p_record text, p_subject bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock_shared(7005, 0);
    SELECT r.address_id INTO a FROM record r WHERE r.org_id = p_org AND r.record_id = p_record FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM 1 FROM address WHERE address_id = a FOR UPDATE;
    DELETE FROM mark WHERE org_id = p_org AND record_id = p_record;
    DELETE FROM dispute WHERE org_id = p_org AND record_id = p_record;
    DELETE FROM record WHERE org_id = p_org AND record_id = p_record;
    INSERT INTO event (kind, subject, org_id, record_id) VALUES ('record deleted', p_subject, p_org, p_record);
    PERFORM look_up_unlinked(p_org, ARRAY[a]);
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

-- The same for due look-ups.
CREATE FUNCTION claim_lookups(p_worker int, p_org smallint, p_limit int, p_newest int)
RETURNS TABLE (address_id bigint, normal text, attempts smallint) LANGUAGE sql AS $$
    WITH live AS MATERIALIZED (SELECT w FROM live_workers() w),
    stopped AS MATERIALIZED (
        SELECT FROM pause p WHERE p.org_id = p_org AND p.prefix = '' AND p.field = 0 AND p.until > clock()),
    newest AS MATERIALIZED (
        SELECT l.org_id, l.address_id FROM lookup l
        WHERE l.due_at <= clock() AND l.org_id = p_org AND NOT EXISTS (SELECT FROM stopped)
          AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT w FROM live))
        ORDER BY l.due_at DESC LIMIT p_newest FOR UPDATE SKIP LOCKED),
    oldest AS MATERIALIZED (
        SELECT l.org_id, l.address_id FROM lookup l
        WHERE l.due_at <= clock() AND l.org_id = p_org AND NOT EXISTS (SELECT FROM stopped)
          AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT w FROM live))
          AND l.address_id NOT IN (SELECT n.address_id FROM newest n)
        ORDER BY l.due_at LIMIT p_limit - p_newest FOR UPDATE SKIP LOCKED),
    c AS (SELECT * FROM newest UNION ALL SELECT * FROM oldest)
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

-- Erases an address: only its keyed hash stays, so that its opt-out, marks and links still count. Alone (7005): whoever makes
-- addresses looks for erased rows first, and one that was made and erased since would be stored in clear again.
CREATE FUNCTION erase_address(p_address bigint, p_subject bytea, p_actor text, p_reason text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock(7005, 0);
    UPDATE address SET normal = NULL, erased_hash = p_subject WHERE address_id = p_address AND normal IS NOT NULL;
    IF NOT FOUND THEN RETURN false; END IF;
    DELETE FROM lookup WHERE address_id = p_address;
    INSERT INTO event (kind, subject, actor, reason) VALUES ('erased', p_subject, p_actor, p_reason);
    RETURN true;
END $$;

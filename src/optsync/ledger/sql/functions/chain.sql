-- The hash chain: head n = sha256(head n-1, the seal's own columns, the lines of its events in order). One sealer at a time.

CREATE FUNCTION event_line(e event) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_array(e.event_id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.kind,
        encode(e.subject, 'hex'), e.scope, e.source, e.actor, e.org_id, e.field, e.record_id, e.run_id, e.reason,
        e.evidence)::text
$$;

-- p_before is empty for the first seal; p_lines are joined by newlines.
CREATE FUNCTION seal_head(p_before bytea, p_no bigint, p_at timestamptz, p_events int8multirange, p_count bigint, p_lines text)
RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(p_before || convert_to(concat_ws(E'\n', p_no,
        to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_events, p_count, p_lines), 'UTF8'))
$$;

-- Seals up to p_limit waiting events into the next link. Returns how many; 0 when none waits or another sealer is at it.
-- A number whose event is gone stays in the queue: it is the only trace of an event that was taken away before its seal.
CREATE FUNCTION seal_events(p_limit int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int; last seal;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7003, 0) THEN RETURN 0; END IF;
    SELECT * INTO last FROM seal ORDER BY seal_no DESC LIMIT 1;
    WITH first AS (SELECT u.ids, upper(u.ids) - lower(u.ids) AS size FROM unsealed u
                   WHERE EXISTS (SELECT FROM event e WHERE e.event_id >= lower(u.ids) AND e.event_id < upper(u.ids))
                   ORDER BY u.ids LIMIT p_limit),
    waiting AS (SELECT f.*, sum(f.size) OVER (ORDER BY f.ids) AS through FROM first f),
    taken AS (DELETE FROM unsealed u USING waiting w WHERE u.ids = w.ids AND w.through - w.size < p_limit
              RETURNING u.ids, upper(u.ids) - greatest(w.through - p_limit, 0)::bigint AS until),
    link AS (SELECT range_agg(int8range(e.event_id, e.event_id, '[]')) AS ids, count(*) AS n,
                    string_agg(event_line(e), E'\n' ORDER BY e.event_id) AS lines
             FROM taken t, LATERAL (SELECT * FROM event WHERE event_id >= lower(t.ids) AND event_id < t.until OFFSET 0) e
             HAVING count(*) > 0),     -- OFFSET 0: in tables never analysed the planner would read every event for each range
    rest AS (INSERT INTO unsealed
             SELECT unnest((SELECT range_agg(t.ids) FROM taken t) - coalesce((SELECT l.ids FROM link l), '{}')))
    INSERT INTO seal (seal_no, sealed_at, events, count, head)
    SELECT coalesce(last.seal_no, 0) + 1, clock(), link.ids, link.n,
           seal_head(coalesce(last.head, ''), coalesce(last.seal_no, 0) + 1, clock(), link.ids, link.n, link.lines)
    FROM link RETURNING count INTO n;
    RETURN coalesce(n, 0);
END $$;

-- Recomputes every link from the events. One row per link that does not fit; no row = the chain holds.
CREATE FUNCTION chain_breaks() RETURNS TABLE (seal_no bigint, expected int, found int) LANGUAGE sql STABLE AS $$
    SELECT s.seal_no, s.count, x.n::int
    FROM (SELECT seal.*, lag(head) OVER (ORDER BY seal.seal_no) AS before,
                 seal.seal_no - lag(seal.seal_no, 1, 0::bigint) OVER (ORDER BY seal.seal_no) AS step FROM seal) s,
    LATERAL (SELECT count(*) AS n, string_agg(event_line(e), E'\n' ORDER BY e.event_id) AS lines
             FROM unnest(s.events) AS part(ids),
                  LATERAL (SELECT * FROM event WHERE event_id >= lower(ids) AND event_id < upper(ids) OFFSET 0) e) x
    WHERE s.step <> 1 OR x.n <> s.count
       OR s.head IS DISTINCT FROM seal_head(coalesce(s.before, ''), s.seal_no, s.sealed_at, s.events, s.count, x.lines)
    ORDER BY s.seal_no
$$;

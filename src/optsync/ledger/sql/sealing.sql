-- name: seal
-- Seals waiting events into the next link (sql/chain.sql seal_events).
SELECT seal_events(%s);

-- name: chain_state
-- The chain's counts and head from one snapshot, with the first link that does not fit.
SELECT (SELECT count(*) FROM event), (SELECT coalesce(sum(count), 0)::bigint FROM seal),
       (SELECT coalesce(sum(upper(ids) - lower(ids)), 0)::bigint FROM unsealed),
       (SELECT encode(head, 'hex') FROM seal ORDER BY seal_no DESC LIMIT 1), (SELECT min(seal_no) FROM chain_breaks());

-- name: unsealed_tail
-- How many events wait for the sealer, and since when the oldest does.
SELECT coalesce(sum(upper(u.ids) - lower(u.ids)), 0)::bigint, min(e.at)
FROM unsealed u LEFT JOIN event e ON e.event_id = lower(u.ids);

-- name: chain_lines
-- Every sealed event as its seal hashes it, each seal after its events: enough to recompute the chain elsewhere.
COPY (SELECT line FROM (
    SELECT s.seal_no, e.event_id, event_line(e) AS line FROM seal s, unnest(s.events) AS part(ids)
    JOIN event e ON e.event_id >= lower(ids) AND e.event_id < upper(ids)
    UNION ALL
    SELECT s.seal_no, NULL, jsonb_build_object('seal', s.seal_no,
        'sealed_at', to_char(s.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'events', s.events::text,
        'count', s.count, 'head', encode(s.head, 'hex'))::text FROM seal s) lines
    ORDER BY seal_no, event_id NULLS LAST) TO STDOUT WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

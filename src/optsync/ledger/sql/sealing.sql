-- name: seal
-- Seals waiting events into the next link (functions/chain.sql seal_events).
SELECT seal_events(%s);

-- name: chain_state
-- From one snapshot: how many are sealed and waiting, how many are where they must not be, the head, the first link that
-- does not fit, and whether a head that was kept elsewhere is in the chain. What waits must be exactly what no seal names,
-- number by number (equal counts would hide an exchange), and no number may stand in two seals.
WITH sealed AS MATERIALIZED (SELECT coalesce(range_agg(ids), '{}') AS ids FROM seal, unnest(events) AS part(ids)),
links AS MATERIALIZED (SELECT coalesce(sum(count), 0)::bigint AS events FROM seal),
waiting AS MATERIALIZED (
    SELECT coalesce(range_agg(ids), '{}') AS ids, coalesce(sum(upper(ids) - lower(ids)), 0)::bigint AS events FROM unsealed),
loose AS MATERIALIZED (
    SELECT e.event_id, e.event_id <@ waiting.ids AS waits FROM event e, sealed, waiting WHERE NOT e.event_id <@ sealed.ids)
SELECT links.events, waiting.events,
       (SELECT count(*) FILTER (WHERE NOT waits) + waiting.events - count(*) FILTER (WHERE waits) FROM loose)
       + abs(links.events - (SELECT count(*) FROM event) + (SELECT count(*) FROM loose)),
       (SELECT encode(head, 'hex') FROM seal ORDER BY seal_no DESC LIMIT 1), (SELECT min(seal_no) FROM chain_breaks()),
       %(kept)s::bytea IS NULL OR EXISTS (SELECT FROM seal WHERE head = %(kept)s)
FROM links, waiting;

-- name: unsealed_tail
-- How many events wait for the sealer, and since when the oldest does.
SELECT coalesce(sum(upper(u.ids) - lower(u.ids)), 0)::bigint, min(e.at)
FROM unsealed u LEFT JOIN event e ON e.event_id = lower(u.ids);

-- name: chain_lines
-- Every sealed event as its seal hashes it, each seal after its events: enough to recompute the chain elsewhere.
COPY (SELECT line FROM (
    SELECT s.seal_no, e.event_id, event_line(e) AS line FROM seal s, unnest(s.events) AS part(ids),
        LATERAL (SELECT * FROM event WHERE event_id >= lower(ids) AND event_id < upper(ids) OFFSET 0) e
    UNION ALL
    SELECT s.seal_no, NULL, jsonb_build_object('seal', s.seal_no,
        'sealed_at', to_char(s.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'events', s.events::text,
        'count', s.count, 'head', encode(s.head, 'hex'))::text FROM seal s) lines
    ORDER BY seal_no, event_id NULLS LAST) TO STDOUT WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- name: verify_part
-- Recomputes the links after one, up to so many events: the last link, its events, and the first link that does not fit.
WITH part AS MATERIALIZED (
    SELECT * FROM (
        SELECT s.*, sum(count) OVER (ORDER BY seal_no) - count AS before_it
        FROM (SELECT * FROM seal WHERE seal_no > %(after)s ORDER BY seal_no LIMIT %(events)s) s) counted
    WHERE before_it < %(events)s),
linked AS (
    SELECT p.*, coalesce(lag(head) OVER (ORDER BY seal_no), (SELECT head FROM seal WHERE seal_no = %(after)s), '') AS before,
           seal_no - lag(seal_no, 1, %(after)s::bigint) OVER (ORDER BY seal_no) AS step FROM part p)
SELECT max(l.seal_no), coalesce(sum(l.count), 0)::bigint, min(l.seal_no) FILTER (WHERE l.step <> 1 OR x.n <> l.count
       OR l.head IS DISTINCT FROM seal_head(l.before, l.seal_no, l.sealed_at, l.events, l.count, x.lines))
FROM linked l,
LATERAL (SELECT count(*) AS n, string_agg(event_line(e), E'\n' ORDER BY e.event_id) AS lines
         FROM unnest(l.events) AS part(ids),
              LATERAL (SELECT * FROM event WHERE event_id >= lower(ids) AND event_id < upper(ids) OFFSET 0) e) x;

-- name: strays
-- From one snapshot: events in the seals, events that wait and are there, events that wait and are gone, and events in all.
-- Where every link fits, the first two are the last, unless an event slipped in.
SELECT (SELECT coalesce(sum(count), 0)::bigint FROM seal), w.there, w.there_should - w.there,
       (SELECT count(*) FROM event), (SELECT encode(head, 'hex') FROM seal ORDER BY seal_no DESC LIMIT 1)
FROM (SELECT coalesce(sum(upper(u.ids) - lower(u.ids)), 0)::bigint AS there_should,
             coalesce(sum((SELECT count(*) FROM event e WHERE e.event_id >= lower(u.ids) AND e.event_id < upper(u.ids))), 0)::bigint AS there
      FROM unsealed u) w;

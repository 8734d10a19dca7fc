-- From the ledger's sealed events to deliveries. Seals are numbered in the order of their commits, without gaps: whoever has
-- been handed seal n has been handed every event that was sealed before it, however late its transaction committed.

-- name: behind
-- Lanes of endpoints that have not been handed everything yet and do not have too much waiting.
SELECT p.endpoint_id, p.types, l.lane FROM webhook_lane l JOIN webhook_endpoint p USING (endpoint_id)
WHERE p.disabled_at IS NULL AND l.seal_no < coalesce(l.until_no, (SELECT max(seal_no) FROM seal))
  AND (SELECT count(*) FROM (SELECT FROM webhook_delivery d
                             WHERE d.endpoint_id = p.endpoint_id AND d.is_mass = (l.lane <> 'single') AND d.due_at IS NOT NULL
                             LIMIT %(waiting_max)s) few) < %(waiting_max)s
ORDER BY l.lane = 'single' DESC, p.endpoint_id, l.lane;

-- name: hand_out
-- Makes the deliveries of the next seals for one lane and moves it on, in one statement: none is lost and none made twice,
-- however many workers do this at once. In the lane of masses is what came with many of its kind in the same moment of the
-- same seal, such as an import: a seal never changes, so both lanes always agree. A replay takes all of it, and makes what
-- was delivered or given up due again.
WITH lane AS MATERIALIZED (
    SELECT l.endpoint_id, l.lane, l.seal_no, l.until_no FROM webhook_lane l JOIN webhook_endpoint p USING (endpoint_id)
    WHERE l.endpoint_id = %(endpoint)s AND l.lane = %(lane)s AND p.disabled_at IS NULL FOR UPDATE OF l SKIP LOCKED),
next AS MATERIALIZED (
    SELECT s.seal_no, s.events, sum(s.count) OVER (ORDER BY s.seal_no) - s.count AS before
    FROM (SELECT seal.* FROM seal, lane WHERE seal.seal_no > lane.seal_no AND (seal.seal_no <= lane.until_no) IS NOT FALSE
          ORDER BY seal.seal_no LIMIT %(seals)s) s),
part AS MATERIALIZED (SELECT seal_no, events FROM next WHERE before < %(events)s),
all_lanes AS MATERIALIZED (
    SELECT e.event, count(*) OVER (PARTITION BY part.seal_no, (e.event).kind, (e.event).at) > %(single_max)s AS is_mass
    FROM part, unnest(part.events) AS range(ids),
        LATERAL (SELECT event FROM event WHERE event_id >= lower(ids) AND event_id < upper(ids) OFFSET 0) e
    WHERE (e.event).kind = ANY (%(kinds)s)),
found AS MATERIALIZED (
    SELECT event FROM all_lanes WHERE CASE %(lane)s WHEN 'single' THEN NOT is_mass WHEN 'mass' THEN is_mass ELSE true END),
made AS (
    INSERT INTO webhook_delivery (endpoint_id, event_id, type, address_id, is_mass)
    SELECT p.endpoint_id, (f.event).event_id, t.type, coalesce(who.address_id, r.address_id), p.lane <> 'single'
    FROM lane p, found f
    JOIN unnest(%(kinds)s::text[], %(types)s::text[]) AS t(kind, type) ON t.kind = (f.event).kind
    LEFT JOIN people_then((SELECT array_agg(x.event) FROM found x), %(inner)s, %(outer)s) who
        ON who.at = (f.event).at AND who.subject = (f.event).subject AND who.scope = (f.event).scope
    LEFT JOIN LATERAL (SELECT address_id FROM record     -- OFFSET 0: never a walk through all records for a few events
        WHERE (f.event).kind = 'confirmed' AND (org_id, record_id) = ((f.event).org_id, (f.event).record_id) OFFSET 0) r ON true
    ORDER BY 2
    ON CONFLICT (endpoint_id, event_id) DO UPDATE
    SET due_at = clock(), attempts = 0, delivered_at = NULL, made_at = clock(), is_mass = true
    WHERE %(lane)s = 'replay' AND webhook_delivery.due_at IS NULL RETURNING 1)
UPDATE webhook_lane SET seal_no = (SELECT max(part.seal_no) FROM part)
FROM lane p WHERE (webhook_lane.endpoint_id, webhook_lane.lane) = (p.endpoint_id, p.lane) AND EXISTS (SELECT FROM part)
RETURNING (SELECT count(*)::int FROM made);

-- name: claim
-- Takes due deliveries of lanes with room and puts them off for as long as an attempt may take.
UPDATE webhook_delivery d SET due_at = clock() + make_interval(secs => %(lease)s), attempts = d.attempts + 1
FROM (SELECT due.delivery_id FROM unnest(%(endpoints)s::int[], %(masses)s::boolean[], %(rooms)s::int[])
          AS want(endpoint_id, is_mass, room),
          LATERAL (SELECT w.delivery_id FROM webhook_delivery w
                   WHERE w.endpoint_id = want.endpoint_id AND w.is_mass = want.is_mass AND w.due_at <= clock()
                   ORDER BY w.due_at, w.delivery_id LIMIT want.room FOR UPDATE SKIP LOCKED) due) taken
WHERE d.delivery_id = taken.delivery_id
RETURNING d.delivery_id, d.endpoint_id, d.event_id, d.attempts, d.address_id, d.is_mass;

-- name: sendable
-- Endpoints that are told, with what signs.
SELECT p.endpoint_id, p.url, p.secret, array(SELECT o.secret FROM webhook_old_secret o
           WHERE o.endpoint_id = p.endpoint_id AND o.until > clock() ORDER BY o.old_no DESC) AS old_secrets
FROM webhook_endpoint p WHERE p.disabled_at IS NULL ORDER BY p.endpoint_id;

-- name: events_by_id
-- Events with what they are about, for their delivery.
SELECT e.event_id, e.at, e.kind, e.scope, e.source, e.run_id, e.record_id, e.reason, e.evidence, o.salesforce_id AS org,
       a.address_id, a.normal, CASE WHEN left(e.record_id, 3) = '00Q' THEN f.lead_name ELSE f.contact_name END AS field_name
FROM unnest(%(events)s::bigint[], %(people)s::bigint[]) AS want(event_id, address_id) JOIN event e USING (event_id)
LEFT JOIN address a ON a.address_id = want.address_id LEFT JOIN org o ON o.org_id = e.org_id
LEFT JOIN opt_out_field f ON f.org_id = e.org_id AND f.field = e.field;

-- name: settle_delivery
-- What came of an attempt. A success ends the endpoint's trouble; a failure begins it or goes on with it, and counts its
-- day: a worker that was away for days made no attempts.
WITH done AS (UPDATE webhook_delivery SET
        due_at = CASE WHEN %(again)s::float8 IS NOT NULL THEN clock() + make_interval(secs => %(again)s::float8) END,
        delivered_at = CASE WHEN %(delivered)s THEN clock() END
    WHERE delivery_id = %(delivery)s RETURNING delivery_id, endpoint_id),
noted AS (INSERT INTO webhook_attempt (delivery_id, nth, status, took_ms, said)
    SELECT delivery_id, 1 + coalesce((SELECT max(nth) FROM webhook_attempt a WHERE a.delivery_id = done.delivery_id), 0),
           %(status)s, %(took_ms)s, %(said)s FROM done)
UPDATE webhook_endpoint p SET failing_since = CASE WHEN %(delivered)s THEN NULL ELSE coalesce(p.failing_since, clock()) END,
    failing_days = CASE WHEN %(delivered)s THEN 0 ELSE p.failing_days + (p.failed_on IS DISTINCT FROM today.day)::int END,
    failed_on = CASE WHEN %(delivered)s THEN NULL ELSE today.day END
FROM (SELECT (clock() AT TIME ZONE 'UTC')::date) AS today(day), done WHERE p.endpoint_id = done.endpoint_id AND (NOT %(delivered)s OR p.failing_since IS NOT NULL);

-- name: failing_for_days
-- Endpoints that have not taken anything for so long, though on as many days it was tried.
SELECT endpoint_id FROM webhook_endpoint
WHERE disabled_at IS NULL AND failing_since < clock() - make_interval(days => %(days)s) AND failing_days >= %(days)s;

-- name: forget
-- Deliveries older than they can be asked for, a part at a time.
DELETE FROM webhook_delivery WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_delivery WHERE made_at < clock() - make_interval(days => %(days)s) ORDER BY made_at LIMIT 10000);

-- name: sealed_events
-- Events in the order of their seals, after a place in it: where each stands and whom it is about.
WITH found AS MATERIALIZED (
    SELECT s.seal_no, e.event
    FROM (SELECT seal_no, events FROM seal WHERE seal_no >= %(seal)s ORDER BY seal_no LIMIT %(seals)s) s,
         unnest(s.events) AS range(ids),
         LATERAL (SELECT event FROM event WHERE event_id >= lower(ids) AND event_id < upper(ids) OFFSET 0) e
    WHERE (e.event).kind = ANY (%(kinds)s) AND (s.seal_no, (e.event).event_id) > (%(seal)s, %(event)s)
    ORDER BY s.seal_no, (e.event).event_id LIMIT %(limit)s)
SELECT f.seal_no, (f.event).event_id, coalesce(who.address_id, r.address_id) AS address_id
FROM found f
LEFT JOIN people_then((SELECT array_agg(x.event) FROM found x), %(inner)s, %(outer)s) who
    ON who.at = (f.event).at AND who.subject = (f.event).subject AND who.scope = (f.event).scope
LEFT JOIN LATERAL (SELECT address_id FROM record
    WHERE (f.event).kind = 'confirmed' AND (org_id, record_id) = ((f.event).org_id, (f.event).record_id) OFFSET 0) r ON true
ORDER BY 1, 2;

-- name: newest_seal
-- The number of the newest seal; 0 before the first.
SELECT coalesce(max(seal_no), 0) FROM seal;

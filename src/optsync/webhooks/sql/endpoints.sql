-- Endpoints: each change is one statement with its event.

-- name: add_endpoint
-- A new endpoint hears of what is sealed from now on.
WITH made AS (
    INSERT INTO webhook_endpoint (url, types, secret, made_by) VALUES (%(url)s, %(types)s, %(secret)s, %(actor)s)
    RETURNING endpoint_id),
lanes AS (INSERT INTO webhook_lane (endpoint_id, lane, seal_no)
    SELECT endpoint_id, lane, coalesce((SELECT max(seal_no) FROM seal), 0) FROM made, unnest(ARRAY['single', 'mass']) AS lane),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook added', %(actor)s, jsonb_build_object('endpoint', endpoint_id, 'host', %(host)s::text, 'types', %(types)s::text[])
    FROM made)
SELECT endpoint_id FROM made;

-- name: endpoints
-- Every endpoint: until when a secret before signs too, since when it is told again, and how many deliveries wait.
SELECT p.endpoint_id, p.url, p.types, p.made_at, p.made_by, p.failing_since, p.disabled_at, p.disabled_why,
       (SELECT max(o.until) FROM webhook_old_secret o WHERE o.endpoint_id = p.endpoint_id AND o.until > clock()) AS old_until,
       (SELECT l.since FROM webhook_lane l WHERE l.endpoint_id = p.endpoint_id AND l.seal_no < l.until_no) AS replays_since,
       (SELECT count(*)::int FROM (SELECT FROM webhook_delivery d
        WHERE d.endpoint_id = p.endpoint_id AND d.due_at IS NOT NULL LIMIT 10001) few) AS waiting
FROM webhook_endpoint p ORDER BY p.endpoint_id;

-- name: disable_endpoint
-- Ends the deliveries of an endpoint until it is enabled; what happens meanwhile waits in the ledger.
WITH done AS (UPDATE webhook_endpoint SET disabled_at = clock(), disabled_why = %(why)s
    WHERE endpoint_id = %(endpoint)s AND disabled_at IS NULL RETURNING endpoint_id),
told AS (INSERT INTO event (kind, actor, reason, evidence)
    SELECT 'webhook disabled', %(actor)s, %(why)s, jsonb_build_object('endpoint', endpoint_id) FROM done)
SELECT endpoint_id FROM done;

-- name: enable_endpoint
-- Deliveries go on where they stopped, with what the last 30 days hold.
WITH done AS (UPDATE webhook_endpoint SET disabled_at = NULL, disabled_why = NULL, failing_since = NULL, failing_days = 0,
        failed_on = NULL
    WHERE endpoint_id = %(endpoint)s AND disabled_at IS NOT NULL RETURNING endpoint_id),
lanes AS (UPDATE webhook_lane l SET seal_no = greatest(l.seal_no,
        (SELECT max(s.seal_no) FROM seal s WHERE s.sealed_at < clock() - make_interval(days => %(days)s)))
    FROM done WHERE l.endpoint_id = done.endpoint_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook enabled', %(actor)s, jsonb_build_object('endpoint', endpoint_id) FROM done)
SELECT endpoint_id FROM done;

-- name: remove_endpoint
-- Ends an endpoint for good, with its deliveries.
WITH done AS (DELETE FROM webhook_endpoint WHERE endpoint_id = %(endpoint)s RETURNING endpoint_id, url),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook removed', %(actor)s, jsonb_build_object('endpoint', endpoint_id) FROM done)
SELECT endpoint_id FROM done;

-- name: rotate_secret
-- A new secret; the one before signs too for a while, and so do those before it whose time is not over. No row when there
-- are too many of them.
WITH before AS MATERIALIZED (
    SELECT endpoint_id, secret FROM webhook_endpoint p WHERE endpoint_id = %(endpoint)s
      AND (SELECT count(*) FROM webhook_old_secret o WHERE o.endpoint_id = p.endpoint_id AND o.until > clock()) < %(most)s
    FOR UPDATE),
over AS (DELETE FROM webhook_old_secret WHERE endpoint_id = %(endpoint)s AND until <= clock()),
kept AS (INSERT INTO webhook_old_secret (endpoint_id, secret, until)
    SELECT endpoint_id, secret, clock() + make_interval(hours => %(hours)s) FROM before),
done AS (UPDATE webhook_endpoint p SET secret = %(secret)s FROM before WHERE p.endpoint_id = before.endpoint_id
    RETURNING p.endpoint_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook secret rotated', %(actor)s, jsonb_build_object('endpoint', endpoint_id) FROM done)
SELECT endpoint_id FROM done;

-- name: send_test
-- An event of its own for one endpoint, delivered like any other.
WITH told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook test', %(actor)s, jsonb_build_object('endpoint', endpoint_id)
    FROM webhook_endpoint WHERE endpoint_id = %(endpoint)s AND disabled_at IS NULL RETURNING event_id)
INSERT INTO webhook_delivery (endpoint_id, event_id, type) SELECT %(endpoint)s, event_id, %(type)s FROM told
RETURNING delivery_id;

-- name: resend
-- Sends a delivery again, from the first delay on; while its endpoint is disabled it waits.
WITH done AS (UPDATE webhook_delivery SET due_at = clock(), attempts = 0, delivered_at = NULL
    WHERE delivery_id = %(delivery)s AND endpoint_id = %(endpoint)s RETURNING delivery_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook resent', %(actor)s, jsonb_build_object('endpoint', %(endpoint)s::int, 'delivery', delivery_id) FROM done)
SELECT delivery_id FROM done;

-- name: replay
-- Everything since an instant of the last days is told again; a replay that goes on is not cut short. No row outside of them.
WITH place AS (
    SELECT coalesce(max(seal_no), 0) AS until_no,
           coalesce(max(seal_no) FILTER (WHERE sealed_at < %(since)s), 0) AS seal_no FROM seal),
made AS (
    INSERT INTO webhook_lane (endpoint_id, lane, seal_no, until_no, since)
    SELECT p.endpoint_id, 'replay', place.seal_no, place.until_no, %(since)s FROM webhook_endpoint p, place
    WHERE p.endpoint_id = %(endpoint)s AND %(since)s BETWEEN clock() - make_interval(days => %(days)s, mins => 1) AND clock()
    ON CONFLICT (endpoint_id, lane) DO UPDATE SET until_no = EXCLUDED.until_no,
        seal_no = CASE WHEN webhook_lane.seal_no < webhook_lane.until_no THEN least(webhook_lane.seal_no, EXCLUDED.seal_no)
                       ELSE EXCLUDED.seal_no END,
        since = CASE WHEN webhook_lane.seal_no < webhook_lane.until_no THEN least(webhook_lane.since, EXCLUDED.since)
                     ELSE EXCLUDED.since END
    RETURNING endpoint_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook replayed', %(actor)s, jsonb_build_object('endpoint', endpoint_id, 'since', %(since)s::timestamptz) FROM made)
SELECT endpoint_id FROM made;

-- name: deliveries
-- A page of an endpoint's deliveries, the newest first.
SELECT delivery_id, event_id, type, made_at, due_at, attempts, delivered_at FROM webhook_delivery
WHERE endpoint_id = %(endpoint)s AND delivery_id < %(before)s ORDER BY delivery_id DESC LIMIT %(limit)s;

-- name: attempts
-- Every attempt of some deliveries.
SELECT delivery_id, nth, at, status, took_ms, said FROM webhook_attempt
WHERE delivery_id = ANY (%(deliveries)s) ORDER BY delivery_id, nth;

-- name: lock_webhook_secrets
-- Every encrypted secret; none is replaced meanwhile.
SELECT endpoint_id, secret FROM webhook_endpoint ORDER BY endpoint_id FOR UPDATE;

-- name: lock_old_webhook_secrets
-- Those that rotations replaced, after `lock_webhook_secrets`: none comes meanwhile.
SELECT old_no, secret FROM webhook_old_secret ORDER BY old_no FOR UPDATE;

-- name: replace_webhook_secret
-- The same secret under another key.
UPDATE webhook_endpoint SET secret = %(secret)s WHERE endpoint_id = %(number)s;

-- name: replace_old_webhook_secret
-- The same for one that a rotation replaced.
UPDATE webhook_old_secret SET secret = %(secret)s WHERE old_no = %(number)s;

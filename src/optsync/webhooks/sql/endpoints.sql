-- Endpoints: each change is one statement with its event.

-- name: add_endpoint
-- A new endpoint hears of what is sealed from now on.
WITH made AS (
    INSERT INTO webhook_endpoint (url, types, secret, seal_no, made_by)
    VALUES (%(url)s, %(types)s, %(secret)s, coalesce((SELECT max(seal_no) FROM seal), 0), %(actor)s)
    RETURNING endpoint_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'webhook added', %(actor)s, jsonb_build_object('endpoint', endpoint_id, 'host', %(host)s::text, 'types', %(types)s::text[])
    FROM made)
SELECT endpoint_id FROM made;

-- name: endpoints
-- Every endpoint, and how many deliveries of it wait.
SELECT p.endpoint_id, p.url, p.types, p.made_at, p.made_by, p.failing_since, p.disabled_at, p.disabled_why, p.old_until,
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
WITH done AS (UPDATE webhook_endpoint SET disabled_at = NULL, disabled_why = NULL, failing_since = NULL, seal_no = greatest(
        seal_no, coalesce((SELECT max(s.seal_no) FROM seal s WHERE s.sealed_at < clock() - make_interval(days => %(days)s)), 0))
    WHERE endpoint_id = %(endpoint)s AND disabled_at IS NOT NULL RETURNING endpoint_id),
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
-- A new secret; the one before signs too for a while.
WITH done AS (UPDATE webhook_endpoint SET old_secret = secret, old_until = clock() + make_interval(hours => %(hours)s),
        secret = %(secret)s WHERE endpoint_id = %(endpoint)s RETURNING endpoint_id),
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
SELECT endpoint_id, secret, old_secret FROM webhook_endpoint ORDER BY endpoint_id FOR UPDATE;

-- name: replace_webhook_secrets
-- The same secrets under another key.
UPDATE webhook_endpoint SET secret = %(secret)s, old_secret = %(old)s WHERE endpoint_id = %(endpoint)s;

-- What programs sign in with.

-- name: make_key
-- A new key and the event that says so.
WITH made AS (
    INSERT INTO api_key (handle, secret_hash, name, scopes, made_by, expires_at)
    VALUES (%(handle)s, %(secret_hash)s, %(name)s, %(scopes)s, %(actor)s, clock() + make_interval(days => %(days)s))
    RETURNING *
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'API key made', made_by, jsonb_build_object('key', handle, 'name', name, 'scopes', scopes) FROM made
)
SELECT key_id, handle, name, scopes, made_at, made_by, expires_at, last_used_at, revoked_at, false AS is_expired FROM made;

-- name: keys
-- Every key there ever was, the newest first.
SELECT key_id, handle, name, scopes, made_at, made_by, expires_at, last_used_at, revoked_at,
       coalesce(expires_at <= clock(), false) AS is_expired
FROM api_key ORDER BY key_id DESC;

-- name: key_by_handle
-- One key with its hash, and whether its use is to be written down (at most hourly).
SELECT key_id, handle, name, scopes, made_at, made_by, expires_at, last_used_at, revoked_at,
       coalesce(expires_at <= clock(), false) AS is_expired, secret_hash,
       coalesce(last_used_at < clock() - interval '1 hour', true) AS is_use_due
FROM api_key WHERE handle = %s;

-- name: note_use
-- When a key was last used; of several requests in the same moment one writes.
UPDATE api_key SET last_used_at = clock()
WHERE key_id = %s AND coalesce(last_used_at < clock() - interval '1 hour', true);

-- name: revoke_key
-- Ends a key, with an event; no row when there is none or it had been revoked.
WITH ended AS (
    UPDATE api_key SET revoked_at = clock() WHERE handle = %(handle)s AND revoked_at IS NULL RETURNING handle, name
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'API key revoked', %(actor)s, jsonb_build_object('key', handle, 'name', name) FROM ended
)
SELECT handle FROM ended;

-- name: kept_answer
-- What was answered to the same Idempotency-Key within 30 days.
SELECT request_hash, status, answer FROM kept_answer
WHERE key_id = %(key_id)s AND name_hash = %(name_hash)s AND made_at > clock() - interval '30 days';

-- name: keep_answer
-- Keeps an answer and forgets those that are older than 30 days. Of two at the same moment the first stays.
WITH old AS (DELETE FROM kept_answer WHERE made_at <= clock() - interval '30 days'
             AND (key_id, name_hash) <> (%(key_id)s, %(name_hash)s))
INSERT INTO kept_answer (key_id, name_hash, request_hash, status, answer)
VALUES (%(key_id)s, %(name_hash)s, %(request_hash)s, %(status)s, %(answer)s)
ON CONFLICT (key_id, name_hash) DO UPDATE
SET request_hash = EXCLUDED.request_hash, status = EXCLUDED.status, answer = EXCLUDED.answer, made_at = clock()
WHERE kept_answer.made_at <= clock() - interval '30 days';

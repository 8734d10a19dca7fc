-- What programs sign in with.

-- name: make_key
-- A new key and the event that says so. It ends no later than `not_after`, when there is one.
WITH made AS (
    INSERT INTO api_key (handle, secret_hash, name, scopes, made_by, expires_at)
    VALUES (%(handle)s, %(secret_hash)s, %(name)s, %(scopes)s, %(actor)s, least(clock() + make_interval(days => %(days)s), %(not_after)s))
    RETURNING *
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'API key made', made_by, jsonb_build_object('key', handle, 'name', name, 'scopes', scopes) FROM made
)
SELECT key_id, handle, name, scopes, made_at, made_by, expires_at, last_used_at, revoked_at, false AS is_expired FROM made;

-- name: keys
-- Keys there ever were, the newest first: a page of them, or all.
SELECT key_id, handle, name, scopes, made_at, made_by, expires_at, last_used_at, revoked_at,
       coalesce(expires_at <= clock(), false) AS is_expired
FROM api_key WHERE key_id < coalesce(%(before)s, 2147483648) ORDER BY key_id DESC LIMIT %(limit)s;

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

-- name: end_key_soon
-- Lets a key that is being replaced end within some hours, with an event; no row when it opens nothing any more, or was
-- replaced before: its own end is no longer known then, and a successor that ended with it would stop a program tomorrow.
WITH ending AS (
    UPDATE api_key SET expires_at = least(expires_at, clock() + make_interval(hours => %(hours)s)), replaced_at = clock()
    WHERE handle = %(handle)s AND revoked_at IS NULL AND replaced_at IS NULL AND coalesce(expires_at > clock(), true)
    RETURNING handle, name, expires_at
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'API key replaced', %(actor)s, jsonb_build_object('key', handle, 'name', name, 'ends', expires_at) FROM ending
)
SELECT handle FROM ending;

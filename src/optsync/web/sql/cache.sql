-- What web processes count together (web/shared_cache.py).

-- name: cache_get
-- A value that has not expired.
SELECT value FROM web_cache WHERE key = %(key)s AND expires_at > clock();

-- name: cache_add
-- Of any number of processes that add a key at once, one gets a row back.
INSERT INTO web_cache AS c (key, value, expires_at) VALUES (%(key)s, %(value)s, clock() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at WHERE c.expires_at <= clock()
RETURNING key;

-- name: cache_set
-- Stores a value, and removes some that have expired.
WITH old AS (DELETE FROM web_cache WHERE key IN (
    SELECT key FROM web_cache WHERE expires_at < clock() AND key <> %(key)s LIMIT 100 FOR UPDATE SKIP LOCKED))
INSERT INTO web_cache (key, value, expires_at) VALUES (%(key)s, %(value)s, clock() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at;

-- name: cache_touch
-- Keeps a value for longer.
UPDATE web_cache SET expires_at = clock() + make_interval(secs => %(seconds)s) WHERE key = %(key)s AND expires_at > clock()
RETURNING key;

-- name: cache_delete
-- Forgets a value.
DELETE FROM web_cache WHERE key = %(key)s AND expires_at > clock() RETURNING key;

-- name: cache_clear
-- Forgets all.
DELETE FROM web_cache;

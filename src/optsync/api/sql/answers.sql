-- Answers kept for an Idempotency-Key.

-- name: kept_answer
-- What was answered to the same Idempotency-Key within 30 days.
SELECT request_hash, status, answer FROM kept_answer
WHERE key_id = %(key_id)s AND name_hash = %(name_hash)s AND made_at > clock() - interval '30 days';

-- name: lock_answer
-- Of two requests with the same key the second waits until the first is committed (advisory lock 7013).
SELECT pg_advisory_xact_lock(7013, hashtext(%(key_id)s::text || encode(%(name_hash)s, 'hex')));

-- name: keep_answer
-- Keeps an answer and forgets those that are older than 30 days. Of two at the same moment the first stays.
WITH old AS (DELETE FROM kept_answer WHERE made_at <= clock() - interval '30 days'
             AND (key_id, name_hash) <> (%(key_id)s, %(name_hash)s))
INSERT INTO kept_answer (key_id, name_hash, request_hash, status, answer)
VALUES (%(key_id)s, %(name_hash)s, %(request_hash)s, %(status)s, %(answer)s)
ON CONFLICT (key_id, name_hash) DO UPDATE
SET request_hash = EXCLUDED.request_hash, status = EXCLUDED.status, answer = EXCLUDED.answer, made_at = clock()
WHERE kept_answer.made_at <= clock() - interval '30 days';

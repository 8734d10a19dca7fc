-- The mail providers that may call.

-- name: sources
-- Every one, with how many of its events nobody could read, and how many were tried in vain so far.
SELECT s.provider, s.secret_hash, s.signing_key, s.topic, s.takes_complaints, s.takes_bounces, s.takes_groups, s.added_at,
       s.added_by, s.last_event_at, s.rejected_at, s.rejected_why,
       array(SELECT o.secret_hash FROM mail_source_old_secret o WHERE o.provider = s.provider AND o.until > clock())
           AS old_secret_hashes,
       (SELECT count(*) FROM inbox i WHERE i.provider = s.provider AND i.deed = 'unreadable' AND i.taken_at IS NULL)
           AS unreadable,
       (SELECT count(*) FROM inbox i WHERE i.provider = s.provider AND i.tries > 0 AND i.taken_at IS NULL
           AND i.deed <> 'unreadable') AS put_off
FROM mail_source s WHERE s.provider = coalesce(%s, s.provider) ORDER BY s.provider;

-- name: add_source
-- A new one and the event that says so; no row when it is there already.
WITH made AS (
    INSERT INTO mail_source (provider, secret_hash, signing_key, topic, takes_complaints, takes_bounces, takes_groups, added_by)
    VALUES (%(provider)s, %(secret_hash)s, %(signing_key)s, %(topic)s, %(complaints)s, %(bounces)s, %(groups)s, %(actor)s)
    ON CONFLICT DO NOTHING RETURNING provider
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'mail provider added', %(actor)s, jsonb_build_object('provider', provider) FROM made
)
SELECT provider FROM made;

-- name: set_source
-- What counts as an unsubscribe, with the event that says so. A key or topic of NULL stays as it is.
WITH changed AS (
    UPDATE mail_source SET takes_complaints = %(complaints)s, takes_bounces = %(bounces)s, takes_groups = %(groups)s,
           signing_key = coalesce(%(signing_key)s, signing_key), topic = coalesce(%(topic)s, topic)
    WHERE provider = %(provider)s RETURNING *
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'mail provider changed', %(actor)s, jsonb_build_object('provider', provider, 'complaints', takes_complaints,
           'bounces', takes_bounces, 'groups', takes_groups) FROM changed
)
SELECT provider FROM changed;

-- name: rotate_source
-- A new secret; those before open for a day after they were replaced, or until the new one is used.
WITH before AS MATERIALIZED (SELECT provider, secret_hash FROM mail_source WHERE provider = %(provider)s FOR UPDATE),
over AS (DELETE FROM mail_source_old_secret WHERE provider = %(provider)s AND until <= clock()),
kept AS (
    INSERT INTO mail_source_old_secret (provider, secret_hash, until)
    SELECT provider, secret_hash, clock() + interval '1 day' FROM before
), changed AS (
    UPDATE mail_source s SET secret_hash = %(secret_hash)s FROM before WHERE s.provider = before.provider RETURNING s.provider
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'mail provider secret rotated', %(actor)s, jsonb_build_object('provider', provider) FROM changed
)
SELECT provider FROM changed;

-- name: end_old_secrets
-- The newest secret is in use: those that were seen before it open nothing any more.
DELETE FROM mail_source_old_secret WHERE provider = %(provider)s AND secret_hash = ANY (%(secret_hashes)s);

-- name: remove_source
-- Nothing is taken from it any more; what it said stays.
WITH gone AS (DELETE FROM mail_source WHERE provider = %(provider)s RETURNING provider), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'mail provider removed', %(actor)s, jsonb_build_object('provider', provider) FROM gone
)
SELECT provider FROM gone;

-- name: heard_from
-- When a provider last told something, at most once a second.
UPDATE mail_source SET last_event_at = clock()
WHERE provider = %s AND coalesce(last_event_at < clock() - interval '1 second', true);

-- name: note_rejection
-- Why a call was refused. The same reason is written at most every ten seconds, another one after a second: a flood must
-- not become one of writes, whatever reasons it alternates.
UPDATE mail_source SET rejected_at = clock(), rejected_why = %(why)s WHERE provider = %(provider)s
  AND coalesce(rejected_at < clock() - CASE WHEN rejected_why = %(why)s THEN interval '10 seconds'
                                            ELSE interval '1 second' END, true);

-- name: lock_signing_keys
-- Every stored signing key, held until the transaction ends.
SELECT provider, signing_key FROM mail_source WHERE signing_key IS NOT NULL ORDER BY provider FOR UPDATE;

-- name: replace_signing_key
-- The same key, encrypted anew.
UPDATE mail_source SET signing_key = %(signing_key)s WHERE provider = %(provider)s;

-- name: sns_certificate
-- A certificate of Amazon's that was fetched before.
SELECT pem FROM sns_certificate WHERE url = %s;

-- name: keep_sns_certificate
-- Keeps a certificate of Amazon's.
INSERT INTO sns_certificate (url, pem) VALUES (%s, %s) ON CONFLICT DO NOTHING;

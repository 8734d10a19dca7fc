-- What mail providers said, until the ledger has it.

-- name: put_into_inbox
-- Stores events, each once however often it is told; all of them or none. Returns how many are new, and the numbers of
-- those that the ledger has not taken yet: the new ones, and what an earlier call with the same events left behind.
WITH kept AS (
    INSERT INTO inbox (provider, event_key, deed, address, evidence, raw)
    SELECT %(provider)s, e.event_key, e.deed, e.address, e.evidence, e.raw
    FROM unnest(%(event_keys)s::bytea[], %(deeds)s::text[], %(addresses)s::text[], %(evidences)s::jsonb[],
                %(raws)s::text[]) WITH ORDINALITY AS e(event_key, deed, address, evidence, raw, nth)
    ORDER BY e.nth ON CONFLICT (event_key) DO NOTHING RETURNING inbox_id, deed
)
SELECT (SELECT count(*) FROM kept), ARRAY(
    SELECT inbox_id FROM kept WHERE deed <> 'unreadable'
    UNION ALL SELECT i.inbox_id FROM inbox i
              WHERE i.event_key = ANY (%(event_keys)s::bytea[]) AND i.taken_at IS NULL AND i.deed <> 'unreadable'
    ORDER BY inbox_id);

-- name: inbox_waiting
-- The oldest events that the ledger has not taken yet; what was put off waits its time.
SELECT inbox_id, provider, deed, address, evidence FROM inbox
WHERE taken_at IS NULL AND deed <> 'unreadable' AND (try_at IS NULL OR try_at <= clock()) ORDER BY inbox_id LIMIT %s;

-- name: inbox_waiting_of
-- The same of some events, put off or not.
SELECT inbox_id, provider, deed, address, evidence FROM inbox
WHERE inbox_id = ANY (%s) AND taken_at IS NULL AND deed <> 'unreadable' ORDER BY inbox_id;

-- name: put_off
-- An event that could not be recorded now: tried again after 2, 4, 8 ... seconds, five minutes at most.
UPDATE inbox SET tries = tries + 1, try_at = clock() + least(interval '1 second' * 2 ^ least(tries + 1, 9), interval '5 minutes')
WHERE inbox_id = %(inbox)s AND taken_at IS NULL;

-- name: inbox_waiting_about
-- Those about one address, put off or not.
SELECT inbox_id, provider, deed, address, evidence FROM inbox
WHERE taken_at IS NULL AND deed <> 'unreadable' AND address = %s ORDER BY inbox_id;

-- name: take_from_inbox
-- Marks one event as taken, in the ledger's transaction; no row when somebody else took it.
UPDATE inbox SET taken_at = clock(), address = NULL WHERE inbox_id = %s AND taken_at IS NULL RETURNING inbox_id;

-- name: cannot_be_recorded
-- An event that the ledger will never take: a person sees it, as an unreadable one.
UPDATE inbox SET deed = 'unreadable', raw = left(address || ' ' || evidence::text, 16384), address = NULL,
    evidence = evidence || jsonb_build_object('why', %(why)s::text)
WHERE inbox_id = %(inbox)s AND taken_at IS NULL AND address IS NOT NULL;

-- name: forget_taken
-- Forgets what was taken 90 days ago: no provider repeats an event for so long.
DELETE FROM inbox WHERE inbox_id IN (
    SELECT inbox_id FROM inbox WHERE taken_at <= clock() - interval '90 days' ORDER BY taken_at LIMIT 1000);

-- name: use_signature
-- Notes what a signature stands under; no row when it stood under something else before.
INSERT INTO used_signature AS u (token_hash, said_hash) VALUES (%(token)s, %(said)s)
ON CONFLICT (token_hash) DO UPDATE SET said_hash = EXCLUDED.said_hash WHERE u.said_hash = EXCLUDED.said_hash
RETURNING token_hash;

-- name: forget_signatures
-- Forgets those that are too old to count, on their time alone.
DELETE FROM used_signature WHERE token_hash IN (
    SELECT token_hash FROM used_signature WHERE used_at < clock() - interval '3 days' ORDER BY used_at LIMIT 1000);

-- name: note_of_provider
-- An entry in a person's history that changes nothing: the provider said something that does not travel.
INSERT INTO event (kind, subject, source, evidence) VALUES (%(kind)s, %(subject)s, 'mail provider', %(evidence)s);

-- name: unreadable
-- The newest events of a provider that could not be read and nobody has put aside.
SELECT inbox_id, received_at, evidence ->> 'why' AS why, raw FROM inbox
WHERE provider = %s AND deed = 'unreadable' AND taken_at IS NULL ORDER BY inbox_id DESC LIMIT %s;

-- name: put_aside
-- A person has dealt with an unreadable event.
UPDATE inbox SET taken_at = clock(), raw = NULL
WHERE inbox_id = %s AND provider = %s AND deed = 'unreadable' AND taken_at IS NULL RETURNING inbox_id;

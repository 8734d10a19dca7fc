-- What mail providers said, until the ledger has it.

-- name: put_into_inbox
-- Stores events, each once however often it is told; all of them or none. Returns how many are new.
WITH kept AS (
    INSERT INTO inbox (provider, event_key, deed, address, evidence, raw)
    SELECT %(provider)s, e.event_key, e.deed, e.address, e.evidence, e.raw
    FROM unnest(%(event_keys)s::bytea[], %(deeds)s::text[], %(addresses)s::text[], %(evidences)s::jsonb[],
                %(raws)s::text[]) WITH ORDINALITY AS e(event_key, deed, address, evidence, raw, nth)
    ORDER BY e.nth ON CONFLICT (event_key) DO NOTHING RETURNING inbox_id
)
SELECT count(*) FROM kept;

-- name: inbox_waiting
-- The next events that the ledger has not taken yet, after a given one.
SELECT inbox_id, provider, deed, address, evidence FROM inbox
WHERE taken_at IS NULL AND deed <> 'unreadable' ORDER BY inbox_id LIMIT %s;

-- name: inbox_waiting_of
-- Those about one address.
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

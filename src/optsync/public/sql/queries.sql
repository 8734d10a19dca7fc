-- What the recipients' door reads and writes of its own; opt-outs are the ledger's.

-- name: make_sender
-- The scope of a sender, made when a first person stops it.
WITH made AS (INSERT INTO sender (normal, label) VALUES (%(normal)s, %(label)s) ON CONFLICT DO NOTHING RETURNING scope)
SELECT scope FROM made UNION ALL SELECT scope FROM sender WHERE normal = %(normal)s LIMIT 1;

-- name: scope_of_sender
-- The scope of a sender whom somebody has stopped.
SELECT scope FROM sender WHERE normal = %s;

-- name: labels_of_senders
-- What some senders are called.
SELECT label FROM sender WHERE scope = ANY (%s) ORDER BY label;

-- name: note_visit
-- Notes an unsubscribe by link, and lists it when it looks like a scanner's (sql/schema.sql visit_noted).
SELECT visit_noted(%(network)s, %(address)s, %(version)s, %(repeat)s, %(people)s, %(seconds)s);

-- name: scanners
-- The lists that wait for a review, the oldest first: network, people, within how many seconds.
SELECT h.hold_id, h.origin AS network, h.made_at, count(*)::int AS people,
       extract(epoch FROM max(o.since) - min(o.since))::float8 AS seconds
FROM hold h JOIN hold_item i USING (hold_id) JOIN opt_out o ON (o.address_id, o.scope) = (i.address_id, 0)
WHERE h.direction = 's' AND h.decided_at IS NULL GROUP BY h.hold_id ORDER BY h.hold_id;

-- name: say_why
-- What a person answered to "why?"; a link in wrong hands cannot fill the history with it.
INSERT INTO event (kind, subject, source, reason, evidence)
SELECT 'reason given', %(subject)s, %(source)s, %(reason)s, %(evidence)s
WHERE (SELECT count(*) FROM (SELECT FROM event WHERE subject = %(subject)s AND kind = 'reason given' LIMIT %(most)s) before)
      < %(most)s;

-- name: brand
-- How the page looks; no row as long as nobody has changed it.
SELECT organisation, light_colour, dark_colour, support, mailbox FROM brand;

-- name: save_brand
-- Saves it, with an event that says who changed it to what.
WITH saved AS (
    INSERT INTO brand AS b (organisation, light_colour, dark_colour, support, mailbox)
    VALUES (%(organisation)s, %(light_colour)s, %(dark_colour)s, %(support)s, %(mailbox)s)
    ON CONFLICT (only_row) DO UPDATE
        SET organisation = EXCLUDED.organisation, light_colour = EXCLUDED.light_colour, dark_colour = EXCLUDED.dark_colour,
            support = EXCLUDED.support, mailbox = EXCLUDED.mailbox
        WHERE (b.organisation, b.light_colour, b.dark_colour, b.support, b.mailbox) IS DISTINCT FROM
              (EXCLUDED.organisation, EXCLUDED.light_colour, EXCLUDED.dark_colour, EXCLUDED.support, EXCLUDED.mailbox)
    RETURNING *)
INSERT INTO event (kind, actor, evidence)
SELECT 'unsubscribe page changed', %(actor)s, to_jsonb(saved) - 'only_row' FROM saved;

-- name: message_texts
-- Every text, the account's first.
SELECT kind, name, words, appends FROM message_text ORDER BY kind, name;

-- name: message_text
-- The text that counts: the user's own, else the team's, else the account's.
SELECT kind, name, words, appends FROM message_text
WHERE kind = 'account' OR (kind, name) IN (('team', %(team)s), ('user', %(user)s))
ORDER BY kind DESC LIMIT 1;

-- name: save_message_text
-- Saves one, with an event.
WITH saved AS (
    INSERT INTO message_text AS m (kind, name, words, appends) VALUES (%(kind)s, %(name)s, %(words)s, %(appends)s)
    ON CONFLICT (kind, name) DO UPDATE SET words = EXCLUDED.words, appends = EXCLUDED.appends
        WHERE (m.words, m.appends) IS DISTINCT FROM (EXCLUDED.words, EXCLUDED.appends)
    RETURNING *)
INSERT INTO event (kind, actor, evidence) SELECT 'message text changed', %(actor)s, to_jsonb(saved) FROM saved;

-- name: drop_message_text
-- Removes one, with an event; the next wider text counts again.
WITH gone AS (DELETE FROM message_text WHERE kind = %(kind)s AND name = %(name)s RETURNING *)
INSERT INTO event (kind, actor, evidence) SELECT 'message text removed', %(actor)s, to_jsonb(gone) FROM gone;

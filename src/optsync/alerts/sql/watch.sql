-- What may be wrong, and the rows of what is.

-- name: watch_alone
-- Whether this transaction is the one that looks; others look a minute later.
SELECT pg_try_advisory_xact_lock(7006, 0), clock();

-- name: pauses_now
-- Pauses of pushes. The errors of a sign-in (OAuth's) are in lower case, all other codes are not.
SELECT p.org_id, c.org_name AS org, min(p.code) AS code,
       p.prefix = '' AND p.field = 0 AND (p.code = 'INVALID_SESSION_ID' OR p.code = lower(p.code)) AS is_sign_in
FROM pause p JOIN connection c USING (org_id) WHERE c.disconnected_at IS NULL AND p.until > clock() GROUP BY 1, 2, 4;

-- name: refused_now
-- Boxes that wait for a person, by cause; what a person decided is no problem.
SELECT m.org_id, c.org_name AS org, split_part(m.reason, ':', 1) AS code, count(*)::int AS boxes
FROM mark m JOIN connection c USING (org_id)
WHERE c.disconnected_at IS NULL AND m.state = 'p' AND m.reason NOT IN ('fan-out refused', 'hold dropped') GROUP BY 1, 2, 3;

-- name: holds_now
-- Mass changes that wait for a decision; those of single crowded addresses as one.
SELECT CASE WHEN h.direction = 'f' THEN 0 ELSE h.hold_id END AS hold_id, count(DISTINCT i.address_id)::int AS people,
       (extract(epoch FROM clock() - min(h.made_at)) / 3600)::float8 AS hours
FROM hold h JOIN hold_item i USING (hold_id) WHERE h.decided_at IS NULL AND h.direction <> 's' GROUP BY 1;

-- name: unproved_now
-- Orgs whose sync is on and that no run has proved for so many hours.
SELECT s.org_id, c.org_name AS org, proof.at AS proved_at FROM settings s JOIN connection c USING (org_id)
LEFT JOIN LATERAL (SELECT max(finished_at) AS at FROM run r WHERE r.org_id = s.org_id AND r.result LIKE 'proved%%') proof ON true
WHERE c.disconnected_at IS NULL AND greatest(s.sync_on_since, proof.at) < clock() - make_interval(hours => %(hours)s);

-- name: slow_now
-- How long 99 of 100 unsubscribes of the last day took to their first box, for orgs with enough of them.
SELECT t.org_id, c.org_name AS org, t.p99 FROM (
    SELECT g.org_id, count(*) AS n, percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM confirmed.at - o.at))::float8 AS p99
    FROM (SELECT event_id, at, subject FROM event
          WHERE kind = 'opted out' AND scope = 0 AND source NOT IN ('import', 'salesforce sync', 'follows record')
            AND event_id > (SELECT max(event_id) - 50000 FROM event) AND at > clock() - interval '1 day'
          ORDER BY event_id DESC LIMIT 500) o, org g,
         LATERAL (SELECT min(at) AS at FROM event WHERE subject = o.subject AND kind = 'confirmed' AND org_id = g.org_id
                  AND event_id > o.event_id) confirmed
    WHERE confirmed.at IS NOT NULL GROUP BY 1) t JOIN connection c USING (org_id)
WHERE c.disconnected_at IS NULL AND t.n >= %(least)s AND t.p99 > %(seconds)s;

-- name: webhooks_ended
-- Endpoints that were disabled because of what they answered, or because nothing can be signed for them.
SELECT endpoint_id, CASE disabled_why WHEN 'secret' THEN 'without a readable secret' ELSE disabled_why END AS why
FROM webhook_endpoint WHERE disabled_why IN ('gone', 'failing', 'secret');

-- name: open_alerts
-- The problems there are, whether told or not.
SELECT alert_id, rule, problem, stage, figures, opened_at, seen_at, told_at, told_stage FROM alert WHERE fixed_at IS NULL
ORDER BY alert_id;

-- name: see_alert
-- A problem that is there: for the first time, or still.
INSERT INTO alert (rule, problem, stage, figures, opened_at, seen_at)
VALUES (%(rule)s, %(problem)s, %(stage)s, %(figures)s, %(now)s, %(now)s)
ON CONFLICT (problem) WHERE fixed_at IS NULL
DO UPDATE SET stage = EXCLUDED.stage, figures = EXCLUDED.figures, seen_at = EXCLUDED.seen_at;

-- name: tell_alert
-- From now on it is told, as far as it has grown.
UPDATE alert SET told_at = coalesce(told_at, %(now)s), told_stage = stage WHERE alert_id = %(alert_id)s;

-- name: fix_alert
-- It is gone, and that is told.
UPDATE alert SET fixed_at = %(now)s WHERE alert_id = %(alert_id)s;

-- name: drop_alert
-- It is gone before it was told: nobody needs to know.
DELETE FROM alert WHERE alert_id = %(alert_id)s;

-- name: write_alert_event
-- What programs elsewhere are told of a problem.
INSERT INTO event (kind, org_id, reason, evidence) VALUES (%(kind)s, %(org)s, %(code)s, %(evidence)s);

-- name: tellable
-- What every channel must have been told: each open problem as far as it has grown, and lately fixed ones.
SELECT alert_id, rule, problem, told_stage AS stage, figures, opened_at, told_at, fixed_at FROM alert
WHERE told_at IS NOT NULL AND (fixed_at IS NULL OR fixed_at > clock() - interval '1 hour') ORDER BY alert_id;

-- name: channels
-- Every channel, with what became of its newest message.
SELECT c.channel_id, c.kind, c.name, c.target, c.made_at, c.made_by, m.sent_at, m.due_at, m.said
FROM alert_channel c LEFT JOIN LATERAL (
    SELECT sent_at, due_at, said FROM alert_message m WHERE m.channel_id = c.channel_id ORDER BY message_id DESC LIMIT 1) m ON true
ORDER BY c.channel_id;

-- name: add_channel
-- A new channel, with its event.
WITH made AS (INSERT INTO alert_channel (kind, name, target, made_by) VALUES (%(kind)s, %(name)s, %(target)s, %(actor)s)
    RETURNING channel_id),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'alert channel added', %(actor)s, jsonb_build_object('channel', channel_id, 'kind', %(kind)s::text) FROM made)
SELECT channel_id FROM made;

-- name: remove_channel
-- Ends a channel, with its messages.
WITH done AS (DELETE FROM alert_channel WHERE channel_id = %(channel)s RETURNING channel_id, kind),
told AS (INSERT INTO event (kind, actor, evidence)
    SELECT 'alert channel removed', %(actor)s, jsonb_build_object('channel', channel_id, 'kind', kind) FROM done)
SELECT channel_id FROM done;

-- name: put_message
-- A message for one channel, once.
INSERT INTO alert_message (channel_id, name, subject, body) VALUES (%(channel)s, %(name)s, %(subject)s, %(body)s)
ON CONFLICT (channel_id, name) DO NOTHING;

-- name: claim_message
-- Takes the oldest due message; it comes back after its lease when whoever took it dies.
UPDATE alert_message m SET due_at = clock() + make_interval(secs => %(lease)s), attempts = m.attempts + 1
FROM (SELECT message_id FROM alert_message WHERE due_at <= clock() ORDER BY due_at, message_id LIMIT 1 FOR UPDATE SKIP LOCKED) due,
     alert_channel c
WHERE m.message_id = due.message_id AND c.channel_id = m.channel_id
RETURNING m.message_id, m.name, m.subject, m.body, m.attempts, c.kind, c.target;

-- name: settle_message
-- What came of it; without a further attempt it is sent or given up.
UPDATE alert_message SET said = %(said)s, sent_at = CASE WHEN %(sent)s THEN clock() END,
       due_at = CASE WHEN %(again)s::float8 IS NOT NULL THEN clock() + make_interval(secs => %(again)s::float8) END
WHERE message_id = %(message)s;

-- name: proved_lately
-- Runs that proved agreement within an hour: each is worth a ping.
SELECT run_id FROM run WHERE result LIKE 'proved%%' AND finished_at > clock() - interval '1 hour' ORDER BY run_id;

-- name: week
-- The last seven days in figures, for the weekly message; a row only when it is Monday and every org was proved lately.
SELECT to_char(clock() AT TIME ZONE 'UTC', 'IYYY-"W"IW') AS week, (SELECT count(*)::int FROM run r
        WHERE r.result LIKE 'proved%%' AND r.finished_at > clock() - interval '7 days') AS runs,
       (SELECT count(*)::int FROM opt_out WHERE scope = 0 AND lifted_at IS NULL) AS people
WHERE extract(isodow FROM clock() AT TIME ZONE 'UTC') = 1 AND extract(hour FROM clock() AT TIME ZONE 'UTC') >= 8
  AND NOT EXISTS (SELECT FROM alert WHERE told_at IS NOT NULL AND fixed_at IS NULL)
  AND EXISTS (SELECT FROM settings s JOIN connection c USING (org_id) WHERE s.sync_on_since IS NOT NULL AND c.disconnected_at IS NULL)
  AND NOT EXISTS (SELECT FROM settings s JOIN connection c USING (org_id) WHERE s.sync_on_since IS NOT NULL
      AND c.disconnected_at IS NULL AND NOT EXISTS (
      SELECT FROM run r WHERE r.org_id = s.org_id AND r.result LIKE 'proved%%' AND r.finished_at > clock() - interval '26 hours'));

-- name: told_alerts
-- Problems that were told, the open ones first, then the newest.
SELECT alert_id, rule, problem, told_stage AS stage, figures, opened_at, told_at, fixed_at FROM alert WHERE told_at IS NOT NULL
ORDER BY fixed_at IS NOT NULL, alert_id DESC LIMIT %(limit)s;

-- name: lock_alert_targets
-- Every encrypted target; none is replaced meanwhile.
SELECT channel_id, target FROM alert_channel ORDER BY channel_id FOR UPDATE;

-- name: replace_alert_target
-- The same target under another key.
UPDATE alert_channel SET target = %(target)s WHERE channel_id = %(channel)s;

-- The audit page: every event there is, the newest first. A page looks at a bounded number of events.

-- name: events_before
-- A part of the events before a number, and of them those that are asked for; each says whether it is sealed.
SELECT e.*, o.salesforce_id AS org FROM (
    SELECT event_id, at, kind, encode(subject, 'hex') AS subject, source, actor, org_id, field, record_id, run_id, reason, evidence
    FROM event WHERE event_id < %(before)s AND event_id >= %(from)s ORDER BY event_id DESC LIMIT %(look)s) e
LEFT JOIN org o USING (org_id)
WHERE (%(what)s = '' OR starts_with(e.kind, %(what)s))
  AND (%(who)s = '' OR starts_with(coalesce(e.actor, e.source, ''), %(who)s))
  AND (%(about)s = '' OR e.subject = %(about)s OR e.record_id = %(about)s)
  AND e.at >= %(since)s AND e.at < %(until)s
ORDER BY e.event_id DESC LIMIT %(most)s;

-- name: looked_to
-- The smallest number of that part; nothing when there is none before it.
SELECT min(event_id), count(*)::int FROM (
    SELECT event_id FROM event WHERE event_id < %(before)s AND event_id >= %(from)s ORDER BY event_id DESC LIMIT %(look)s) part;

-- name: event_at_or_after
-- The first event from a number on.
SELECT event_id, at FROM event WHERE event_id >= %s ORDER BY event_id LIMIT 1;

-- name: newest_event
-- The number of the newest event; 0 before the first.
SELECT coalesce(max(event_id), 0) FROM event;

-- name: events_between
-- What an export holds, the oldest first.
SELECT event_id, at, kind, encode(subject, 'hex') AS subject, source, actor, o.salesforce_id AS org, field, record_id, run_id, reason, evidence
FROM event LEFT JOIN org o USING (org_id)
WHERE event_id >= %(from)s AND event_id < %(before)s
  AND (%(what)s = '' OR starts_with(kind, %(what)s))
  AND (%(who)s = '' OR starts_with(coalesce(actor, source, ''), %(who)s))
  AND (%(about)s = '' OR encode(subject, 'hex') = %(about)s OR record_id = %(about)s)
  AND at >= %(since)s AND at < %(until)s
ORDER BY event_id;

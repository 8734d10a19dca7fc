-- The list of unsubscribes. Nothing here reads more rows than a page asks for.

-- name: newest_opt_outs
-- The newest opt-outs of the whole account before a given one, each with its state in Salesforce. Either all of them, walked
-- source by source along opt_out_newest, or those of the addresses that `among` names. States: lifted, held, parked, owed,
-- confirmed; 'not linked' without a live record; 'nothing owed' otherwise. The most urgent one of a person's boxes counts.
-- Of the first `most` only those in a state and with a beginning are given, and the last one whatever it is: the next page
-- goes on there. With `actor` only whom that one unsubscribed, with `field` only who has a box in it. States are looked up in
-- this order and no further than `rows` need; so nothing may sort behind that. Of who does not begin so, or was not
-- unsubscribed by that actor, no box is looked at, which costs more than all the rest. The moment of `before` is a bound of
-- its own, and a constant: the index is walked from there, which it is not for the pair of moment and address. Boxes are
-- found by field, because the key of marks begins so.
SELECT o.nth::int, o.address_id, a.normal, o.since, o.source, marked.state, marked.in_field, doer.actor
FROM (
    SELECT o.*, row_number() OVER (ORDER BY o.since DESC, o.address_id DESC) AS nth FROM (
        (SELECT walked.* FROM unnest(%(sources)s::text[]) AS s(source), LATERAL (
             SELECT o.* FROM opt_out o
             WHERE o.source = s.source AND o.scope = 0 AND o.since >= %(from_at)s::timestamptz
               AND o.since < least(%(to_at)s::timestamptz, %(before_at)s::timestamptz + interval '1 microsecond')
               AND %(among)s::bigint[] IS NULL
               AND (o.since, o.address_id) < (%(before_at)s::timestamptz, %(before_id)s::bigint)
             ORDER BY o.since DESC, o.address_id DESC LIMIT %(most)s) walked
         ORDER BY walked.since DESC, walked.address_id DESC LIMIT %(most)s)
        UNION ALL
        (SELECT o.* FROM unnest(%(among)s::bigint[]) AS wanted(address_id) JOIN opt_out o USING (address_id)
         WHERE o.scope = 0 AND o.source = ANY (%(sources)s::text[]) AND o.since >= %(from_at)s::timestamptz
           AND o.since < %(to_at)s::timestamptz AND (o.since, o.address_id) < (%(before_at)s::timestamptz, %(before_id)s::bigint))) o
    ORDER BY o.since DESC, o.address_id DESC LIMIT %(most)s) o,
LATERAL (SELECT a.normal, a.erased_hash, %(first)s = '' OR coalesce(a.normal >= %(first)s AND a.normal < %(last)s, false) AS begins
         FROM address a WHERE a.address_id = o.address_id) a,
LATERAL (SELECT CASE WHEN %(actor)s <> '' AND a.begins THEN (
             SELECT e.actor FROM event e
             WHERE e.subject = subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s) AND e.scope = 0
               AND e.kind IN ('opted out', 'repeated') ORDER BY e.event_id DESC LIMIT 1) END AS actor) doer,
LATERAL (
    SELECT CASE WHEN o.lifted_at IS NOT NULL THEN 'lifted'
                WHEN o.lift_waits_at IS NOT NULL OR bool_or(m.state = 'h') THEN 'held'
                WHEN bool_or(m.state = 'p') THEN 'parked'
                WHEN bool_or(m.state = 'o') THEN 'owed'
                WHEN bool_or(m.state = 'c') THEN 'confirmed'
                WHEN count(*) = 0 THEN 'not linked' ELSE 'nothing owed' END AS state,
           coalesce(bool_or(m.org_id = %(field_org)s AND m.field = %(field)s), false) AS in_field
    FROM record r LEFT JOIN mark m ON m.org_id = r.org_id AND m.record_id = r.record_id
                                  AND m.field = ANY (ARRAY(SELECT DISTINCT f.field FROM opt_out_field f))
    WHERE r.address_id = o.address_id AND r.successor IS NULL AND a.begins AND %(actor)s IN ('', doer.actor)) marked
WHERE a.begins AND (%(state)s = '' OR marked.state = %(state)s)
  AND %(actor)s IN ('', doer.actor) AND (%(field)s = 0 OR marked.in_field)
   OR o.nth = %(most)s
ORDER BY o.since DESC, o.address_id DESC LIMIT %(rows)s;

-- name: people_in_state
-- Addresses that may be in a state that few people are in, and how many boxes and rows were looked at: `most` = there may be
-- more, and none are named. The list above looks closer.
WITH boxes AS MATERIALIZED (
    (SELECT org_id, record_id FROM mark WHERE state = 'h' AND %(state)s = 'held' LIMIT %(most)s)
    UNION ALL (SELECT org_id, record_id FROM mark WHERE state = 'p' AND %(state)s = 'parked' LIMIT %(most)s)
    UNION ALL (SELECT m.org_id, m.record_id FROM org JOIN mark m USING (org_id)
               WHERE m.state NOT IN ('c', 'h') AND m.state = 'o' AND %(state)s = 'owed' LIMIT %(most)s)),
people AS MATERIALIZED (
    (SELECT address_id FROM opt_out WHERE lift_waits_at IS NOT NULL AND %(state)s = 'held' LIMIT %(most)s)
    UNION ALL (SELECT address_id FROM opt_out WHERE scope = 0 AND lifted_at IS NOT NULL AND %(state)s = 'lifted' LIMIT %(most)s)
    UNION ALL (SELECT address_id FROM lookup WHERE %(state)s = 'not linked' LIMIT %(most)s)
    UNION ALL (SELECT address_id FROM address WHERE erased_hash IS NOT NULL AND %(state)s = 'not linked' LIMIT %(most)s)),
looked_at AS (SELECT least(%(most)s, (SELECT count(*) FROM boxes) + (SELECT count(*) FROM people))::int AS rows)
SELECT ARRAY(SELECT r.address_id FROM boxes JOIN record r USING (org_id, record_id)
             WHERE r.address_id IS NOT NULL AND (SELECT rows FROM looked_at) < %(most)s
             UNION SELECT address_id FROM people), rows FROM looked_at;

-- name: last_of_sources
-- When each source last unsubscribed somebody; NULL when it never did.
SELECT s.source, (SELECT max(o.since) FROM opt_out o WHERE o.source = s.source) FROM unnest(%s::text[]) AS s(source);
-- name: people_beginning
-- Addresses that begin as asked, and how many that are, at most so many.
SELECT coalesce(array_agg(address_id), '{}'), count(*)::int
FROM (SELECT address_id FROM address WHERE normal >= %(first)s AND normal < %(last)s LIMIT %(most)s) found;

-- name: people_of_record
-- The addresses of a record in any org, and how many these are.
SELECT coalesce(array_agg(r.address_id), '{}'), count(*)::int
FROM org o JOIN record r USING (org_id) WHERE r.record_id = %(record)s AND r.address_id IS NOT NULL;

-- name: opt_outs_counted
-- How many active opt-outs there are from some sources since a day, counted no further than so many.
SELECT count(*)::int FROM (SELECT FROM opt_out WHERE scope = 0 AND lifted_at IS NULL AND source = ANY (%(sources)s::text[])
                           AND since >= %(from_at)s::timestamptz AND since < %(to_at)s::timestamptz LIMIT %(most)s) counted;

-- name: opt_outs_estimated
-- The same as the planner knows it, for more than one counts while a page waits.
EXPLAIN (FORMAT JSON) SELECT FROM opt_out WHERE scope = 0 AND lifted_at IS NULL AND source = ANY (%(sources)s::text[])
                      AND since >= %(from_at)s::timestamptz AND since < %(to_at)s::timestamptz;

-- name: people_by
-- Addresses that somebody, and nobody else since, unsubscribed, and how many such events there are, at most so many; none are
-- named then. An opt-out and its event are made at the same moment; a repeated one keeps the moment of the first.
-- `is_last` is a column: as a condition it would let the planner expect a handful, and compare each with each.
WITH events AS MATERIALIZED (
    SELECT subject, source, event_id FROM event
    WHERE actor = %(actor)s AND kind IN ('opted out', 'repeated') ORDER BY event_id DESC LIMIT %(most)s),
theirs AS MATERIALIZED (
    SELECT e.subject, e.source, told.at, told.last = e.event_id AS is_last FROM events e,
    LATERAL (SELECT max(f.event_id) AS last, (array_agg(f.at ORDER BY f.event_id DESC) FILTER (WHERE f.kind = 'opted out'))[1] AS at
             FROM event f WHERE f.subject = e.subject AND f.scope = 0 AND f.kind IN ('opted out', 'repeated')) told
    WHERE (SELECT count(*) FROM events) < %(most)s),
moments AS (SELECT DISTINCT source, at FROM theirs WHERE is_last),
candidates AS MATERIALIZED (
    SELECT o.address_id, subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s) AS subject
    FROM moments m JOIN opt_out o ON o.source = m.source AND o.since = m.at AND o.scope = 0 JOIN address a USING (address_id))
SELECT coalesce(array_agg(DISTINCT c.address_id), '{}'), (SELECT count(*)::int FROM events) FROM candidates c JOIN theirs t USING (subject)
WHERE t.is_last;

-- name: newest_by
-- When somebody unsubscribed anybody last, and an hour for the transaction that did.
SELECT at + interval '1 hour' FROM event WHERE actor = %s AND kind IN ('opted out', 'repeated') ORDER BY event_id DESC LIMIT 1;

-- name: people_in_field
-- Addresses with a box in an opt-out field, and how many boxes were looked at, at most so many; none are named then.
WITH boxes AS MATERIALIZED (
    SELECT org_id, record_id FROM mark WHERE org_id = %(field_org)s AND field = %(field)s LIMIT %(most)s)
SELECT ARRAY(SELECT DISTINCT r.address_id FROM boxes JOIN record r USING (org_id, record_id)
             WHERE r.address_id IS NOT NULL AND (SELECT count(*) FROM boxes) < %(most)s), (SELECT count(*)::int FROM boxes);

-- name: fields_in_use
-- The opt-out fields of all connected orgs in which anybody has a box, by number, with the org's name.
SELECT f.org_id, f.field, f.label, c.org_name FROM opt_out_field f JOIN connection c USING (org_id)
WHERE EXISTS (SELECT FROM mark m WHERE m.org_id = f.org_id AND m.field = f.field) ORDER BY f.org_id, f.field;

-- name: doers
-- Of some people: who or what unsubscribed them last, with what was kept of it, and how many seconds Salesforce took to
-- confirm the first box; NULL where it has not, or somebody else had ticked it.
SELECT a.address_id, told.actor, told.evidence, told.run_id,
       (SELECT extract(epoch FROM min(c.at) - first.at)::float8 FROM event c
        WHERE c.subject = told.subject AND c.kind = 'confirmed' AND c.event_id > first.event_id AND c.reason IS NULL) AS took
FROM unnest(%(addresses)s::bigint[]) AS w(address_id) JOIN address a USING (address_id),
LATERAL (SELECT e.* FROM event e
         WHERE e.subject = subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s) AND e.scope = 0
           AND e.kind IN ('opted out', 'repeated') ORDER BY e.event_id DESC LIMIT 1) told,
LATERAL (SELECT e.event_id, e.at FROM event e WHERE e.subject = told.subject AND e.scope = 0 AND e.kind = 'opted out'
         ORDER BY e.event_id DESC LIMIT 1) first;

-- name: begin_act
-- Notes an act of an origin, and forgets those of yesterday.
WITH old AS (DELETE FROM act WHERE act_id IN (
    SELECT act_id FROM act WHERE at < clock() - interval '1 day' ORDER BY at LIMIT 1000))
INSERT INTO act (origin, people) VALUES (%(origin)s, %(people)s) RETURNING act_id;

-- name: people_of_acts
-- The people of the other acts of an origin within the last hour, or since somebody decided about one of its holds.
SELECT coalesce(sum(a.people), 0) FROM act a
WHERE a.origin = %(origin)s AND a.act_id <> %(act)s AND a.at > greatest(clock() - interval '1 hour',
    (SELECT max(h.decided_at) FROM hold h WHERE h.origin = %(origin)s));

-- name: settle_act
-- How many people of an act were new.
UPDATE act SET people = %(people)s WHERE act_id = %(act)s;

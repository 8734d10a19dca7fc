-- Files that wait to be imported. Advisory lock 7012, upload number: a worker is at it (session).

-- name: make_upload
INSERT INTO upload (name, org_id, columns, state, confirmed, actor)
VALUES (%(name)s, %(org)s, %(columns)s, %(state)s, %(confirmed)s, %(actor)s) RETURNING upload_id;

-- name: kept_files
-- How many files are kept, and how much room they take.
SELECT count(DISTINCT upload_id), coalesce(sum(octet_length(sealed)), 0)::bigint FROM upload_block WHERE part = 'f';

-- name: store_block
INSERT INTO upload_block (upload_id, part, nth, sealed) VALUES (%(upload)s, %(part)s, %(nth)s, %(sealed)s);

-- name: blocks
-- The blocks of a part from one on, in their order.
SELECT sealed FROM upload_block WHERE upload_id = %(upload)s AND part = %(part)s AND nth >= %(first)s ORDER BY nth LIMIT %(most)s;

-- name: forget_blocks
DELETE FROM upload_block WHERE upload_id = %(upload)s AND part = ANY (%(parts)s::"char"[]);

-- name: one_upload
SELECT u.upload_id, u.name, u.org_id, u.columns, u.state, u.confirmed, u.actor, u.made_at, u.ended_at, u.doing, u.done, u.total,
       u.report, u.problem,
       EXISTS (SELECT FROM upload_block b WHERE b.upload_id = u.upload_id AND b.part = 'f') AS has_file,
       EXISTS (SELECT FROM upload_block b WHERE b.upload_id = u.upload_id AND b.part = 'r') AS has_rejects
FROM upload u WHERE u.upload_id = %(upload)s;

-- name: newest_uploads
SELECT upload_id, name, state, made_at, actor, (report ->> 'new')::int + (report ->> 'again')::int AS new, (report ->> 'linked')::int AS linked
FROM upload ORDER BY upload_id DESC LIMIT %(most)s;

-- name: read_again
-- The file is read anew, by columns that a person has chosen (NULL: by what is recognised).
UPDATE upload u SET state = 'reading', columns = %(columns)s, report = NULL, problem = NULL, attempts = 0, ended_at = NULL, doing = ''
WHERE u.upload_id = %(upload)s AND u.state IN ('read', 'refused')
  AND EXISTS (SELECT FROM upload_block b WHERE b.upload_id = u.upload_id AND b.part = 'f')
RETURNING u.upload_id;

-- name: want_import
-- The preview was seen: the file is imported.
UPDATE upload SET state = 'importing', confirmed = %(confirmed)s, actor = %(actor)s, attempts = 0, doing = ''
WHERE upload_id = %(upload)s AND state = 'read' AND report IS NOT NULL RETURNING upload_id;

-- name: discard_upload
DELETE FROM upload WHERE upload_id = %(upload)s AND state IN ('read', 'refused') RETURNING upload_id;

-- name: waiting_uploads
-- Files that a worker should be at, the oldest first.
SELECT upload_id FROM upload WHERE state IN ('reading', 'importing') ORDER BY upload_id;

-- name: take_upload
SELECT pg_try_advisory_lock(7012, %(upload)s);

-- name: leave_upload
SELECT pg_advisory_unlock(7012, %(upload)s);

-- name: begin_upload
-- A worker that holds its lock begins; no row when another one has ended it meanwhile.
UPDATE upload SET attempts = attempts + 1, doing = 'reading', done = 0, total = 0
WHERE upload_id = %(upload)s AND state IN ('reading', 'importing') RETURNING attempts;

-- name: put_upload_off
-- The worker stops in good order: this was no attempt.
UPDATE upload SET attempts = attempts - 1, doing = '' WHERE upload_id = %(upload)s;

-- name: tell_progress
UPDATE upload SET doing = %(doing)s, done = %(done)s, total = %(total)s WHERE upload_id = %(upload)s;

-- name: end_upload
UPDATE upload SET state = %(state)s, report = %(report)s, problem = %(problem)s, doing = '', ended_at = clock()
WHERE upload_id = %(upload)s;

-- name: forget_uploads
-- Files that nobody decided about for a day, and what was rejected a week ago.
WITH undecided AS (
    UPDATE upload SET state = 'refused', problem = %(problem)s, ended_at = clock()
    WHERE state = 'read' AND ended_at < clock() - interval '1 day' RETURNING upload_id)
DELETE FROM upload_block b USING upload u
WHERE u.upload_id = b.upload_id
  AND (b.part = 'f' AND u.state IN ('read', 'refused') AND u.ended_at < clock() - interval '1 day'
       OR u.ended_at < clock() - interval '7 days');

-- name: is_any_worker_alive
SELECT EXISTS (SELECT FROM live_workers());

-- Files that were handed over.

-- name: imports_before
-- A page of their numbers, the newest first.
SELECT upload_id FROM upload WHERE upload_id < %(before)s ORDER BY upload_id DESC LIMIT %(limit)s;

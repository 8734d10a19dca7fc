-- Statements of the command line itself.

-- name: forget_sweeps
-- After a restore nothing is known about what happened since: the next sync reads every record afresh.
UPDATE run SET counts = counts - 'swept';

-- name: waiting
-- Boxes of an org that are owed, and addresses that are to be looked up now.
SELECT (SELECT count(*) FROM mark WHERE org_id = %(org)s AND state = 'o')
     + (SELECT count(*) FROM lookup WHERE org_id = %(org)s AND due_at <= clock());

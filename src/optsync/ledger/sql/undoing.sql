-- name: brought_in
-- How many people would be unblocked by the undo of a run, and how many stay because somebody has ticked them since.
SELECT count(*) FILTER (WHERE NOT repeated)::int, count(*) FILTER (WHERE repeated)::int
FROM brought_in(%(run)s, %(org)s::smallint, %(run_no)s, %(inner)s, %(outer)s);

-- name: undo_run
-- Disputes a run's ticks and ends the opt-outs that they made (functions/undo.sql run_undo).
SELECT lifted, busy, stay
FROM run_undo(%(run)s, %(org)s::smallint, %(run_no)s, %(fields)s::smallint[], %(inner)s, %(outer)s, %(actor)s, %(reason)s);

-- name: run_was_undone
-- Whether a run was undone before.
SELECT EXISTS (SELECT FROM dispute WHERE run_id = %(run)s)
    OR EXISTS (SELECT FROM event WHERE run_id = %(run)s AND kind = 'run undone');

-- name: boxes_to_untick
-- The boxes that the undo of a run has disputed and that are ticked as far as we know, by field.
SELECT d.org_id, d.record_id, array_agg(d.field ORDER BY d.field) FROM dispute d
WHERE d.run_id = %(run)s GROUP BY d.org_id, d.record_id ORDER BY d.org_id, d.record_id;

-- The legal clock: since when the longest waiting opt-out is not in Salesforce.

-- name: oldest_not_in_salesforce
-- Counted from the unsubscribe itself, from every source. What was never tried counts after a minute, so that an old
-- opt-out of a Lead that was made just now is no alarm; a person without a record has no box to tick. Reads only what waits.
SELECT min(since) FROM (
    SELECT min(o.since) AS since FROM mark m JOIN record r USING (org_id, record_id)
    JOIN opt_out o ON o.address_id = r.address_id AND o.scope = 0 AND o.lifted_at IS NULL AND o.lift_waits_at IS NULL
    WHERE m.org_id = %(org)s AND m.state NOT IN ('c', 'h') AND m.reason IS DISTINCT FROM 'fan-out refused'
      AND m.reason IS DISTINCT FROM 'hold dropped' AND (m.state = 'p' OR m.attempts > 0 OR m.due_at < clock() - interval '1 minute')
    UNION ALL
    SELECT min(o.since) FROM hold h JOIN hold_item i USING (hold_id)
    JOIN opt_out o ON o.address_id = i.address_id AND o.scope = 0 AND o.lifted_at IS NULL AND o.lift_waits_at IS NULL
    WHERE h.decided_at IS NULL
    UNION ALL
    SELECT min(l.due_at) FROM lookup l WHERE l.org_id = %(org)s AND l.due_at < clock() - interval '1 hour') waiting;

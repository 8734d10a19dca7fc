-- Addresses whose records are sought by exact e-mail.

-- Wants opted-out addresses looked up by exact e-mail now, in every org where their opt-out is due.
CREATE FUNCTION want_lookups(p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    WITH d AS MATERIALIZED (SELECT DISTINCT epoch, org_id FROM due)     -- small, but not to a planner that never saw it
    INSERT INTO lookup (org_id, address_id)
    SELECT d.org_id, o.address_id FROM opt_out o JOIN d USING (epoch)
    WHERE o.address_id = ANY (p_addresses) AND o.scope = 0 AND o.lifted_at IS NULL      -- an erased one cannot be asked for
      AND EXISTS (SELECT FROM address a WHERE a.address_id = o.address_id AND a.normal IS NOT NULL OFFSET 0)
    ORDER BY 1, 2
    ON CONFLICT (org_id, address_id) DO UPDATE SET due_at = clock(), attempts = 0
$$;

-- Addresses that are opted out but have lost their last live record in an org are looked up again there.
CREATE FUNCTION look_up_unlinked(p_org smallint, p_addresses bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT want_lookups(ARRAY(SELECT a FROM unnest(p_addresses) a WHERE NOT EXISTS (
        SELECT FROM record r WHERE r.org_id + 0 = p_org AND r.address_id = a AND r.successor IS NULL)))
$$;     -- + 0: in a table never analysed the planner would read all records of the org for each address

-- As claim_marks (marks.sql), for due look-ups.
CREATE FUNCTION claim_lookups(p_worker int, p_org smallint, p_limit int, p_newest int)
RETURNS TABLE (address_id bigint, normal text, attempts smallint) LANGUAGE sql AS $$
    WITH live AS MATERIALIZED (SELECT w FROM live_workers() w),
    stopped AS MATERIALIZED (
        SELECT FROM pause p WHERE p.org_id = p_org AND p.prefix = '' AND p.field = 0 AND p.until > clock()),
    newest AS MATERIALIZED (
        SELECT l.org_id, l.address_id FROM lookup l
        WHERE l.due_at <= clock() AND l.org_id = p_org AND NOT EXISTS (SELECT FROM stopped)
          AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT w FROM live))
        ORDER BY l.due_at DESC LIMIT p_newest FOR UPDATE SKIP LOCKED),
    oldest AS MATERIALIZED (
        SELECT l.org_id, l.address_id FROM lookup l
        WHERE l.due_at <= clock() AND l.org_id = p_org AND NOT EXISTS (SELECT FROM stopped)
          AND (l.claimed_by IS NULL OR l.claimed_by NOT IN (SELECT w FROM live))
          AND l.address_id NOT IN (SELECT n.address_id FROM newest n)
        ORDER BY l.due_at LIMIT p_limit - p_newest FOR UPDATE SKIP LOCKED),
    c AS (SELECT * FROM newest UNION ALL SELECT * FROM oldest)
    UPDATE lookup l SET claimed_by = p_worker, attempts = least(l.attempts + 1, 32000)
    FROM c JOIN address a USING (address_id) WHERE (l.org_id, l.address_id) = (c.org_id, c.address_id)
    RETURNING l.address_id, a.normal, l.attempts
$$;

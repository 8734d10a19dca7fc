-- name: may_mail
-- Why each address must not be mailed, in the order asked; NULL = it may. A blocked domain outlasts every bypass.
-- Parameters travel in binary form: as text, 1,000 addresses take the statement twice as long.
WITH blocked AS MATERIALIZED (SELECT domain FROM blocked_domain WHERE domain = ANY (%(parents)b::text[]))
SELECT CASE
    WHEN EXISTS (SELECT FROM blocked b WHERE q.domain = b.domain OR right(q.domain, length(b.domain) + 1) = '.' || b.domain)
        THEN 'blocked domain'
    WHEN %(non_commercial)s THEN NULL
    WHEN account.address_id IS NOT NULL AND account.lift_waits_at IS NOT NULL
        THEN 'unsubscribed; the removal waits until every box in Salesforce is unticked'
    WHEN account.address_id IS NOT NULL THEN 'unsubscribed (' || account.source || ')'
    WHEN sender.address_id IS NOT NULL THEN 'unsubscribed from this sender'
    WHEN EXISTS (SELECT FROM hold_item i JOIN hold h USING (hold_id) WHERE i.address_id = a.address_id
                 AND h.decided_at IS NULL) THEN 'in a mass change that waits for a decision' END
FROM unnest(%(normals)b::text[], %(subjects)b::bytea[], %(domains)b::text[]) WITH ORDINALITY AS q(normal, subject, domain, nth)
LEFT JOIN LATERAL (SELECT address_id FROM address WHERE normal = q.normal
                   UNION ALL SELECT address_id FROM address WHERE erased_hash = q.subject LIMIT 1) a ON true
LEFT JOIN opt_out account ON account.address_id = a.address_id AND account.scope = 0 AND account.lifted_at IS NULL
LEFT JOIN opt_out sender ON sender.address_id = a.address_id AND sender.scope = nullif(%(scope)s, 0)
    AND sender.lifted_at IS NULL
ORDER BY q.nth;

-- name: addresses_of_records
-- For each record id, in the order asked: its address in every org that has it, or that there is none to judge by.
SELECT q.nth::int, r.record_id IS NOT NULL, a.normal, a.erased_hash IS NOT NULL
FROM unnest(%s::text[]) WITH ORDINALITY AS q(record_id, nth)
LEFT JOIN record r ON r.record_id = q.record_id COLLATE "C" AND r.org_id IN (SELECT org_id FROM org)
LEFT JOIN address a USING (address_id)
ORDER BY q.nth;

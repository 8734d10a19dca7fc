-- name: block_domain
-- Blocks a domain, with an event; no row when it was blocked.
WITH made AS (INSERT INTO blocked_domain (domain) VALUES (%(domain)s) ON CONFLICT DO NOTHING RETURNING domain),
told AS (INSERT INTO event (kind, actor, evidence)
         SELECT 'domain blocked', %(actor)s, jsonb_build_object('domain', domain) FROM made)
SELECT domain FROM made;

-- name: allow_domain
-- Ends that, with an event; no row when it was not blocked.
WITH gone AS (DELETE FROM blocked_domain WHERE domain = %(domain)s RETURNING domain),
told AS (INSERT INTO event (kind, actor, evidence)
         SELECT 'domain allowed', %(actor)s, jsonb_build_object('domain', domain) FROM gone)
SELECT domain FROM gone;

-- name: blocked_domains
-- A page of them by name, or all.
SELECT domain, since FROM blocked_domain WHERE domain > %(after)s ORDER BY domain LIMIT %(limit)s;

-- name: metrics_sf_api_calls
-- What the last run heard of the org's API calls of 24 hours, and what runs of ours have used since a day.
SELECT label, value FROM (
    SELECT report -> 'org_calls' ->> 'used' AS org, report -> 'org_calls' ->> 'allowed' AS allowed,
           (SELECT coalesce(sum((report ->> 'api_calls')::int), 0)::text FROM run
            WHERE org_id = %(org)s AND finished_at > clock() - interval '24 hours') AS ours
    FROM run WHERE org_id = %(org)s AND finished_at IS NOT NULL AND report -> 'org_calls' ? 'used'
    ORDER BY run_id DESC LIMIT 1) heard,
  LATERAL (VALUES ('ours', ours::float8), ('org', org::float8), ('allowed', allowed::float8)) each (label, value);

-- name: metrics_run_seconds
-- The phases of the last run that was no dry run and is over.
SELECT key AS label, (value ->> 'seconds')::float8 AS value
FROM (SELECT report -> 'phases' AS phases FROM run
      WHERE org_id = %(org)s AND state = 'finished' AND kind <> 'dry run' AND report ? 'phases'
      ORDER BY run_id DESC LIMIT 1) last, jsonb_each(phases)
ORDER BY key;

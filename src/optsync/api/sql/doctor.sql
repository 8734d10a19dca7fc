-- The doctor's last findings.

-- name: keep_findings
-- Keeps what was found just now, in place of what was found before.
INSERT INTO doctor_findings (org_id, checks) VALUES (%(org)s, %(checks)s)
ON CONFLICT (org_id) DO UPDATE SET checks = EXCLUDED.checks, checked_at = clock() RETURNING checked_at;

-- name: kept_findings
-- What was found when it was last asked.
SELECT checked_at, checks FROM doctor_findings WHERE org_id = %(org)s;

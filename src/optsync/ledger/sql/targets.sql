-- name: register_org
-- Makes a Salesforce org known; answers its number, also when it was known before.
WITH made AS (INSERT INTO org (salesforce_id) VALUES (%(salesforce_id)s) ON CONFLICT DO NOTHING RETURNING org_id)
SELECT org_id, true FROM made UNION ALL SELECT org_id, false FROM org WHERE salesforce_id = %(salesforce_id)s LIMIT 1;

-- name: fields
-- The opt-out fields we know of an org.
SELECT field, lead_name, contact_name, label FROM opt_out_field WHERE org_id = %s ORDER BY field;

-- name: ensure_field
-- The number of an opt-out field, given a new one when its names are new; the label follows Salesforce.
INSERT INTO opt_out_field AS f (org_id, field, lead_name, contact_name, label)
SELECT %(org)s, coalesce((SELECT field FROM opt_out_field WHERE org_id = %(org)s AND lead_name = %(lead)s
                          AND contact_name = %(contact)s),
                         (SELECT coalesce(max(field), 0) + 1 FROM opt_out_field WHERE org_id = %(org)s)),
       %(lead)s, %(contact)s, %(label)s
ON CONFLICT (org_id, field) DO UPDATE SET label = EXCLUDED.label RETURNING f.field;

-- name: target
-- The fields in which a new opt-out is due in an org.
SELECT d.field FROM target t JOIN due d USING (epoch) WHERE d.org_id = %s ORDER BY d.field;

-- name: due_fields
-- Every field in which some active opt-out is due in an org, and the target's.
SELECT DISTINCT d.field FROM due d WHERE d.org_id = %(org)s AND (d.epoch = (SELECT epoch FROM target) OR EXISTS (
    SELECT FROM opt_out o WHERE o.epoch = d.epoch AND o.scope = 0 AND o.lifted_at IS NULL)) ORDER BY d.field;

-- name: due_everywhere
-- Makes the opt-outs of every epoch due in a field of a newly connected org.
INSERT INTO due (epoch, org_id, field) SELECT epoch, %(org)s, %(field)s FROM target_epoch ON CONFLICT DO NOTHING;

-- name: look_up_everybody
-- Looks every opted-out address up in an org.
INSERT INTO lookup (org_id, address_id)
SELECT %(org)s, o.address_id FROM opt_out o JOIN address a USING (address_id)
WHERE o.scope = 0 AND o.lifted_at IS NULL AND a.normal IS NOT NULL ON CONFLICT DO NOTHING;

-- name: live_claims
-- How many marks of an org a live worker is sending now.
SELECT count(*) FROM mark WHERE org_id = %s AND claimed_by IN (SELECT live_workers());

-- name: new_epoch
-- Starts an epoch: an org's own fields are new, every other org keeps its own.
WITH begun AS (INSERT INTO target_epoch DEFAULT VALUES RETURNING epoch),
kept AS (INSERT INTO due (epoch, org_id, field)
         SELECT begun.epoch, d.org_id, d.field FROM begun, target t JOIN due d USING (epoch) WHERE d.org_id <> %(org)s),
own AS (INSERT INTO due (epoch, org_id, field) SELECT begun.epoch, %(org)s, f FROM begun, unnest(%(fields)s::smallint[]) f)
UPDATE target SET epoch = begun.epoch FROM begun;

-- name: carry_all
-- Makes every earlier opt-out that is due in this org due in the new fields too.
INSERT INTO due (epoch, org_id, field)
SELECT DISTINCT d.epoch, d.org_id, f FROM due d, unnest(%(fields)s::smallint[]) f WHERE d.org_id = %(org)s
ON CONFLICT DO NOTHING;

-- name: carry_marks
-- Marks for the pairs that carrying has made due; they wait for the first comparison in their field.
SELECT owe_marks(coalesce(array_agg(o.address_id), '{}'), '{}', false, 'carried')
FROM opt_out o WHERE o.scope = 0 AND o.lifted_at IS NULL;

-- name: carried
-- How many marks of an org wait for the first comparison in their field.
SELECT count(*) FROM mark WHERE org_id = %s AND state = 'h' AND reason = 'carried';

-- name: release_carried
-- Owes what waited for a comparison that will not come.
UPDATE mark SET state = 'o', reason = NULL, due_at = clock() WHERE org_id = %s AND state = 'h' AND reason = 'carried';

-- name: tell_target
-- The change of a target, for the history.
INSERT INTO event (kind, org_id, actor, evidence) VALUES ('target changed', %(org)s, %(actor)s, %(evidence)s);

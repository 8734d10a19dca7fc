-- name: latest_consent_day
-- The last day on which a consent can have been given: today where the day begins first.
SELECT ((clock() + interval '14 hours') AT TIME ZONE 'UTC')::date;

-- name: compliance_of
SELECT authorization_type, authorization_note, consent_date, consent_purpose, source_type, source_note, set_at, set_by
FROM compliance WHERE address_id = %s;

-- name: set_compliance
-- Sets the same for some people (functions/compliance.sql compliance_set); for how many it changed something.
SELECT coalesce(compliance_set(array_agg(a.address_id), array_agg(subject_of(a.normal, a.erased_hash, %(inner)s, %(outer)s)),
                               array_agg(%(change)s::jsonb), NULL, %(actor)s), 0)
FROM address a WHERE a.address_id = ANY (%(people)s) HAVING count(*) > 0;

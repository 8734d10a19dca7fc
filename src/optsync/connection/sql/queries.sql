-- name: store_connection
-- Stores a credential; an org connected before gets the new one and a new revision. True when it is the org's first.
INSERT INTO connection AS c (org_id, credential, login_url, instance_url, signs_in_as, org_name, edition, is_sandbox,
                             is_practice, connected_by)
VALUES (%(org_id)s, %(credential)s, %(login_url)s, %(instance_url)s, %(signs_in_as)s, %(org_name)s, %(edition)s,
        %(is_sandbox)s, %(is_practice)s, %(actor)s)
ON CONFLICT (org_id) DO UPDATE
    SET credential = EXCLUDED.credential, revision = c.revision + 1, login_url = EXCLUDED.login_url,
        instance_url = EXCLUDED.instance_url, signs_in_as = EXCLUDED.signs_in_as, org_name = EXCLUDED.org_name, edition = EXCLUDED.edition,
        is_sandbox = EXCLUDED.is_sandbox, is_practice = EXCLUDED.is_practice, connected_at = clock(),
        connected_by = EXCLUDED.connected_by, disconnected_at = NULL
RETURNING revision = 1;

-- name: disconnect
-- Destroys the credential. The revision grows, so that no worker and no renewal under way goes on with the old one.
UPDATE connection SET credential = NULL, disconnected_at = clock(), revision = revision + 1
WHERE org_id = %(org_id)s AND disconnected_at IS NULL;

-- name: disconnected
-- The orgs whose connection was ended, the last one first.
SELECT o.salesforce_id, c.org_name, c.disconnected_at FROM connection c JOIN org o USING (org_id)
WHERE c.disconnected_at IS NOT NULL ORDER BY c.disconnected_at DESC;

-- name: known_orgs
-- Every org that was ever connected.
SELECT org_id, salesforce_id FROM org;

-- name: org_of_sign_in
-- The org that this sign-in led to when it was connected, unless somebody has ended that connection.
SELECT o.org_id, o.salesforce_id, c.org_name FROM connection c JOIN org o USING (org_id)
WHERE c.disconnected_at IS NULL AND c.login_url = %(login_url)s AND c.signs_in_as = %(signs_in_as)s AND o.salesforce_id <> %(salesforce_id)s;

-- name: connections
-- All connected orgs, in the order in which they came.
SELECT c.org_id, o.salesforce_id, c.revision, c.org_name, c.edition, c.is_sandbox, c.is_practice, c.login_url,
       c.instance_url, c.signs_in_as, c.connected_at
FROM connection c JOIN org o USING (org_id) WHERE c.disconnected_at IS NULL ORDER BY c.org_id;

-- name: credential
-- What a session needs: the encrypted credential and the org it must lead to.
SELECT c.credential, c.revision, o.salesforce_id FROM connection c JOIN org o USING (org_id)
WHERE c.org_id = %(org_id)s AND c.disconnected_at IS NULL;

-- name: stored_secrets
-- Every other encrypted secret that is used without a person there, and what it belongs to.
SELECT 'mail provider ' || provider AS owner, signing_key AS sealed FROM mail_source WHERE signing_key IS NOT NULL
UNION ALL SELECT 'webhook ' || endpoint_id, secret FROM webhook_endpoint
UNION ALL SELECT 'alert channel ' || channel_id, target FROM alert_channel;

-- name: lock_credentials
-- Every encrypted credential; none is replaced meanwhile.
SELECT org_id, credential FROM connection WHERE disconnected_at IS NULL ORDER BY org_id FOR UPDATE;

-- name: replace_credential
-- The same credential under another key.
UPDATE connection SET credential = %(credential)s WHERE org_id = %(org_id)s;

-- name: lock_renewal
-- One process at a time renews an org's sign-in; held until the session ends.
SELECT pg_advisory_lock(7006, %(org_id)s);

-- name: try_keeping
-- The same write as keep_credential, without a change: a full or read-only database must fail before a token is spent.
UPDATE connection SET credential = credential WHERE org_id = %(org_id)s;

-- name: keep_credential
-- The same sign-in with its next refresh token, unless the org was connected anew meanwhile.
UPDATE connection SET credential = %(credential)s WHERE org_id = %(org_id)s AND revision = %(revision)s;

-- name: add_settings
-- The settings of a newly connected org: the switch is off, Email Opt Out is the field.
INSERT INTO settings (org_id) VALUES (%(org_id)s) ON CONFLICT DO NOTHING;

-- name: load_settings
-- What an admin chose for one org.
SELECT sync_on_since, choice, custom_field, read_both, run_at, run_zone, first_run_approved_at
FROM settings WHERE org_id = %(org_id)s;

-- name: store_settings
-- Stores what an admin chose for one org.
UPDATE settings SET sync_on_since = %(sync_on_since)s, choice = %(choice)s, custom_field = %(custom_field)s,
       read_both = %(read_both)s, run_at = %(run_at)s, run_zone = %(run_zone)s
WHERE org_id = %(org_id)s;

-- name: approve_first_run
-- An admin's go for the first nightly run; the first go stays.
UPDATE settings SET first_run_approved_at = coalesce(first_run_approved_at, clock()) WHERE org_id = %(org_id)s;

-- name: write_event
-- One line of history about a connection or its settings.
INSERT INTO event (kind, actor, org_id, evidence) VALUES (%(kind)s, %(actor)s, %(org_id)s, %(evidence)s);

-- name: carriers
-- How many boxes each field of the org owes or has, and how many opted-out addresses there are, for a preview.
SELECT (SELECT count(*) FROM opt_out WHERE scope = 0 AND lifted_at IS NULL) AS recorded,
       (SELECT coalesce(jsonb_object_agg(field, n), '{}') FROM
           (SELECT field, count(*) FILTER (WHERE state = 'c') AS n FROM mark WHERE org_id = %(org_id)s GROUP BY field) f)
           AS confirmed,
       (SELECT count(*) FROM opt_out o JOIN record r USING (address_id)
        WHERE o.scope = 0 AND o.lifted_at IS NULL AND r.org_id = %(org_id)s AND r.successor IS NULL) AS records;

-- name: parked
-- How many boxes of an org wait for a person, and the most frequent reason.
SELECT coalesce(sum(n), 0)::int, (array_agg(code ORDER BY n DESC))[1]
FROM (SELECT split_part(reason, ':', 1) AS code, count(*) AS n FROM mark WHERE org_id = %(org_id)s AND state = 'p'
      AND reason NOT IN ('fan-out refused', 'hold dropped') GROUP BY 1) parked;

-- name: owed
-- How many boxes of an org are still to be ticked.
SELECT count(*)::int FROM mark WHERE org_id = %(org_id)s AND state = 'o';

-- name: durability
-- The settings on which "acknowledged means kept" rests.
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
       current_setting('data_checksums');

-- name: age_seconds
-- How long ago an instant was, by the database's clock.
SELECT extract(epoch FROM clock() - %(at)s::timestamptz);

-- name: live_worker_count
-- How many workers hold their lock now.
SELECT count(*) FROM live_workers();

-- name: draft
-- The connection that is being set up, with its secrets encrypted.
SELECT place, login_url, way, client_id, username, private_key, client_secret, refresh_token, certificate, found
FROM draft_connection;

-- name: begin_draft
-- Begins a draft, or moves the one there is to another place; what else was typed stays, but not the org found. A secret
-- never goes to another address than the one it was typed for, and a key never from a real org to a practice org or back.
INSERT INTO draft_connection AS d (place, login_url, begun_by) VALUES (%(place)s, %(login_url)s, %(actor)s)
ON CONFLICT (only_row) DO UPDATE
    SET place = EXCLUDED.place, login_url = EXCLUDED.login_url, found = NULL, refresh_token = NULL,
        way = CASE WHEN d.login_url = EXCLUDED.login_url THEN d.way END,
        client_secret = CASE WHEN d.login_url = EXCLUDED.login_url THEN d.client_secret END,
        private_key = CASE WHEN (d.place = 'practice') = (EXCLUDED.place = 'practice') THEN d.private_key END,
        certificate = CASE WHEN (d.place = 'practice') = (EXCLUDED.place = 'practice') THEN d.certificate ELSE '' END;

-- name: choose_way
-- The way to sign in; a key pair that was made before stays.
UPDATE draft_connection
SET way = %(way)s, found = NULL, refresh_token = NULL, certificate = CASE WHEN private_key IS NULL THEN %(certificate)s ELSE certificate END,
    private_key = coalesce(private_key, %(private_key)s);

-- name: fill_in
-- What the app and the user are called; a secret that was not typed again stays, but not what a consent gave.
UPDATE draft_connection
SET client_id = %(client_id)s, username = %(username)s, found = NULL, refresh_token = NULL,
    client_secret = coalesce(%(client_secret)s, client_secret);

-- name: store_refresh_token
-- What a consent gave, or the token that came in its place.
UPDATE draft_connection SET refresh_token = %(refresh_token)s;

-- name: store_found
-- The org that the sign-in led to.
UPDATE draft_connection SET found = %(found)s;

-- name: drop_draft
-- Forgets the draft and its secrets.
DELETE FROM draft_connection;

-- name: lock_draft_secrets
-- The secrets of the draft; nobody replaces them meanwhile.
SELECT private_key, client_secret, refresh_token FROM draft_connection FOR UPDATE;

-- name: replace_draft_secrets
-- The same secrets under another key.
UPDATE draft_connection
SET private_key = %(private_key)s, client_secret = %(client_secret)s, refresh_token = %(refresh_token)s;

-- name: try_install_lock
-- One person at a time changes an org's Setup from here; held by the session.
SELECT pg_try_advisory_lock(7007, %(org_id)s);

-- name: leave_install_lock
-- The end of try_install_lock.
SELECT pg_advisory_unlock(7007, %(org_id)s);

-- name: begin_step
-- A step that is about to be done.
INSERT INTO installed (org_id, part, step, begun_by) VALUES (%(org_id)s, %(part)s, %(step)s, %(actor)s)
ON CONFLICT (org_id, part) DO UPDATE
    SET step = EXCLUDED.step, begun_by = EXCLUDED.begun_by, begun_at = clock(), made_id = '', done_at = NULL;

-- name: finish_step
-- Salesforce has done it.
UPDATE installed SET done_at = clock(), made_id = %(made_id)s WHERE org_id = %(org_id)s AND part = %(part)s;

-- name: forget_step
-- It is not there, or not any more.
DELETE FROM installed WHERE org_id = %(org_id)s AND part = %(part)s;

-- name: installed_steps
-- What was installed and not taken back, in the order in which it was done.
SELECT part, step, made_id, begun_at, begun_by, done_at FROM installed WHERE org_id = %(org_id)s ORDER BY begun_at, part;

-- name: key_fingerprint
-- Which key names the subjects of the events, and whoever was erased.
SELECT fingerprint FROM subject_key;

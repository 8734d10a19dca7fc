-- The people of the pages: each change with the event that tells it. Events name a user by number and name, never by address.

-- name: users
-- Everybody, by name; `invitation_open` while a link into the pages that belongs to them still works.
SELECT u.user_id, u.name, u.email, u.role, u.made_at, u.last_login AS signed_in_at,
       EXISTS (SELECT FROM sign_in_link l WHERE l.user_id = u.user_id AND l.used_at IS NULL AND l.expires_at > clock())
           AS invitation_open
FROM app_user u ORDER BY lower(u.name);

-- name: user
-- One of them, by number.
SELECT u.user_id, u.name, u.email, u.role, u.made_at, u.last_login AS signed_in_at,
       EXISTS (SELECT FROM sign_in_link l WHERE l.user_id = u.user_id AND l.used_at IS NULL AND l.expires_at > clock())
           AS invitation_open
FROM app_user u WHERE u.user_id = %s;

-- name: user_number
-- The number of the user with this address.
SELECT user_id FROM app_user WHERE email = %s;

-- name: taken
-- Whether somebody has this address, and whether somebody has this name.
SELECT EXISTS (SELECT FROM app_user WHERE email = %(email)s), EXISTS (SELECT FROM app_user WHERE lower(name) = lower(%(name)s));

-- name: add_user
-- A new user, who can sign in with nothing yet.
WITH made AS (
    INSERT INTO app_user (email, name, role) VALUES (%(email)s, %(name)s, %(role)s) ON CONFLICT DO NOTHING
    RETURNING user_id, name, role
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'user added', %(actor)s, jsonb_build_object('user', user_id, 'name', name, 'after', jsonb_build_object('role', role))
    FROM made
)
SELECT user_id FROM made;

-- name: lock_users
-- One change of standing at a time: two admins who demote each other must not both succeed.
LOCK TABLE app_user IN SHARE ROW EXCLUSIVE MODE;

-- name: another_admin
-- Whether an admin who has been here before is left besides this user.
SELECT EXISTS (SELECT FROM app_user WHERE role = 'admin' AND last_login IS NOT NULL AND user_id <> %(user_id)s);

-- name: change_role
-- Gives a user another role, which ends their sessions (models.py); no row when it is theirs already.
WITH before AS (
    SELECT user_id, role FROM app_user WHERE user_id = %(user_id)s AND role <> %(role)s
), changed AS (
    UPDATE app_user u SET role = %(role)s FROM before b WHERE u.user_id = b.user_id RETURNING u.user_id, u.name, b.role AS was
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'user role changed', %(actor)s, jsonb_build_object('user', user_id, 'name', name,
           'before', jsonb_build_object('role', was), 'after', jsonb_build_object('role', %(role)s::text))
    FROM changed
)
SELECT user_id FROM changed;

-- name: remove_user
-- Forgets a user with every way to sign in; what events say of them stays. Open links go with the user (ON DELETE CASCADE).
WITH factors AS (DELETE FROM mfa_authenticator WHERE user_id = %(user_id)s),
addresses AS (DELETE FROM account_emailaddress WHERE user_id = %(user_id)s),
accounts AS (DELETE FROM socialaccount_socialaccount WHERE user_id = %(user_id)s),
gone AS (
    DELETE FROM app_user WHERE user_id = %(user_id)s RETURNING user_id, name, role
), told AS (
    INSERT INTO event (kind, actor, evidence)
    SELECT 'user removed', %(actor)s, jsonb_build_object('user', user_id, 'name', name, 'before', jsonb_build_object('role', role))
    FROM gone
)
SELECT user_id FROM gone;

-- name: end_sessions
-- Signs a user out in every browser.
WITH ended AS (
    UPDATE app_user SET session_epoch = session_epoch + 1 WHERE user_id = %(user_id)s RETURNING user_id, name
)
INSERT INTO event (kind, actor, evidence)
SELECT 'signed out everywhere', %(actor)s, jsonb_build_object('user', user_id, 'name', name) FROM ended;

-- name: tell_of_user
-- Something about how a user signs in was changed.
INSERT INTO event (kind, actor, evidence)
SELECT %(kind)s, %(actor)s, jsonb_build_object('user', user_id, 'name', name, 'what', %(what)s::text)
FROM app_user WHERE user_id = %(user_id)s;

-- name: own_settings
-- The language and the time zone in which a user reads.
UPDATE app_user SET language = %(language)s, time_zone = %(time_zone)s WHERE user_id = %(user_id)s;

-- name: sealed_factors
-- The secrets of one-time codes, each under the key with which it was stored.
SELECT id, data FROM mfa_authenticator WHERE type IN ('totp', 'recovery_codes') FOR UPDATE;

-- name: store_factor
-- A secret under the newest key.
UPDATE mfa_authenticator SET data = %(data)s WHERE id = %(id)s;

-- What the recipients' door keeps: who sends, what was pressed just now, how the page looks, what messages say.

-- A sender that people may stop one by one. Its number is the scope of such an opt-out; 0 is the whole account.
CREATE TABLE sender (
    scope  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (scope > 0),
    normal text COLLATE "C" NOT NULL UNIQUE,    -- core/addresses.py normalize
    label  text NOT NULL                        -- as it stood in the first link
);

-- Unsubscribes by link of the last minute, to see a link scanner at work. Nothing else needs them, so they are not logged:
-- noting one costs no second wait for the disk.
CREATE UNLOGGED TABLE visit (
    network    text NOT NULL,                   -- /24 (IPv4) or /48 (IPv6)
    address_id bigint NOT NULL,
    version    bigint NOT NULL,                 -- the opt-out that it made
    at         timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (network, address_id)
);
CREATE INDEX visit_at ON visit (at);            -- read by visit_noted, which forgets the old ones

-- Notes that a link unsubscribed somebody just now. Once p_people different people were within p_seconds from one network,
-- all of them look like a link scanner's work: recorded and pushed like any, listed for a review (a hold of direction 's'),
-- and who follows joins them. A repeat takes a person out of the list, as with every undecided hold; but one from the same
-- network within the minute (a scanner tries a link twice) is no human's word: it joins them again. Drop lifts exactly the
-- opt-outs that are left in the list. Returns the number of the list, NULL while nothing is suspicious.
CREATE FUNCTION visit_noted(p_network text, p_address bigint, p_version bigint, p_repeat boolean, p_people int, p_seconds float8)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE listed int; lately timestamptz := clock() - make_interval(secs => p_seconds);
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(7006, hashtext(p_network));       -- two at once must not open two lists
    DELETE FROM visit v WHERE v.ctid IN (
        SELECT old.ctid FROM visit old WHERE old.at < clock() - interval '1 minute' FOR UPDATE SKIP LOCKED);
    IF p_repeat THEN
        UPDATE visit v SET at = clock() WHERE (v.network, v.address_id, v.version) = (p_network, p_address, p_version);
        IF NOT FOUND THEN RETURN NULL; END IF;
    ELSE
        INSERT INTO visit (network, address_id, version) VALUES (p_network, p_address, p_version)
        ON CONFLICT (network, address_id) DO UPDATE SET version = EXCLUDED.version, at = clock();
    END IF;
    IF (SELECT count(*) FROM visit v WHERE v.network = p_network AND v.at >= lately) < p_people THEN RETURN NULL; END IF;
    SELECT h.hold_id INTO listed FROM hold h
    WHERE h.direction = 's' AND h.origin = p_network AND h.decided_at IS NULL
      AND h.made_at > clock() - interval '10 minutes' FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO hold (direction, origin) VALUES ('s', p_network) RETURNING hold_id INTO listed;
    END IF;
    INSERT INTO hold_item (hold_id, address_id, version)
    SELECT listed, v.address_id, v.version FROM visit v
    JOIN opt_out o ON (o.address_id, o.scope, o.version) = (v.address_id, 0, v.version) AND o.lifted_at IS NULL
    WHERE v.network = p_network AND v.at >= lately ON CONFLICT DO NOTHING;
    RETURN listed;
END $$;

-- How the unsubscribe page looks and what goes into mail headers. One row, made by the first change; no row = as shipped.
CREATE TABLE brand (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    organisation text NOT NULL DEFAULT '',
    light_colour text NOT NULL DEFAULT '',      -- #rrggbb, legible on the light page; empty = ours
    dark_colour  text NOT NULL DEFAULT '',      -- the same on the dark page
    support      text NOT NULL DEFAULT '',      -- an address for questions
    mailbox      text NOT NULL DEFAULT ''       -- where unsubscribe mails arrive; empty = links only
);

-- The text that goes into messages, of the whole account (name ''), of a team, or of one user by their name.
CREATE TABLE message_text (
    kind    text NOT NULL CHECK (kind IN ('account', 'team', 'user')),
    name    text NOT NULL,
    words   text NOT NULL,
    appends boolean NOT NULL,                   -- added to messages that lack {{team_unsubscribe}}
    PRIMARY KEY (kind, name),
    CHECK ((kind = 'account') = (name = ''))
);

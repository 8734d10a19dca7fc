-- The ledger: who must not be mailed, what each Salesforce record is owed for it, and the proof of both.
-- Data model and measurements: docs/explanation and docs/decisions. Rules: one writer (this package), act then mark.
-- The tables are here, their functions by topic in functions/. Those are what must be one round trip and one commit: READ
-- COMMITTED plpgsql, where every statement inside gets a fresh snapshot, which a single statement would not (it loses the
-- mark of a record that is being linked at that moment).
--
-- Advisory locks: 7001 worker n is alive (session) - 7002 one run per org (session) - 7003 the sealer - 7004 a nightly apply
-- (exclusive) against links and lifts (shared) - 7005 a field change or an erasure (exclusive) against whatever makes an
-- address or makes or ends the marks of one (shared).
-- Order of locks everywhere: 7004, 7005 -> record rows by id -> address rows by id -> opt_out -> hold_item -> marks.
-- Doors lock no record rows; a link, a follow and a lift never run beside a nightly apply, whose snapshot could predate them.

-- One clock for every statement; tests and rehearsals shift a session with the setting optsync.clock_offset (seconds).
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT now() + make_interval(secs => coalesce(nullif(current_setting('optsync.clock_offset', true), '')::float8, 0))
$$;

CREATE SEQUENCE version_seq;           -- orders opt-outs and lifts; never a clock
CREATE SEQUENCE worker_seq AS int;     -- worker numbers are never reused

-- A Salesforce org. run_no counts its comparisons; marks remember it in touched_run.
CREATE TABLE org (
    org_id        smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    salesforce_id text COLLATE "C" NOT NULL UNIQUE CHECK (length(salesforce_id) = 18),
    run_no        int NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT clock()
);

-- The opt-out fields we know of an org. Field 1 is always Email Opt Out; names may differ per object.
CREATE TABLE opt_out_field (
    org_id       smallint NOT NULL REFERENCES org,
    field        smallint NOT NULL,
    lead_name    text NOT NULL,
    contact_name text NOT NULL,
    label        text NOT NULL,
    PRIMARY KEY (org_id, field)
);

-- A target epoch is a span in which new opt-outs were due in the same fields. Every opt-out remembers its epoch, so a
-- field change adds rows here instead of rewriting opt-outs.
CREATE TABLE target_epoch (
    epoch int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock()
);
CREATE TABLE due (
    epoch  int NOT NULL REFERENCES target_epoch,
    org_id smallint NOT NULL REFERENCES org,
    field  smallint NOT NULL,
    PRIMARY KEY (epoch, org_id, field)
);
-- The target row says which epoch new opt-outs belong to.
CREATE TABLE target (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    int NOT NULL REFERENCES target_epoch
);
WITH first AS (INSERT INTO target_epoch DEFAULT VALUES RETURNING epoch) INSERT INTO target (epoch) SELECT epoch FROM first;

CREATE TABLE address (
    address_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    normal      text COLLATE "C" UNIQUE,        -- core/addresses.py normalize
    erased_hash bytea,                          -- after an erasure: core/addresses.py subject_of
    fan_out     "char" CHECK (fan_out IN ('a', 'r')),   -- an admin's word on more than 20 records: allowed, refused
    CHECK (num_nonnulls(normal, erased_hash) = 1)
);
CREATE UNIQUE INDEX address_erased ON address (erased_hash) WHERE erased_hash IS NOT NULL;      -- read by addresses_locked

-- A link: record r of an org belongs to an address, and how we know. Live = successor IS NULL.
CREATE TABLE record (
    org_id     smallint NOT NULL,
    record_id  text COLLATE "C" NOT NULL CHECK (length(record_id) = 18),
    kind       "char" NOT NULL CHECK (kind IN ('L', 'C', 'A')),             -- Lead, Contact, Account (Person Account)
    address_id bigint REFERENCES address,       -- this key is part of the locking (KEY SHARE): do not drop it
    provenance "char" NOT NULL CHECK (provenance IN ('g', 'e', 'v', 'n', 'c', 'm')),
                                                -- given id, e-mail look-up, event, nightly, conversion, merge
    successor  text COLLATE "C",                -- what the converted or merged record became
    PRIMARY KEY (org_id, record_id)
);
-- Read by opt_out_record, the audit and the proof; the columns it carries spare them the table.
CREATE INDEX record_address ON record (address_id) INCLUDE (org_id, record_id, successor);

-- No foreign key to address: its trigger would fire after the row is in and could deadlock a door against the nightly run.
CREATE TABLE opt_out (
    address_id    bigint NOT NULL,
    scope         int NOT NULL DEFAULT 0,       -- 0 = the whole account, n = one sender
    since         timestamptz NOT NULL DEFAULT clock(),
    source        text NOT NULL,
    version       bigint NOT NULL DEFAULT nextval('version_seq'),
    epoch         int NOT NULL,
    lifted_at     timestamptz,
    lift_waits_at timestamptz,                  -- a lift that waits until every box is unticked; the person stays blocked
    PRIMARY KEY (address_id, scope),
    CHECK (lifted_at IS NULL OR lift_waits_at IS NULL)
);
CREATE INDEX opt_out_lift_waits ON opt_out (lift_waits_at) WHERE lift_waits_at IS NOT NULL;     -- read by the hourly lift look
-- A page of the list costs the same with a million unsubscribes. Not WHERE scope = 0: the planner would then walk it to
-- record an opt-out, instead of the primary key (a third slower).
CREATE INDEX opt_out_newest ON opt_out (source, since, address_id);     -- read by newest_opt_outs
CREATE INDEX opt_out_lifted ON opt_out (address_id) WHERE scope = 0 AND lifted_at IS NOT NULL;      -- read by people_in_state

-- What Salesforce refuses is grouped by cause: the object and Salesforce's code and words, where ids, addresses and long
-- numbers stand for any. The words name the rule or field, so one cause is one thing to mend. The number in front is the
-- version of this grouping: another one gets another number, and is told apart from what was muted under this one.
CREATE FUNCTION cause_of(p_reason text, p_record text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
DECLARE said text := left(p_reason, 1000);
BEGIN
    said := regexp_replace(said, '[^\s@<>"'']+@[^\s@<>"'']+', '@', 'g');                            -- an address
    said := regexp_replace(said, '\m(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{15}([A-Za-z0-9]{3})?\M', '*', 'g');    -- an id
    said := regexp_replace(said, '\d{4,}', '#', 'g');                                               -- the number of an error
    RETURN '1-' || md5(left(p_record, 3) || ' ' || regexp_replace(said, '\s+', ' ', 'g'));
END $$;

-- What one box (org, field, record) is owed. Outbox, left side of the nightly comparison and proof in one.
-- claimed_by stands in no index, so that a claim stays a HOT update.
CREATE TABLE mark (
    org_id      smallint NOT NULL,
    field       smallint NOT NULL,
    record_id   text COLLATE "C" NOT NULL,
    seen        bigint,                         -- hash of the e-mail the last comparison saw; NULL = not seen yet
    due_at      timestamptz,                    -- NULL = not sent by itself: held, or refused by a person
    claimed_by  int,
    touched_run int NOT NULL,                   -- the org's run_no when made or last settled: no clock decides
    attempts    smallint NOT NULL DEFAULT 0,
    state       "char" NOT NULL CHECK (state IN ('o', 'c', 'h', 'p')),      -- owed, confirmed, held, parked
    reason      text,                           -- held: brake, lift, fan-out, carried; parked: CODE:what Salesforce said
    PRIMARY KEY (org_id, field, record_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX mark_due ON mark (org_id, due_at) WHERE state NOT IN ('c', 'h');       -- read by claim_marks
-- What is not in Salesforce, so that the state of an org is read without counting a million boxes. The refused and the
-- carried are next to none: few boxes are refused, fewer are left unticked on purpose.
CREATE INDEX mark_owed ON mark (org_id, due_at) WHERE state = 'o';          -- read by standing
CREATE INDEX mark_refused ON mark (org_id) WHERE state = 'p' AND reason NOT IN ('fan-out refused', 'hold dropped');
                                                                            -- read by standing, parked and shell
CREATE INDEX mark_carried ON mark (org_id) WHERE state = 'h' AND reason = 'carried';        -- read by standing
CREATE INDEX mark_waits ON mark (state) WHERE state IN ('h', 'p');      -- read by people_in_state and rejected_now
-- A box that is on its way and was never refused has no reason: it costs nothing here.
CREATE INDEX mark_cause ON mark (org_id, state, cause_of(reason, record_id), record_id, field)
    WHERE state IN ('o', 'p') AND reason IS NOT NULL;       -- read by causes, boxes_of_cause and retry_now_of_cause

-- Addresses to be looked up by exact e-mail in an org: at once after an opt-out, daily while no record is known.
CREATE TABLE lookup (
    org_id     smallint NOT NULL,
    address_id bigint NOT NULL,
    due_at     timestamptz NOT NULL DEFAULT clock(),
    claimed_by int,
    attempts   smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (org_id, address_id)
);
CREATE INDEX lookup_due ON lookup (org_id, due_at);     -- read by claim_lookups

-- A pause of pushes: one alert instead of one failure per record. prefix '' stands for the whole org.
CREATE TABLE pause (
    org_id  smallint NOT NULL REFERENCES org,
    field   smallint NOT NULL,                  -- 0 = every field
    prefix  text NOT NULL,                      -- 00Q, 003, 001 or ''
    since   timestamptz NOT NULL DEFAULT clock(),
    until   timestamptz NOT NULL,
    code    text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (org_id, field, prefix)
);

-- A mass change that waits for a decision. An item blocks its address for as long as it exists.
CREATE TABLE hold (
    hold_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id     smallint,
    direction  "char" NOT NULL CHECK (direction IN ('i', 'o', 'f', 's')),   -- inbound, outbound, fan-out, scanner (optsync.public)
    origin     text NOT NULL,                   -- 'run 12', 'import old.csv', 'opt-out'
    made_at    timestamptz NOT NULL DEFAULT clock(),
    decided_at timestamptz,
    decision   text CHECK (decision IN ('applied', 'dropped')),
    decided_by text,
    note       text
);
CREATE TABLE hold_item (
    hold_id    int NOT NULL REFERENCES hold,
    address_id bigint NOT NULL,
    org_id     smallint NOT NULL DEFAULT 0,     -- inbound: the box that was ticked
    field      smallint NOT NULL DEFAULT 0,
    record_id  text COLLATE "C" NOT NULL DEFAULT '',
    version    bigint,                          -- outbound: the opt-out that the set created; NULL = it existed before
    PRIMARY KEY (hold_id, address_id, org_id, field, record_id)
);
CREATE INDEX hold_item_address ON hold_item (address_id);       -- read by check and opt_out_record

-- How many people came in by acts of one origin within the last hour: what comes in slices is one mass change (rules 8).
CREATE TABLE act (
    act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text COLLATE "C" NOT NULL,           -- as the hold's: 'batch by API key crm', 'mails without a link'
    at     timestamptz NOT NULL DEFAULT clock(),
    people int NOT NULL                         -- new ones; while the act goes on, all that it names
);
CREATE INDEX act_origin ON act (origin, at);    -- read by people_of_acts
CREATE INDEX act_at ON act (at);                -- read by begin_act, which forgets the old ones

-- A tick that an admin called a mistake: left out of the join until the box is absent from a complete read.
CREATE TABLE dispute (
    org_id    smallint NOT NULL,
    field     smallint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    hold_id   int,
    since     timestamptz NOT NULL DEFAULT clock(),
    run_id    int,                              -- the run whose undo it is of; names the boxes for a person to untick
    PRIMARY KEY (org_id, field, record_id)
);

-- Why a person's data may be used, and where it came from (core/compliance.py). It never changes an opt-out. Texts hold no
-- addresses. No foreign key, as with opt_out.
CREATE TABLE compliance (
    address_id         bigint PRIMARY KEY,
    authorization_type text CHECK (authorization_type IN (
        'consent', 'legitimate interest', 'performance of a contract', 'compliance with legal obligation',
        'protection of vital interests', 'public interest/official authority', 'other')),
    authorization_note text,
    consent_date       date,
    consent_purpose    text,
    source_type        text CHECK (source_type IN ('crm sync', 'import', 'manual upload', 'chrome extension', 'other')),
    source_note        text,
    set_at             timestamptz NOT NULL,
    set_by             text NOT NULL,
    CHECK ((authorization_type IS NOT DISTINCT FROM 'consent') = (consent_date IS NOT NULL)),
    CHECK ((consent_date IS NULL) = (consent_purpose IS NULL))
);

CREATE TABLE blocked_domain (domain text COLLATE "C" PRIMARY KEY, since timestamptz NOT NULL DEFAULT clock());

-- One row per imported file: the same bytes twice are recognised and change nothing, unless its hold was dropped.
CREATE TABLE import_file (
    import_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,          -- SHA-256 of the bytes
    name        text NOT NULL,
    layout      text NOT NULL,
    hold_id     int,
    imported_at timestamptz NOT NULL DEFAULT clock(),
    counts      jsonb NOT NULL
);

-- One file that came through the web server, to be imported. It waits here, so that a restart of it or of a worker loses
-- nothing: what is wanted, how far it is, and what came of it.
CREATE TABLE upload (
    upload_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL,                    -- as its owner named it, without addresses
    org_id    smallint,                         -- where the ids in it belong; NULL = the only org
    columns   jsonb,                            -- ledger/layouts.py Columns; NULL = the layout is recognised
    state     text NOT NULL CHECK (state IN ('reading', 'read', 'importing', 'imported', 'refused')),
    confirmed boolean NOT NULL DEFAULT false,   -- a mass change is not held: somebody has seen the preview and said so
    actor     text NOT NULL,                    -- who brought it, then who said that it is imported
    made_at   timestamptz NOT NULL DEFAULT clock(),
    ended_at  timestamptz,
    attempts  smallint NOT NULL DEFAULT 0,
    doing     text NOT NULL DEFAULT '',         -- what the worker does with it now, and how far it is
    done      int NOT NULL DEFAULT 0,
    total     int NOT NULL DEFAULT 0,
    report    jsonb,                            -- ledger/imports.py ImportReport
    problem   jsonb                             -- why it was refused: what, means, next as core/told.py keeps them
);
-- Its bytes and its rejected rows, encrypted: an address that is erased later must stand nowhere in clear. The bytes go
-- when they are imported, or a day after nobody decided; the rejected rows after a week.
CREATE TABLE upload_block (
    upload_id int NOT NULL REFERENCES upload ON DELETE CASCADE,
    part      "char" NOT NULL CHECK (part IN ('f', 'r')),       -- the file, the rejected rows
    nth       int NOT NULL,
    sealed    bytea NOT NULL,
    PRIMARY KEY (upload_id, part, nth)
);
ALTER TABLE upload_block ALTER COLUMN sealed SET STORAGE EXTERNAL;      -- what is encrypted cannot be compressed

-- Which key names the subjects of the events; see config/vault.py. Another key would know no erased person.
CREATE TABLE subject_key (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint text NOT NULL
);

-- What happened, append-only. Subjects are keyed hashes, never addresses.
CREATE TABLE event (
    event_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock(),
    kind      text NOT NULL,
    subject   bytea,                            -- core/addresses.py subject_of; NULL = not about one person
    scope     int,
    source    text,
    actor     text,
    org_id    smallint,
    field     smallint,
    record_id text COLLATE "C",
    run_id    int,
    reason    text,
    evidence  jsonb
);
CREATE INDEX event_subject ON event (subject) WHERE subject IS NOT NULL;    -- read by the timeline of one person
-- Whom a user or a program has unsubscribed, without reading what everybody did. Events of recipients have no actor.
CREATE INDEX event_actor ON event (actor, event_id) WHERE actor IS NOT NULL AND kind IN ('opted out', 'repeated');
                                                                        -- read by people_by
CREATE INDEX event_parked_by ON event (run_id) WHERE kind = 'parked' AND run_id IS NOT NULL;
                                                                        -- read by rejected_in_run and retry_now_of_run
CREATE INDEX event_cause ON event (org_id, cause_of(reason, record_id), event_id) WHERE kind = 'parked';
                                                                        -- read by causes and causes_settled
-- How many people a mass change was about is told by the event of its decision alone: its items end with it.
CREATE INDEX event_hold ON event ((evidence ->> 'hold')) WHERE kind IN ('hold applied', 'hold dropped');  -- read by holds_over

-- Events wait here for the sealer, a range for each statement that wrote them; sealed ones are named by their seal's
-- ranges. Nothing ever updates an event.
CREATE TABLE unsealed (ids int8range PRIMARY KEY);
CREATE TABLE seal (
    seal_no   bigint PRIMARY KEY,
    sealed_at timestamptz NOT NULL DEFAULT clock(),
    events    int8multirange NOT NULL,
    count     int NOT NULL,
    head      bytea NOT NULL                    -- sha256 of the previous head, this row and its events; see functions/chain.sql
);

CREATE FUNCTION queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unsealed SELECT int8range(min(event_id), max(event_id), '[]') FROM added
    HAVING max(event_id) - min(event_id) + 1 = count(*);
    IF NOT FOUND THEN       -- another session has written events meanwhile: their numbers lie between
        INSERT INTO unsealed SELECT unnest(range_agg(int8range(event_id, event_id, '[]'))) FROM added;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER event_queue_for_seal AFTER INSERT ON event
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION queue_for_seal();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

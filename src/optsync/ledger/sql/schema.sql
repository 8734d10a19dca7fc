-- The ledger: who must not be mailed, what each Salesforce record is owed for it, and the proof of both.
-- Data model and measurements: docs/explanation and docs/decisions. Rules: one writer (this package), act then mark.

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
    direction  "char" NOT NULL CHECK (direction IN ('i', 'o', 'f')),        -- inbound, outbound, fan-out; optsync.public adds s, scanner
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

-- A tick that an admin called a mistake: left out of the join until the box is absent from a complete read.
CREATE TABLE dispute (
    org_id    smallint NOT NULL,
    field     smallint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    hold_id   int,
    since     timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (org_id, field, record_id)
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

-- Events wait here for the sealer, a range for each statement that wrote them; sealed ones are named by their seal's
-- ranges. Nothing ever updates an event.
CREATE TABLE unsealed (ids int8range PRIMARY KEY);
CREATE TABLE seal (
    seal_no   bigint PRIMARY KEY,
    sealed_at timestamptz NOT NULL DEFAULT clock(),
    events    int8multirange NOT NULL,
    count     int NOT NULL,
    head      bytea NOT NULL                    -- sha256 of the previous head, this row and its events; see sql/chain.sql
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

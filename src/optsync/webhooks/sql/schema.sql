-- Who elsewhere is told what happened, and what came of telling it. The ledger's sealed events are the only source: seals
-- are numbered without gaps in the order of their commits, so a number says exactly what an endpoint was handed.
CREATE TABLE webhook_endpoint (
    endpoint_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url           text NOT NULL,
    types         text[] NOT NULL CHECK (types <> '{}'),    -- webhooks/types.py
    secret        bytea NOT NULL,               -- encrypted by config/vault.py; shown once
    made_at       timestamptz NOT NULL DEFAULT clock(),
    made_by       text NOT NULL,
    failing_since timestamptz,                  -- the first failure since the last success
    disabled_at   timestamptz,
    disabled_why  text CHECK (disabled_why IN ('by hand', 'gone', 'failing', 'secret')),
    failing_days  smallint NOT NULL DEFAULT 0,  -- days since failing_since on which attempts failed
    failed_on     date,                         -- the last of them (UTC)
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);

-- Secrets that rotations replaced. Each signs, or opens, until its own day ends: whoever rotates twice in a row must not
-- shut out the secret that the other side still has.
CREATE TABLE webhook_old_secret (
    old_no      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    secret      bytea NOT NULL,                 -- encrypted by config/vault.py
    until       timestamptz NOT NULL
);

-- How far an endpoint was handed the ledger's seals, lane by lane: what was recorded singly does not wait behind a mass.
-- Each event is in exactly one of the lanes 'single' and 'mass' (webhooks/sql/events.sql hand_out); 'replay' hands out again.
CREATE TABLE webhook_lane (
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    lane        text NOT NULL CHECK (lane IN ('single', 'mass', 'replay')),
    seal_no     bigint NOT NULL,                -- the events of all seals up to this one were handed out
    until_no    bigint,                         -- replay: the last one to be handed out again
    since       timestamptz,                    -- replay: what was asked for
    PRIMARY KEY (endpoint_id, lane),
    CHECK ((lane = 'replay') = (until_no IS NOT NULL) AND (lane = 'replay') = (since IS NOT NULL))
);

-- One event for one endpoint. due_at is also the lease: who takes a delivery puts it off, and a dead one's comes back.
CREATE TABLE webhook_delivery (
    delivery_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id  int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    event_id     bigint NOT NULL,
    type         text NOT NULL,
    address_id   bigint,                        -- whom it is about; the address itself is read when it is sent
    made_at      timestamptz NOT NULL DEFAULT clock(),
    due_at       timestamptz DEFAULT clock(),   -- NULL = delivered or given up
    attempts     smallint NOT NULL DEFAULT 0,   -- since it was handed out or sent again by hand
    delivered_at timestamptz,
    is_mass      boolean NOT NULL DEFAULT false,    -- the lane that it is sent in
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, is_mass, due_at) WHERE due_at IS NOT NULL;  -- read by claim
CREATE INDEX webhook_delivery_newest ON webhook_delivery (endpoint_id, delivery_id);    -- read by deliveries
CREATE INDEX webhook_delivery_made_at ON webhook_delivery (made_at);                    -- read by forget

CREATE TABLE webhook_attempt (
    delivery_id bigint NOT NULL REFERENCES webhook_delivery ON DELETE CASCADE,
    nth         smallint NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock(),
    status      smallint,                       -- NULL = no answer
    took_ms     int NOT NULL,
    said        text NOT NULL,                  -- the start of the answer, or why there was none
    PRIMARY KEY (delivery_id, nth)
);

-- Whom opt-outs and lifts of one seal or page are about: found by their instant, then told apart by their keyed hash. One
-- set for all of them, because an import has one instant for many. Nobody is found whose opt-out has changed since.
CREATE FUNCTION people_then(p_events event[], p_inner bytea, p_outer bytea)
RETURNS TABLE (at timestamptz, subject bytea, scope int, address_id bigint) LANGUAGE sql STABLE AS $$
    WITH moment AS MATERIALIZED (SELECT DISTINCT e.kind, e.source, e.at FROM unnest(p_events) e WHERE e.kind IN ('opted out', 'lifted'))
    SELECT m.at, subject_of(a.normal, a.erased_hash, p_inner, p_outer), o.scope, o.address_id
    FROM moment m, LATERAL (SELECT * FROM opt_out WHERE source = m.source AND since = m.at OFFSET 0) o
    JOIN address a USING (address_id)      -- OFFSET 0: never a walk through all opt-outs for a few events
    WHERE m.kind = 'opted out'
    UNION ALL
    SELECT m.at, subject_of(a.normal, a.erased_hash, p_inner, p_outer), o.scope, o.address_id
    FROM moment m JOIN opt_out o ON o.scope = 0 AND o.lifted_at IS NOT NULL AND o.lifted_at = m.at JOIN address a USING (address_id)
    WHERE m.kind = 'lifted'
$$;

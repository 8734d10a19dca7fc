-- Who elsewhere is told what happened, and what came of telling it. The ledger's sealed events are the only source: seals
-- are numbered without gaps in the order of their commits, so a number says exactly what an endpoint was handed.
CREATE TABLE webhook_endpoint (
    endpoint_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url           text NOT NULL,
    types         text[] NOT NULL CHECK (types <> '{}'),    -- webhooks/types.py
    secret        bytea NOT NULL,               -- encrypted by config/vault.py; shown once
    old_secret    bytea,                        -- signs too until old_until, after a rotation
    old_until     timestamptz,
    seal_no       bigint NOT NULL,              -- the events of all seals up to this one were handed out
    made_at       timestamptz NOT NULL DEFAULT clock(),
    made_by       text NOT NULL,
    failing_since timestamptz,                  -- the first failure since the last success
    disabled_at   timestamptz,
    disabled_why  text CHECK (disabled_why IN ('by hand', 'gone', 'failing')),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
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
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, due_at) WHERE due_at IS NOT NULL;  -- read by claim
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

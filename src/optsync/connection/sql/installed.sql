-- What optsync has put into an org's Setup and not taken back: undo works later, and by somebody else.

CREATE TABLE installed (
    org_id   smallint NOT NULL REFERENCES org,
    part     text NOT NULL,                     -- Step.part: what it is
    step     jsonb NOT NULL,                    -- the Step, as it was planned
    made_id  text NOT NULL DEFAULT '',          -- Salesforce's id of what was made; '' = a layout, or not known to be done
    begun_at timestamptz NOT NULL DEFAULT clock(),
    begun_by text,
    done_at  timestamptz,                       -- NULL: Salesforce was asked and its answer never came
    PRIMARY KEY (org_id, part)
);

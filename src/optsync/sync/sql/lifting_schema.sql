-- Boxes that were seen unticked while a lift of this version waits: one that is ticked again later ends the wait.
CREATE TABLE lift_look (
    org_id    smallint NOT NULL REFERENCES org,
    field     smallint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    PRIMARY KEY (org_id, field, record_id)
);

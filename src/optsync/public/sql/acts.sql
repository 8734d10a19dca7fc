-- How many people came in by acts of one origin within the last hour: what comes in slices is one mass change (rules 8).
CREATE TABLE act (
    act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text COLLATE "C" NOT NULL,           -- as the hold's: 'batch by API key crm', 'mails without a link'
    at     timestamptz NOT NULL DEFAULT clock(),
    people int NOT NULL                         -- new ones; while the act goes on, all that it names
);
CREATE INDEX act_origin ON act (origin, at);    -- read by people_of_acts
CREATE INDEX act_at ON act (at);                -- read by begin_act, which forgets the old ones

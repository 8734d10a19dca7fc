-- Files that came through the web server. They wait here, so that a restart of it or of a worker loses nothing.

-- One file to be imported: what is wanted, how far it is, and what came of it.
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

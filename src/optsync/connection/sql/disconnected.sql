-- When an admin has ended a connection. The row stays, for the history and for the next connect; its credential does not.

ALTER TABLE connection ADD COLUMN disconnected_at timestamptz, ALTER COLUMN credential DROP NOT NULL,
    ADD CHECK ((disconnected_at IS NULL) = (credential IS NOT NULL));

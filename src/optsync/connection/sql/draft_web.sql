-- What a person's consent gave: stored before it is used, because it works once where refresh tokens rotate.
ALTER TABLE draft_connection ADD COLUMN refresh_token bytea;    -- encrypted by config/vault.py

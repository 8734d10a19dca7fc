-- Where an org lives: the address that its sign-in led to. Empty for an org that was connected before this was kept.

ALTER TABLE connection ADD COLUMN instance_url text NOT NULL DEFAULT '';

-- Who may work: a worker is alive while its session holds its advisory lock.

-- Workers whose session still holds its advisory lock (7001, worker number); a claim of any other is void.
CREATE FUNCTION live_workers() RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 7001 AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Tells listening workers that something is owed. A sender's own findings wake nobody: it looks again itself, and another
-- one would only take its marks away and read their records a second time.
CREATE FUNCTION wake_workers() RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('mark', '') WHERE coalesce(current_setting('optsync.is_sender', true), '') <> 'yes'
$$;

-- Ends the database session of a worker that has been silent for 60 s (a frozen process keeps its lock otherwise).
CREATE FUNCTION fence_silent_workers(p_seconds float8) RETURNS int LANGUAGE sql AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(l.pid))::int
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.classid = 7001 AND l.objsubid = 2 AND l.granted AND a.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.state LIKE 'idle%' AND a.state_change < clock_timestamp() - make_interval(secs => p_seconds)
$$;

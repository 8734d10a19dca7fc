"""Sessions on the database: one clock, one time zone, what is acknowledged is kept."""

import pytest

from optsync.config.database import Connection, Database

pytestmark = pytest.mark.both_servers


def test_a_session_has_utc_our_clock_and_durable_commits(database: Database) -> None:
    with Database(database.dsn, clock_offset_seconds=-3600.0).connect() as conn:
        row = conn.execute(
            "SELECT current_setting('timezone'), current_setting('synchronous_commit'), clock() - now(),"
            " current_setting('client_encoding')"
        ).fetchone()
    assert row is not None
    assert (row[0], row[1], row[2].total_seconds(), row[3]) == ("UTC", "on", -3600.0, "UTF8")


def test_a_migrated_database_needs_no_migration(database: Database) -> None:
    assert database.migrate() is False


def test_a_direct_connection_is_accepted_on_the_servers_we_know(database: Database) -> None:
    database.check_direct()


def test_a_pool_outlives_a_session_that_the_server_ended(database: Database, conn: Connection) -> None:
    with database.pool(1, 1) as pool:
        with pool.connection() as ours:
            conn.execute("SELECT pg_terminate_backend(%s)", [ours.info.backend_pid])
        with pool.connection() as ours:
            assert ours.execute("SELECT 1").fetchone() == (1,)

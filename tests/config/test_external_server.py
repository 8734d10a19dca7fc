"""OPTSYNC_DATABASE_URL: any PostgreSQL will do if it keeps its word; else one clear problem."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from optsync.config.database import Database, open_database
from optsync.core.problems import Problem
from tests.config.pooler import transaction_pooler
from tests.servers import Servers, debian_postgres, environment


def open_and_close(folder: Path, url: str) -> None:
    with open_database(environment(folder, database_url=url)):
        pass


def url_of(dsn: str, **changes: object) -> str:
    """A DSN as an address."""
    given = conninfo_to_dict(dsn) | changes
    password = str(given["password"]).replace(" ", "%20")
    return f"postgresql://{given['user']}:{password}@{given['host']}:{given['port']}/{given['dbname']}"


@pytest.fixture
def external(postgres_servers: Servers) -> str:
    """The address of a migrated database on Debian's server."""
    return postgres_servers.dsn("debian")


def test_an_external_server_is_used_and_the_embedded_one_stays_off(external: str, tmp_path: Path) -> None:
    with open_database(environment(tmp_path, database_url=external)) as database, database.connect() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        assert not database.is_embedded
    assert not (tmp_path / "data").exists()


def test_a_new_database_on_an_external_server_is_migrated_once(external: str, tmp_path: Path) -> None:
    with psycopg.connect(external, autocommit=True) as admin:
        admin.execute("CREATE DATABASE ümlaut")
    try:
        with open_database(environment(tmp_path, database_url=url_of(external, dbname="%C3%BCmlaut"))) as database:
            assert (database.migrate(), database.migrate()) == (True, False)
    finally:
        with psycopg.connect(external, autocommit=True) as admin:
            admin.execute("DROP DATABASE ümlaut WITH (FORCE)")


def test_four_processes_that_migrate_at_once_do_it_once(postgres_servers: Servers) -> None:
    with postgres_servers.empty_database("embedded") as database:
        done: list[bool] = []
        threads = [threading.Thread(target=lambda: done.append(database.migrate())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [False, False, False, True]


def test_a_database_of_a_newer_optsync_is_left_alone(database: Database) -> None:
    with database.connect() as conn:
        conn.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('ledger', '9999_later', now())")
    with pytest.raises(Problem, match="newer optsync") as caught:
        database.migrate()
    assert "9999_later" in caught.value.what


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(tmp_path: Path, setting: str) -> None:
    with debian_postgres(f"{setting}=off") as url, pytest.raises(Problem, match=f"{setting} off") as caught:
        open_and_close(tmp_path, url)
    assert f"{setting} = on" in caught.value.next


def test_a_server_with_synchronous_commit_off_is_used_with_it_on(tmp_path: Path) -> None:
    with (
        debian_postgres("synchronous_commit=off") as url,
        open_database(environment(tmp_path, database_url=url)) as database,
        database.connect() as conn,
    ):
        assert conn.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_database_in_another_encoding_is_refused(external: str, tmp_path: Path) -> None:
    with psycopg.connect(external, autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(Problem, match="LATIN1"):
            open_and_close(tmp_path, url_of(external, dbname="latin"))
    finally:
        with psycopg.connect(external, autocommit=True) as admin:
            admin.execute("DROP DATABASE latin")


@pytest.mark.parametrize(
    "changes",
    [{"dbname": "missing"}, {"user": "stranger"}, {"password": "wrong"}, {"port": "1"}, {"host": "x.invalid"}],
)
def test_a_dead_or_wrong_database_is_one_clear_problem(external: str, tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(Problem, match="does not answer") as caught:
        open_and_close(tmp_path, url_of(external, **changes))
    assert "OPTSYNC_DATABASE_URL" in caught.value.next
    assert "a secret" not in str(caught.value)
    assert "wrong" not in str(caught.value).replace("wrong password", "")


def test_something_that_is_no_postgres_is_one_clear_problem(tmp_path: Path) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(Problem, match="does not answer"):
        open_and_close(tmp_path, f"postgresql://u@127.0.0.1:{port}/x")


@contextmanager
def answering(text: bytes) -> Iterator[int]:
    """A TCP server that says one thing and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(1024)
                    client.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_an_address_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read") as caught:
        open_and_close(tmp_path, "postgresql://[broken")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("sessions", [1, 2, 4])
def test_a_transaction_pooler_is_noticed(external: str, sessions: int) -> None:
    with transaction_pooler(external, sessions) as dsn, pytest.raises(Problem, match="transaction pooler") as caught:
        Database(dsn).check_direct()
    assert "pool_mode = session" in caught.value.next


def test_a_pooler_that_refuses_our_settings_is_noticed(external: str, tmp_path: Path) -> None:
    with (
        transaction_pooler(external, 2, refuse_options=True) as dsn,
        pytest.raises(Problem, match="transaction pooler"),
    ):
        open_and_close(tmp_path, url_of(dsn))


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("ALTER ROLE guest SET default_transaction_read_only = on", "read-only"),
        ("ALTER ROLE guest RESET ALL", "may not make tables"),
    ],
)
def test_a_database_where_we_may_not_write_is_one_clear_problem(
    external: str, tmp_path: Path, setting: str, what: str
) -> None:
    """A standby, or a database that belongs to somebody else: since PostgreSQL 15 only its owner may make tables."""
    with psycopg.connect(external, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN PASSWORD 'a secret'")
        admin.execute(setting)
        admin.execute("CREATE DATABASE others TEMPLATE template0 ENCODING 'UTF8'")
    url = url_of(external, user="guest", dbname="others")
    try:
        with (
            pytest.raises(Problem, match=what) as caught,
            open_database(environment(tmp_path, database_url=url)) as ours,
        ):
            ours.migrate()
        assert "nothing was" in caught.value.means
        assert "OPTSYNC_DATABASE_URL" in caught.value.next
    finally:
        with psycopg.connect(external, autocommit=True) as admin:
            admin.execute("DROP DATABASE others WITH (FORCE)")
            admin.execute("DROP ROLE guest")

"""The database of this installation: OPTSYNC_DATABASE_URL, else the embedded server.

Every session is opened here, so that all of them have the same clock, time zone and durability.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps
from psycopg_pool import ConnectionPool

from optsync.config import postgres
from optsync.config.environment import Environment
from optsync.config.migrations import expected_migrations
from optsync.core.problems import Problem
from optsync.core.texts import storable_json
from optsync.core.told import told

OLDEST_MAJOR = 15
CONNECT_SECONDS = 10
MIGRATION_LOCK = (7000, 1)  # advisory; (7001, n) are the workers'
DIRECT_LOCK = 7002
NO_RIGHT = 3  # how the migrating process ends when the server refuses a right
DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
SETTINGS = ("server_encoding", "transaction_read_only", *DURABILITY)
CHECK = "SELECT " + ", ".join(f"current_setting('{name}')" for name in SETTINGS)
Connection = psycopg.Connection[TupleRow]
set_json_dumps(storable_json)  # for every session of this process


class Database:
    """Opens sessions on one database. `is_embedded` says that the server is ours."""

    def __init__(self, dsn: str, clock_offset_seconds: float = 0.0, *, is_embedded: bool = False) -> None:
        self.dsn = dsn
        self.clock_offset_seconds = clock_offset_seconds
        self.is_embedded = is_embedded

    def __repr__(self) -> str:
        return f"Database({'embedded' if self.is_embedded else 'external'})"  # an address may hold a password

    def connection_arguments(self) -> dict[str, Any]:
        """What libpq is given for each session: keepalives 10/5/3 notice a lost host within 25 s."""
        given = conninfo_to_dict(self.dsn)
        settings = {
            "optsync.clock_offset": repr(self.clock_offset_seconds),
            "synchronous_commit": "on",
            "timezone": "UTC",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        defaults = {
            "application_name": "optsync",
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
        }
        forced = {"client_encoding": "UTF8", "options": f"{given.get('options') or ''} {options}".strip()}
        return defaults | given | forced

    def connect(self, **arguments: Any) -> Connection:
        """A new session with autocommit on (pass autocommit=False otherwise). Raises psycopg.OperationalError."""
        autocommit = arguments.pop("autocommit", True)
        return psycopg.connect(autocommit=autocommit, **(self.connection_arguments() | arguments))

    def pool(self, min_size: int, max_size: int) -> ConnectionPool[Connection]:
        """An open pool of such sessions, each tried with an empty statement first: the server may have restarted."""
        return ConnectionPool(
            kwargs=self.connection_arguments() | {"autocommit": True},
            min_size=min_size,
            max_size=max_size,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def migrate(self) -> bool:
        """Brings the schema up to date; True when something was done. Raises Problem.

        When nothing is missing this costs one query and loads no Django. Two processes never migrate at once.
        """
        with self.connect() as conn:
            if not missing_migrations(conn):
                return False
            conn.execute("SELECT pg_advisory_lock(%s, %s)", MIGRATION_LOCK)
            if not missing_migrations(conn):
                return False
            run_migrations(self)
            return True

    def check_direct(self) -> None:
        """Raises Problem when sessions go through a transaction pooler: locks and LISTEN would be lost there.

        A pooler lends the same server session to two clients in turn. So a lock that one session holds must exclude
        another one, and a session must keep its server process while others are busy.
        """
        with self.connect() as ours, self.connect(autocommit=False) as other:
            mine = lock_and_pid(ours, "pg_advisory_lock")
            theirs = lock_and_pid(other, "pg_try_advisory_lock")  # keeps its server session: the transaction is open
            if theirs == mine or lock_and_pid(ours, "pg_advisory_unlock") != mine:
                raise through_a_pooler()


def lock_and_pid(conn: Connection, function: str) -> int:
    """Calls an advisory lock function on DIRECT_LOCK; the number of the server process that did it."""
    row = conn.execute(f"SELECT {function}(%s), pg_backend_pid()", [DIRECT_LOCK]).fetchone()
    assert row is not None
    return int(row[1])


@contextmanager
def open_database(env: Environment, say: Callable[[str], None] = lambda line: None) -> Iterator[Database]:
    """The database for as long as it is needed; the embedded server is started when nobody has. Raises Problem.

    The first session proves that the server is PostgreSQL >= 15 with UTF-8 and keeps what it has acknowledged.
    """
    if env.database_url is not None:
        database = Database(checked_url(env.database_url), env.clock_offset_seconds)
        check_server(database)
        yield database
        return
    with postgres.attached(env, say) as server:
        database = Database(server.dsn, env.clock_offset_seconds, is_embedded=True)
        check_server(database)
        yield database


def checked_url(url: str) -> str:
    """The address as given. Raises Problem when libpq cannot read it."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise Problem(
            "OPTSYNC_DATABASE_URL cannot be read as an address",
            "nothing was started",
            "allowed: postgresql://user@host:5432/database; write special characters of a password as %XX",
            exit_code=2,
        ) from None
    return url


def check_server(database: Database) -> None:
    """Raises Problem when the server is away, too old, not UTF-8, or may lose what it has acknowledged."""
    try:
        with database.connect() as conn:
            major = conn.info.server_version // 10_000
            row = conn.execute(CHECK).fetchone()
    except psycopg.OperationalError as error:
        raise unreachable(database, error) from None
    assert row is not None
    if major < OLDEST_MAJOR:
        raise unsuitable(f"the database server is PostgreSQL {major}", f"use PostgreSQL {OLDEST_MAJOR} or newer")
    if row[0] != "UTF8":
        raise unsuitable(
            f"the database is encoded in {row[0]}", "make it with: createdb --encoding=UTF8 --template=template0"
        )
    if row[1] == "on":
        raise unsuitable(
            "the database is read-only: a standby, or a user who may only read",
            "let OPTSYNC_DATABASE_URL point at the primary server and a user who may write",
        )
    off = [name for name, value in zip(DURABILITY, row[2:], strict=True) if value == "off"]
    if off:
        raise unsuitable(
            f"the database server runs with {' and '.join(off)} off",
            f"set {', '.join(f'{name} = on' for name in off)} in postgresql.conf and restart the server",
            "an acknowledged unsubscribe could be lost in a power cut; nothing was started",
        )


def missing_migrations(conn: Connection) -> bool:
    """Whether the schema lacks a migration of this code. Raises Problem when it is ahead of this code."""
    try:
        applied = set(conn.execute("SELECT app, name FROM django_migrations").fetchall())
    except psycopg.errors.UndefinedTable:
        return True
    expected = expected_migrations()
    ours = {app for app, _ in expected}
    if unknown := {name for app, name in applied - expected if app in ours}:
        raise Problem(
            f"the database was made by a newer optsync (it has {min(unknown)})",
            "this version does not know its tables; nothing was started and nothing was changed",
            "install the newer optsync again",
        )
    return bool(expected - applied)


def run_migrations(database: Database) -> None:
    """Runs Django's migrations in a process of their own, so that a worker never carries Django. Raises Problem."""
    job = json.dumps({"dsn": database.dsn, "clock_offset_seconds": database.clock_offset_seconds})
    command = [sys.executable, "-P", "-m", "optsync.config.migrating"]
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
    if done.returncode == NO_RIGHT:
        raise Problem(
            "this user may not make tables in the database",
            "nothing was changed: each step is done completely or not at all",
            "let OPTSYNC_DATABASE_URL name the owner of the database (createdb --owner=USER DATABASE)",
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Problem(
            f"the database could not be brought to this version: {last}",
            "nothing was changed: each step is done completely or not at all",
            "mend that, then run: optsync migrate",
        )


def unreachable(database: Database, error: psycopg.OperationalError) -> Problem:
    """No session could be opened."""
    text = " ".join(str(error).split())
    if "startup parameter" in text:
        return through_a_pooler()
    return Problem(
        f"the database does not answer: {text}",
        "nothing was started; what is recorded there is safe",
        "try again"
        if database.is_embedded
        else "check OPTSYNC_DATABASE_URL (write special characters of a password as %XX) and that the server runs",
    )


def unsuitable(
    what: str, next_step: str, means: str = "optsync cannot keep its promises there; nothing was started"
) -> Problem:
    """A server that answers but will not do."""
    return Problem(what, means, next_step)


def through_a_pooler() -> Problem:
    """Sessions are shared behind our back."""
    return Problem(
        told("the database is reached through a transaction pooler"),
        told("claims and wake-ups need a session of their own, so a killed worker's marks would not be taken over"),
        told("let OPTSYNC_DATABASE_URL point at PostgreSQL itself, or set pool_mode = session in PgBouncer"),
    )

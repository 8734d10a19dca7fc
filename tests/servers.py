"""PostgreSQL servers for the tests: the embedded one through its real supervisor, and Debian's as a second opinion."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from optsync.config.database import Database
from optsync.config.environment import Environment
from optsync.config.postgres import attached
from optsync.config.postgres_layout import passwd_entry

TEMPLATE = "optsync_test_template"
ENDS_WITH_US = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
ALLOW = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
MEMORY, ROOM_BYTES = Path("/dev/shm"), 6 << 30


def environment(folder: Path, **changes: object) -> Environment:
    """The settings of an installation that lives below `folder`."""
    values: dict[str, object] = {
        "database_url": None,
        "data_dir": folder / "data",
        "key_file": folder / "keys" / "key.json",
        "run_as": None,
        "public_url": None,
        "log_level": "info",
        "clock_offset_seconds": 0.0,
    }
    return Environment(**(values | changes))  # type: ignore[arg-type]  # one dict for all types


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may pass through; gone afterwards.

    In memory where there is room: no test here proves what a power cut leaves, so none needs to wait for a disk.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="optsync-tests-", dir=MEMORY if roomy else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Servers:
    """Starts each server when a test first asks for it, and makes one migrated template database on it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._dsns: dict[str, str] = {}
        self._number = 0

    def dsn(self, kind: str) -> str:
        """A superuser's way to the server `embedded` or `debian`; the template exists."""
        if kind not in self._dsns:
            start: dict[str, Callable[[], str]] = {"embedded": self._start_embedded, "debian": self._start_debian}
            dsn = start[kind]()
            make_template(dsn)
            self._dsns[kind] = dsn
        return self._dsns[kind]

    def _start_embedded(self) -> str:
        if url := os.environ.get("OPTSYNC_TEST_DATABASE_URL"):
            return self._start_debian() if url == "debian" else url
        folder = self._stack.enter_context(open_folder())
        return self._stack.enter_context(attached(environment(folder))).dsn

    def _start_debian(self) -> str:
        return self._stack.enter_context(debian_postgres())

    def fresh_database(self, kind: str) -> AbstractContextManager[Database]:
        """A copy of the migrated template; dropped afterwards, with whoever is still connected."""
        return self._made(kind, TEMPLATE)

    def empty_database(self, kind: str) -> AbstractContextManager[Database]:
        """A database without any table; dropped afterwards."""
        return self._made(kind, "template0")

    @contextmanager
    def _made(self, kind: str, template: str) -> Iterator[Database]:
        dsn = self.dsn(kind)
        self._number += 1
        name = f"optsync_test_{os.getpid()}_{self._number}"
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        try:
            yield Database(make_conninfo(dsn, dbname=name), is_embedded=kind == "embedded")
        finally:
            with psycopg.connect(dsn, autocommit=True) as admin:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def close(self) -> None:
        """Stops what was started."""
        self._stack.close()


def make_template(dsn: str) -> None:
    """A database at the newest migration, made afresh in each test run."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(TEMPLATE)))
        admin.execute(
            SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(TEMPLATE)),
        )
    Database(make_conninfo(dsn, dbname=TEMPLATE)).migrate()


def debian_binaries() -> Path:
    """Debian's newest PostgreSQL; the test is skipped where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("Debian's PostgreSQL is not installed (apt-get install postgresql)")
    return found[-1].parent


@contextmanager
def debian_postgres(*settings: str) -> Iterator[str]:
    """Debian's PostgreSQL on a free TCP port with a password, as others would run it; `settings` are name=value."""
    binaries = debian_binaries()
    with open_folder() as folder:
        (folder / "password").write_text("a secret\n")
        folder.chmod(0o755)
        (folder / "password").chmod(0o644)
        user = unprivileged(folder)
        data = folder / "server" / "data"
        initdb = [*("-U", "tester", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")]
        initdb += ["--encoding=UTF8", "--locale=C", "--data-checksums", "-N", "-D", str(data)]
        subprocess.run([str(binaries / "initdb"), *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
        port = free_port()
        dsn = f"postgresql://tester:a%20secret@127.0.0.1:{port}/postgres"
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *settings]
        command = [
            *ENDS_WITH_US,
            str(binaries / "postgres"),
            "-D",
            str(data),
            *(part for name in options for part in ("-c", name)),
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **user)
        try:
            wait_until_ready(dsn, process)
            yield dsn
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def unprivileged(folder: Path) -> dict[str, Any]:
    """Makes `folder`/server for the user a server may run as, and says how subprocess becomes that user."""
    (folder / "server").mkdir(mode=0o700)
    if os.geteuid() != 0:
        return {}
    nobody = passwd_entry("nobody")
    os.chown(folder / "server", nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(dsn: str, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the server takes connections."""
    for _ in range(600):
        assert process.poll() is None, "the server ended while starting"
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not get ready in 30 s")


@contextmanager
def away(servers: Servers, database: Database) -> Iterator[None]:
    """Ends every session of a database of the embedded server and refuses new ones."""
    with database.connect() as conn:
        name = conn.info.dbname
    with psycopg.connect(servers.dsn("embedded"), autocommit=True) as admin:
        admin.execute(ALLOW.format(Identifier(name), SQL("false")))
        admin.execute(END, [name])
        try:
            yield
        finally:
            admin.execute(ALLOW.format(Identifier(name), SQL("true")))

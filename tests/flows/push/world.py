"""A small world for tests of the push: a database, a practice org connected to it, a worker going round by round."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from optsync.config.database import Connection, Database
from optsync.config.vault import Vault
from optsync.connection import settings
from optsync.connection.connect import Connected, connect
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change
from optsync.core.counts import Balance
from optsync.ledger import balance, marks, people, record
from optsync.ledger.people import Link
from optsync.ledger.record import Recorded, Source
from optsync.ledger.targets import Carry
from optsync.salesforce.credentials import Credential
from optsync.salesforce.session import Session
from optsync.seams import Seams, real
from optsync.sync import push
from optsync.sync.batch import PushResult
from optsync.sync.line import Line
from tests.practice import PracticeOrg
from tests.servers import environment

EMAIL = "HasOptedOutOfEmail"
SALES = "mkto_si__Marketo_Sales_Opt_Out__c"
ROUNDS_MAX = 30
WAIT_SECONDS_MAX = 30.0
ROOT = Path(__file__).parents[3]


@dataclass
class World:
    """`conn` is the product's own session; `line` a worker's line to the org whose lock lives on `lock`."""

    database: Database
    conn: Connection
    vault: Vault
    seams: Seams
    org: PracticeOrg
    connected: Connected
    lock: Connection
    line: Line

    @property
    def org_id(self) -> int:
        return self.connected.org_id

    @property
    def key(self) -> bytes:
        return self.vault.subject_key

    def opt_out(self, address: str, source: Source = "manual", **more: Any) -> Recorded:
        """Records an opt-out as any door does."""
        return record.opt_out(self.conn, self.key, address, source, **more)

    def link(self, *links: tuple[str, str | None]) -> int:
        """Stores links (record id, e-mail) as an import with Salesforce ids does."""
        kinds = {"00Q": "Lead", "003": "Contact", "001": "Account"}
        given = [Link(record_id, kinds[record_id[:3]], email) for record_id, email in links]  # type: ignore[arg-type]  # Kind
        return people.link(self.conn, self.key, self.org_id, given, "g")

    def push(self) -> PushResult:
        """Rounds until nothing is due; what they did together."""
        total = PushResult()
        for _ in range(ROUNDS_MAX):
            result = push.push_due(self.line)
            for name in ("looked_up", "claimed", "already_true", "ticked", "put_off", "parked", "calls"):
                setattr(total, name, getattr(total, name) + getattr(result, name))
            if not result.claimed and not result.looked_up:
                return total
        raise AssertionError("the push does not come to rest")

    def push_again(self) -> PushResult:
        """As `push`, after every delay and pause is over."""
        marks.retry_now(self.conn, self.org_id)
        return self.push()

    def is_ticked(self, record_id: str, field: str = EMAIL) -> bool:
        """What Salesforce shows."""
        return self.org.record(record_id)[field] is True

    def balance(self) -> Balance:
        """The balance; both of its sides must always agree."""
        found = balance.balance(self.conn, self.org_id)
        assert found.closes(), found
        return found

    def marks(self) -> dict[tuple[str, int], tuple[str, str | None]]:
        """Every mark: (record id, field) -> (state letter, reason)."""
        rows = self.conn.execute("SELECT record_id, field, state, reason FROM mark WHERE org_id = %s", [self.org_id])
        return {(record_id, field): (state, reason) for record_id, field, state, reason in rows}

    def events(self, kind: str) -> list[tuple[Any, ...]]:
        """Events of a kind: (source, record id, reason)."""
        return self.conn.execute(
            "SELECT source, record_id, reason FROM event WHERE kind = %s ORDER BY event_id", [kind]
        ).fetchall()

    def choose(
        self, *, sync_on: bool | None = None, field: str | None = None, carry: Carry = "new", **more: Any
    ) -> None:
        """Changes the settings as an admin does."""
        change = Change(sync_on, field, **more)
        with self.session() as session:
            settings.apply_change(self.conn, session, self.org_id, change, carry, actor="admin")

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session with the org."""
        with open_session(self.conn, self.vault, self.org_id, self.seams) as session:
            yield session

    def new_line(self, conn: Connection, worker_no: int) -> Line:
        """A line of its own for another worker."""
        session = open_session(conn, self.vault, self.org_id, self.seams)
        return Line(conn, session, self.org_id, self.connected.salesforce_id, worker_no, self.key, self.seams)

    def check_safe(self) -> None:
        """What holds at every moment: nothing false was sent, and the balance closes."""
        assert self.org.spy()["false_writes"] == 0
        self.balance()


@contextlib.contextmanager
def open_world(database: Database, org: PracticeOrg, folder: Path) -> Iterator[World]:
    """A world on a fresh database; the org is connected, nothing is recorded yet."""
    seams = real()
    vault = Vault.load_or_create(environment(folder), seams)
    with database.connect() as conn, database.connect() as lock, database.connect() as sender:
        connected = connect(conn, vault, Credential.from_file(org.credentials_file), seams, actor="admin")
        worker_no = become_worker(lock)
        session = open_session(sender, vault, connected.org_id, seams)
        line = Line(sender, session, connected.org_id, connected.salesforce_id, worker_no, vault.subject_key, seams)
        org.clear_spy()
        world = World(database, conn, vault, seams, org, connected, lock, line)
        try:
            yield world
        finally:
            session.close()
            world.line.session.close()  # another one when a test changed the line


def become_worker(lock: Connection) -> int:
    """A worker number whose advisory lock this session holds."""
    worker_no = marks.new_worker(lock)
    lock.execute("SELECT pg_advisory_lock(7001, %s)", [worker_no])
    return worker_no


@contextlib.contextmanager
def worker_process(world: World, *arguments: str, log: IO[bytes] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker as an operating-system process on this world's database; killed at the end if it still lives.

    What it prints goes to `log`, or to where this process prints.
    """
    environ = {
        **os.environ,
        "OPTSYNC_DATABASE_URL": as_url(world.database.dsn),
        "OPTSYNC_KEY_FILE": str(world.vault.path),
        "OPTSYNC_DATA_DIR": str(world.vault.path.parent.parent / "data"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.flows.push.run_worker", *arguments]
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def as_url(dsn: str) -> str:
    """The key=value form of a libpq address as the URL that the environment takes."""
    from urllib.parse import quote

    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(dsn)
    name = str(parts.pop("dbname"))
    return f"postgresql:///{quote(name)}?" + "&".join(
        f"{key}={quote(str(value), safe='')}" for key, value in parts.items()
    )


def wait_until(holds: Callable[[], object], what: str, seconds: float = WAIT_SECONDS_MAX) -> float:
    """Waits until something holds; returns how long it took."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.01)
    return time.monotonic() - started


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextlib.contextmanager
def in_thread(run: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Something that works beside the test until it is told to stop."""
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(60)
        assert not thread.is_alive()

"""The worker: wakes when something is owed, pushes it, seals events, looks at waiting lifts, imports files, starts the
nightly run.

Any number of workers may run on any number of machines. Each life of a worker is a shift: a worker number that was
never used before and a database session that holds its advisory lock (7001, number). Claims are void the moment that
session ends, however it ends; a worker that loses it begins a new shift.
"""

import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import psycopg

from optsync.config.logging import get_logger
from optsync.connection.sessions import Sessions
from optsync.core.addresses import hmac_pads
from optsync.core.problems import Problem
from optsync.ledger import chain, marks, uploads
from optsync.ledger.marks import Key
from optsync.ledger.queries import sql
from optsync.salesforce.errors import SalesforceError
from optsync.seams import Seams
from optsync.sync import lifting, nightly, push
from optsync.sync.line import HIDDEN_SECONDS, Line

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.sync"
SENDERS: Final = 5
"""Parallel calls to Salesforce: slow triggers make 200-record calls long, and a small org allows 5 of them."""
POLL_SECONDS: Final = 1.0
"""How soon is seen what no notification told: a dead worker's claims, a mark whose delay is over."""
FENCE_SECONDS: Final = 60.0
"""The push deadline is 30 s: a worker whose session said nothing for twice as long is frozen."""
LIFT_LOOK_SECONDS: Final = 3600.0
UPLOAD_LOOK_SECONDS: Final = 3600.0
"""How often files that nobody decided about are forgotten."""
CLOCK_LOOK_SECONDS: Final = 60.0
"""How soon is seen that the clock stepped back, and with it what is due."""
AGAIN_SECONDS: Final = 1.0
IDLE_IN_TRANSACTION_SECONDS: Final = 60
"""A sender that freezes inside a transaction must not keep its row locks for ever."""

log = get_logger("optsync.sync.worker")


class Worker:
    """Works until `stop` is called. `nightly`, called each second in a thread of its own, starts runs that are due.

    `chores` are what the doors above left to be done; the keeper calls each of them every second, on its
    session, and at once again while one says that there is more.
    """

    def __init__(
        self,
        database: "Database",
        vault: "Vault",
        seams: Seams,
        *,
        senders: int = SENDERS,
        fence_seconds: float = FENCE_SECONDS,
        nightly: Callable[[], object] | None = None,
        chores: Sequence[Callable[[psycopg.Connection], bool]] = (),
    ) -> None:
        self.database = database
        self.vault = vault
        self.seams = seams
        self.senders = senders
        self.fence_seconds = fence_seconds
        self.nightly = nightly
        self.chores = chores
        self.stopping = threading.Event()
        self.unsettled: list[tuple[int, Key]] = []

    def run(self) -> None:
        """Shift after shift until stopped; a database that is away is waited for."""
        while not self.stopping.is_set():
            try:
                with _Shift(self) as shift:
                    shift.work()
            except psycopg.Error as error:
                log.warning("database away", error=type(error).__name__)
            self.seams.wait(self.stopping, AGAIN_SECONDS)

    def stop(self) -> None:
        """Ends the work in good order: calls in flight are settled first (30 s at most)."""
        self.stopping.set()


class _Shift:
    """One life of the worker's database sessions."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.is_over = threading.Event()
        self._wakes = threading.Condition()
        self._claiming = threading.Lock()
        self._is_wanted = False
        self._threads: list[threading.Thread] = []
        self._sessions = Sessions(worker.vault, worker.seams)
        self._conn = worker.database.connect(application_name="optsync worker")
        try:
            self.worker_no = marks.new_worker(self._conn)
            self._conn.execute(sql(PACKAGE, "become_worker"), {"worker": self.worker_no})
            self._conn.execute("LISTEN mark")
            self._tell_late_writes()
        except BaseException:
            self._conn.close()
            raise

    def __enter__(self) -> Self:
        duties = [("sender", self._send)] * self.worker.senders + [("keeper", self._keep), ("importer", self._import)]
        if self.worker.nightly is not None:
            duties.append(("nightly", self._start_nightly))
        for name, duty in duties:
            thread = threading.Thread(target=self._guarded, args=(duty,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.is_over.set()
        with self._wakes:
            self._wakes.notify_all()
        for thread in self._threads:
            thread.join()
        self._sessions.close()
        self._conn.close()  # the last to go: with it every claim of this shift is void

    def work(self) -> None:
        """Listens, wakes senders, fences silent workers; each second this session says that it lives."""
        seconds = self.worker.seams.monotonic
        polled_at = seconds() - POLL_SECONDS
        while not self.worker.stopping.is_set() and not self.is_over.is_set():
            left = max(0.0, polled_at + POLL_SECONDS - seconds())
            if any(True for _ in self._conn.notifies(timeout=left, stop_after=1)):
                self.wake()
            if seconds() - polled_at >= POLL_SECONDS:
                polled_at = seconds()
                self._conn.execute(sql(PACKAGE, "fence"), {"seconds": self.worker.fence_seconds})
                self.wake()

    def wake(self) -> None:
        """Lets one more sender look for work; if all are busy, the first one to be done looks again.

        One that was asked and has not looked yet will see the newer work, too: no second one is asked meanwhile.
        """
        with self._wakes:
            if not self._is_wanted:
                self._is_wanted = True
                self._wakes.notify()

    # --- duties, each in a thread and on a session of its own ---------------------------------------------------------

    def _guarded(self, duty: Callable[[], None]) -> None:
        """Whatever ends a duty ends the shift: its claims are void then, and a new shift begins."""
        try:
            duty()
        except Exception as error:  # noqa: BLE001 - a thread's end must be noticed, whatever it was
            log.warning("shift ended", error=type(error).__name__, where=innermost(error))
        finally:
            self.is_over.set()

    def _send(self) -> None:
        with self._session("optsync sender") as conn:
            conn.execute("SET optsync.is_sender = 'yes'")
            lines: dict[tuple[int, int], Line] = {}
            while not self._should_end():
                if not self._round(conn, lines):
                    self._rest()

    def _rest(self) -> None:
        with self._wakes:
            self._wakes.wait_for(lambda: self._is_wanted or self._should_end())
            self._is_wanted = False

    def _round(self, conn: psycopg.Connection, lines: dict[tuple[int, int], Line]) -> bool:
        """Serves every org with something due once; whether anything was found."""
        found = False
        for org_id, revision in conn.execute(sql(PACKAGE, "due_orgs"), prepare=True).fetchall():
            line = self._line(conn, lines, org_id, revision)
            if line is None:
                continue
            try:
                result = push.push_due(line)
            except psycopg.OperationalError:
                self.worker.unsettled += [(org_id, key) for key in line.unsettled]
                raise
            if result.more:
                self.wake()
            found = found or bool(result.claimed or result.looked_up)
        return found

    def _line(
        self, conn: psycopg.Connection, lines: dict[tuple[int, int], Line], org_id: int, revision: int
    ) -> Line | None:
        worker = self.worker
        if (org_id, revision) not in lines:
            try:
                session, salesforce_id = self._sessions.get(conn, org_id, revision)
            except (SalesforceError, Problem) as error:
                text = error.what if isinstance(error, Problem) else error.message
                marks.pause(conn, org_id, 0, "", HIDDEN_SECONDS, push.NEEDS_CONNECT, text)
                return None
            lines[org_id, revision] = Line(
                conn,
                session,
                org_id,
                salesforce_id,
                self.worker_no,
                worker.vault.subject_key,
                worker.seams,
                self._claiming,
            )
        return lines[org_id, revision]

    def _keep(self) -> None:
        """Seals events within a second, follows a clock that stepped back, and reads waiting lifts' boxes each hour."""
        seconds = self.worker.seams.monotonic
        with self._session("optsync keeper") as conn:
            looked_at, clock_at = seconds() - LIFT_LOOK_SECONDS, seconds() - CLOCK_LOOK_SECONDS
            while not self._should_end():
                chain.seal(conn)
                more = [chore(conn) for chore in self.worker.chores]
                if seconds() - clock_at >= CLOCK_LOOK_SECONDS:
                    clock_at = seconds()
                    marks.catch_up_with_clock(conn)
                if seconds() - looked_at >= LIFT_LOOK_SECONDS:
                    looked_at = seconds()
                    lifting.look(conn, self.worker.vault, self.worker.seams)
                if not any(more):
                    self.worker.seams.wait(self.is_over, POLL_SECONDS)

    def _import(self) -> None:
        """Reads and imports the files that came through the web server, one after the other."""
        worker = self.worker
        with self._session("optsync importer") as conn:
            forgot_at = worker.seams.monotonic() - UPLOAD_LOOK_SECONDS
            while not self._should_end():
                if worker.seams.monotonic() - forgot_at >= UPLOAD_LOOK_SECONDS:
                    forgot_at = worker.seams.monotonic()
                    uploads.forget_old(conn)
                if not uploads.work_on_one(conn, worker.database.connect, worker.vault, self._should_end):
                    worker.seams.wait(self.is_over, POLL_SECONDS)

    def _start_nightly(self) -> None:
        assert self.worker.nightly is not None
        while not self._should_end():
            self.worker.nightly()
            self.worker.seams.wait(self.is_over, POLL_SECONDS)

    def _session(self, name: str) -> psycopg.Connection:
        conn = self.worker.database.connect(application_name=name)
        conn.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
        return conn

    def _should_end(self) -> bool:
        return self.is_over.is_set() or self.worker.stopping.is_set()

    def _tell_late_writes(self) -> None:
        """Boxes that an earlier shift ticked while the database went away."""
        inner, outer = hmac_pads(self.worker.vault.subject_key)
        for org_id in {org_id for org_id, _ in self.worker.unsettled}:
            keys = [key for other, key in self.worker.unsettled if other == org_id]
            values = {"org": org_id, "fields": [key[0] for key in keys], "records": [key[1] for key in keys]}
            self._conn.execute(sql(PACKAGE, "tell_late_writes"), values | {"inner": inner, "outer": outer})
        self.worker.unsettled.clear()


def innermost(error: BaseException) -> str:
    """Where an error arose, without its text: that may hold an address."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def run(database: "Database", vault: "Vault", seams: Seams, *, fence_seconds: float = FENCE_SECONDS) -> None:
    """Runs a worker until SIGTERM or SIGINT. Must be called in the main thread. Raises Problem behind a pooler."""
    database.check_direct()
    start_due = partial(nightly.start_due, database, vault, seams)
    worker = Worker(database, vault, seams, fence_seconds=fence_seconds, nightly=start_due)
    before = {sign: signal.signal(sign, lambda *_: worker.stop()) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        worker.run()
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def main() -> None:
    """`python -m optsync.sync.worker`: the pushes and runs of `optsync worker`, without what it tells."""
    from optsync.config.database import open_database
    from optsync.config.environment import read_environment
    from optsync.config.logging import configure_logging
    from optsync.config.vault import Vault
    from optsync.seams import real

    env, seams = read_environment(), real()
    configure_logging(env.log_level)
    with open_database(env) as database:
        with database.connect() as conn:
            vault = Vault.load_or_create(env, seams, conn)
        run(database, vault, seams)


if __name__ == "__main__":
    main()

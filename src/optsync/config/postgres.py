"""The embedded PostgreSQL: attach to it; it runs as long as somebody does.

    with attached(env) as server:
        psycopg.connect(server.dsn)

The first to attach starts the keeper (`postgres_keeper`), which owns the server; the others find it. Leaving as the
last one stops the server and waits for it. When the keeper dies, whoever is attached starts another one: connections to
the server break then, and work again a moment later.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from optsync import seams
from optsync.config.environment import Environment
from optsync.config.postgres_layout import ROLE, Layout, make_layout, unusable
from optsync.core.problems import Problem

POLL_SECONDS = 0.05
SLOW_AFTER_SECONDS = 3.0
MUTE_KEEPERS = 3  # how often a keeper may end without a word before we give up


class Server:
    """An embedded server somebody uses. `dsn` reaches it; `is_supervisor` says that this process started its keeper."""

    def __init__(self, layout: Layout, say: Callable[[str], None]) -> None:
        self.layout = layout
        self.dsn = make_conninfo(host=layout.sockets, port=5432, user=ROLE, dbname=ROLE)
        self.is_supervisor = False
        self.keeper_pid = 0
        self.postmaster_pid = 0
        self._say = say
        self._seams = seams.real()
        self._leaving = threading.Event()
        self._line = self._attach()
        self._stay_thread = threading.Thread(target=self._stay, name="embedded-postgres", daemon=True)
        self._stay_thread.start()

    def leave(self) -> None:
        """Stops using the server; as its last user, returns when it has stopped."""
        self._leaving.set()
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
        self._stay_thread.join()
        self._line.close()

    def _attach(self) -> socket.socket:
        """An open connection to a keeper whose server is ready. Raises Problem when it cannot be started."""
        mute = 0
        while mute < MUTE_KEEPERS:
            line, mine = self._find_or_start()
            answer = self._wait_for_answer(line)
            if "ready" in answer:
                self.is_supervisor = mine
                self.keeper_pid, self.postmaster_pid = answer["keeper"], answer["postmaster"]
                return line
            line.close()
            if "failed" in answer:
                raise Problem(*answer["failed"])
            mute += mine  # somebody else's keeper may have been stopping
        raise Problem(
            "the process that keeps the embedded PostgreSQL ended without a word",
            "there is no database to work with; nothing was started and nothing was lost",
            f"see {self.layout.log}, then try again",
        )

    def _find_or_start(self) -> tuple[socket.socket, bool]:
        """A connection to the keeper, and whether it is ours. Waits for a keeper that is just ending."""
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(str(self.layout.control))
            except (FileNotFoundError, ConnectionError):
                line.close()
            except OSError as error:
                line.close()
                raise unusable(Path(self.layout.folder), error) from None
            else:
                return line, False
            lock = take_lock(self.layout)
            if lock is not None:
                return start_keeper(self.layout, lock), True
            self._seams.wait(self._leaving, POLL_SECONDS)

    def _wait_for_answer(self, line: socket.socket) -> dict[str, Any]:
        """What the keeper says, empty when it ends first. No time limit: a recovery takes as long as it takes."""
        text = b""
        line.settimeout(SLOW_AFTER_SECONDS)
        while not text.endswith(b"\n"):
            try:
                block = line.recv(65_536)
            except TimeoutError:
                self._say(why_slow(self.layout))
                line.settimeout(None)
                continue
            except ConnectionError:
                return {}
            if not block:
                return {}
            text += block
        line.settimeout(None)
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _stay(self) -> None:
        """Runs beside the process's work: when the keeper dies, attaches again."""
        while True:
            with suppress(OSError):
                while self._line.recv(4096):
                    pass
            if self._leaving.is_set():
                return
            self._line.close()
            try:
                self._line = self._attach()
                if self._leaving.is_set():  # `leave` may have seen the old line only
                    self._line.shutdown(socket.SHUT_WR)
            except Problem as problem:
                self._say(str(problem))
                self._seams.wait(self._leaving, 1.0)


@contextmanager
def attached(env: Environment, say: Callable[[str], None] = lambda line: None) -> Iterator[Server]:
    """Uses the embedded server of `env.data_dir`, starting it when nobody has. Raises Problem.

    `say` hears lines for people: a long recovery, a server that could not be started again.
    """
    server = Server(make_layout(env), say)
    try:
        yield server
    finally:
        server.leave()


def why_slow(layout: Layout) -> str:
    """What a start that takes long is doing: the first one makes the data folder, later ones may recover."""
    if not (layout.data / "PG_VERSION").exists():
        return "Making the database; this happens once"
    return "PostgreSQL is still starting (it may be recovering); waiting for it"


def take_lock(layout: Layout) -> int | None:
    """The supervisor's lock as an open file, or None when a keeper has it."""
    try:
        lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(Path(layout.folder), error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def start_keeper(layout: Layout, lock: int) -> socket.socket:
    """Starts a keeper that owns the lock from now on; our end of its first connection."""
    ours, theirs = socket.socketpair()
    names = ("PYTHONPATH", "PYTHONHOME", "PATH")  # no secret of ours in a process that stays
    environ = {name: os.environ[name] for name in names if name in os.environ}
    command = [sys.executable, "-P", "-m", "optsync.config.postgres_keeper"]
    try:
        with theirs:
            subprocess.run(
                [*command, layout.to_json(), str(theirs.fileno()), str(lock)],
                pass_fds=(theirs.fileno(), lock),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env=environ,
                check=False,
            )
    finally:
        os.close(lock)
    return ours

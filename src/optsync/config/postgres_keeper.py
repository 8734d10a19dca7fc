"""The keeper: a small process that owns the embedded PostgreSQL for as long as somebody uses it.

Whoever attaches keeps a connection to the keeper's socket open. The keeper starts the server, starts it again when it
dies, and stops it (SIGINT, a fast stop) when the last connection is gone, however its owner ended: a kill -9 closes
connections too. When the keeper itself is killed, the kernel stops the server (PR_SET_PDEATHSIG), and those who are
attached start another keeper. So no command leaves a server behind and none takes the server away from another.

Started by `postgres.attached`, which hands over the lock on `supervisor.lock` and the first connection, both open.
Standard library only, one thread: the kernel sends the parent-death signal when the *thread* that started the server
ends.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from optsync.config.postgres_install import make_startable
from optsync.config.postgres_layout import Layout, unusable
from optsync.config.postgres_process import (
    POLL_SECONDS,
    clear_the_way,
    is_ready,
    last_error,
    not_starting,
    run_as,
)
from optsync.core.problems import Problem

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
LOG_BYTES = 8 << 20


class Keeper:
    """The server, its users and what happens to them."""

    def __init__(self, layout: Layout, first_user: socket.socket) -> None:
        self.layout = layout
        self.users = {first_user}
        self.told: set[socket.socket] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.pause_seconds = FIRST_PAUSE_SECONDS
        self.log_start = 0
        self.selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serves until nobody is left."""
        self.watch_signals()
        try:
            self.command = make_startable(self.layout)
            listener = listen(self.layout.control)
        except Problem as problem:
            self.tell_waiting(failure(problem))
            return
        self.selector.register(listener, selectors.EVENT_READ)
        for user in self.users:
            self.selector.register(user, selectors.EVENT_READ)
        while self.users:
            self.keep_running()
            for key, _ in self.selector.select(self.patience()):
                self.hear(key.fileobj, listener)
        self.layout.control.unlink(missing_ok=True)
        listener.close()  # who comes now waits for our lock, then starts a keeper of their own
        self.stop()

    def watch_signals(self) -> None:
        """Wakes up when the server ends, and outlives Ctrl-C and a service manager's stop: the last user decides."""
        ours, kernel = socket.socketpair()
        for end in (ours, kernel):
            end.setblocking(False)
        signal.set_wakeup_fd(kernel.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.bell, self.bell_rope = ours, kernel
        self.selector.register(ours, selectors.EVENT_READ)

    def patience(self) -> float | None:
        """How long to listen: for ever while all is well, shortly while the server starts, longer after failures."""
        if self.ready:
            return None
        return POLL_SECONDS if self.process else self.pause_seconds

    def hear(self, source: object, listener: socket.socket) -> None:
        """A new user, a user who is gone, or the bell."""
        if source is self.bell:
            self.bell.recv(4096)
        elif source is listener:
            user, _ = listener.accept()
            self.users.add(user)
            self.selector.register(user, selectors.EVENT_READ)
            if self.ready:
                self.tell_waiting(self.readiness())
        elif isinstance(source, socket.socket) and not received(source):
            self.forget(source)

    def forget(self, user: socket.socket) -> None:
        """A user is gone. The last one's connection stays open: its end tells that the server has stopped."""
        self.selector.unregister(user)
        self.users.discard(user)
        self.told.discard(user)
        if self.users:
            user.close()
        else:
            self.last_user = user

    def keep_running(self) -> None:
        """Starts the server where it is not running; notices that it is ready or has ended."""
        if self.process is None:
            self.start()
        elif self.process.poll() is not None:
            self.ended()
        elif not self.ready and is_ready(self.layout.data, self.process.pid):
            self.ready = True
            self.pause_seconds = FIRST_PAUSE_SECONDS
            self.tell_waiting(self.readiness())

    def start(self) -> None:
        """Starts `postgres` itself, once no process of an earlier server is left."""
        clear_the_way(self.layout.data)
        self.log_start = self.layout.log.stat().st_size
        self.process = run_as(self.layout, self.command)

    def ended(self) -> None:
        """The server ended by itself: start it again; when it never got ready, tell those who wait, and pause first."""
        if not self.ready:
            last = last_error(self.layout.log, self.log_start)
            self.tell_waiting(failure(not_starting(self.layout, last)))
            self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        self.process, self.ready = None, False

    def readiness(self) -> dict[str, object]:
        """What users wait for."""
        assert self.process is not None
        return {"ready": True, "postmaster": self.process.pid, "keeper": os.getpid()}

    def tell_waiting(self, message: dict[str, object]) -> None:
        """One line to each user who has not heard yet; a failure also ends the connection at their end."""
        line = json.dumps(message).encode() + b"\n"
        for user in self.users - self.told:
            with suppress(OSError):  # gone meanwhile: the selector will say so
                user.sendall(line)
            if "ready" in message:
                self.told.add(user)

    def stop(self) -> None:
        """A fast stop; sessions are rolled back, nothing committed is lost."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()


def listen(control: Path) -> socket.socket:
    """The keeper's socket. A file left by a killed keeper is no obstacle: we hold the lock."""
    control.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control))
    control.chmod(0o600)
    listener.listen(128)
    return listener


def received(user: socket.socket) -> bool:
    """Whether a user who became readable is still there."""
    try:
        return bool(user.recv(64))
    except OSError:
        return False


def failure(problem: Problem) -> dict[str, object]:
    """A problem as a message."""
    return {"failed": [problem.what, problem.means, problem.next]}


def become_a_service(layout: Layout) -> None:
    """A session of its own, so that Ctrl-C at a terminal does not end the server under others; speaks into the log."""
    os.setsid()
    os.chdir("/")
    if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
        layout.log.rename(layout.log.with_suffix(".log.1"))
    log = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, number)


def main() -> None:
    """`python -m optsync.config.postgres_keeper LAYOUT USER_FD LOCK_FD`; returns to its caller at once."""
    layout = Layout(**json.loads(sys.argv[1]))
    first_user = socket.socket(fileno=int(sys.argv[2]))
    os.set_inheritable(int(sys.argv[3]), False)  # the lock must end with us, not with a server that outlives us
    os.set_inheritable(first_user.fileno(), False)
    if os.fork():
        os._exit(0)
    try:
        become_a_service(layout)
    except OSError as error:
        first_user.sendall(json.dumps(failure(unusable(Path(layout.folder), error))).encode() + b"\n")
        return
    Keeper(layout, first_user).run()
    os._exit(0)  # nothing is left to tidy; whoever waits for our end need not wait for the interpreter's


if __name__ == "__main__":
    main()

"""Keeps a few child processes running: a dead one is started again, more slowly each time; the end of one ends none."""

import ctypes
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from optsync.seams import Seams

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 10.0
STEADY_SECONDS = 30.0
"""A child that lived this long is restarted at once and its pauses start afresh."""
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process to keep running, and how its last starts went."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    log: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    start_at: float = 0.0
    restarts: int = 0


@dataclass
class Supervisor:
    """Runs children in this process's group until `stop` is set or the process is interrupted."""

    children: Sequence[Child]
    seams: Seams
    say: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Starts all, restarts the dead, and on the way out ends all and waits for them."""
        try:
            while not self.stop.is_set():
                for child in self.children:
                    self.tend(child)
                self.seams.wait(self.stop, POLL_SECONDS)
        finally:
            self.end()

    def tend(self, child: Child) -> bool:
        """Starts a child whose time has come, notices when it ended; whether it runs now."""
        now = self.seams.monotonic()
        if child.process is None:
            if now >= child.start_at:
                start(child, now)
        elif child.process.poll() is not None:
            steady = now - child.started_at >= STEADY_SECONDS
            pause = FIRST_PAUSE_SECONDS if steady else child.pause_seconds
            child.pause_seconds = min(2 * pause, LONGEST_PAUSE_SECONDS)
            self.say(f"! {child.name} ended ({ending(child.process.returncode)}); starting it again")
            child.process, child.start_at, child.restarts = None, now + pause, child.restarts + 1
        return child.process is not None

    def end(self) -> None:
        """Asks all to stop, waits, and kills what does not; a second Ctrl-C cannot cut it short."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def start(child: Child, now: float) -> None:
    """Starts one child; it is told to stop when this process dies, however it dies."""
    with child.log.open("ab") if child.log else nullcontext() as log:
        child.process = subprocess.Popen(
            list(child.command),
            env=None if child.environment is None else dict(child.environment),
            stdout=log,
            stderr=log,
            start_new_session=child.log is not None,  # a Ctrl-C reaches the parent only, which ends its children
            preexec_fn=stop_with_parent if sys.platform == "linux" else None,
        )
    child.started_at = now


def stop_with_parent() -> None:
    """In the child: the kernel sends SIGTERM when the parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def ending(code: int) -> str:
    """How a process ended, in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

"""The processes of the embedded server: started as its user, found by their data folder, ended when left over.

Standard library only, for the keeper; the tests look for processes with it, too.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from optsync.config.postgres_layout import Layout, name_of
from optsync.core.problems import Problem

CLEAN = {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}  # no PG* variable of the caller
POLL_SECONDS = 0.02
STATUS_LINE = 7  # of postmaster.pid: "starting", "ready", "stopping" (LOCK_FILE_LINE_PM_STATUS)
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def run_as(
    layout: Layout, command: list[str], stdout: int | None = None, says: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program as the server's user; it gets SIGINT when this process dies. It speaks into the log.

    `says` is one line for its stdin.
    """
    keeper = os.getpid()

    def end_with_keeper() -> None:  # runs in the child after it changed its user, which would clear the setting
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != keeper:  # it died before the setting
                os._exit(1)

    user = {"user": layout.uid, "group": layout.gid, "extra_groups": []} if layout.drops else {}
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # the user's keywords come as a dict
        command,
        stdin=subprocess.PIPE if says else subprocess.DEVNULL,
        stdout=stdout,
        env=CLEAN,
        cwd="/",
        umask=0o077,
        preexec_fn=end_with_keeper,  # safe: this process has one thread
        **user,
    )
    if says and process.stdin:
        process.stdin.write(says.encode() + b"\n")
        process.stdin.close()
    return process


def clear_the_way(data: Path) -> None:
    """Waits until no process of an earlier server on this data is left, and ends them.

    We hold the lock, so nobody else supervises them: a postmaster whose keeper died stops fast; backends that outlived
    a killed postmaster end without committing. What then stays is a stale postmaster.pid: its process number may have
    been given to a stranger, which PostgreSQL would take for a running server.
    """
    asked: set[int] = set()
    while left := processes_in(data):
        postmaster = postmaster_of(data)
        first = {pid for pid in left if pid == postmaster} or left
        for pid in first - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT if pid == postmaster else signal.SIGQUIT)
            asked.add(pid)
        wait_shortly()
    if sys.platform == "linux":
        (data / "postmaster.pid").unlink(missing_ok=True)


def wait_shortly() -> None:
    """A short wait that looks at nothing."""
    with selectors.DefaultSelector() as nothing:
        nothing.select(POLL_SECONDS)


def processes_in(data: Path) -> set[int]:
    """The PostgreSQL processes whose current folder is the data folder: a postmaster and its children. Linux only."""
    try:
        wanted = data.stat()
    except FileNotFoundError:
        return set()
    found = set()
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with suppress(OSError):
            there = (entry / "cwd").stat()
            is_here = (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)
            if is_here and (entry / "comm").read_text().strip() == "postgres":  # an admin's shell may stand here too
                found.add(int(entry.name))
    return found


def postmaster_of(data: Path) -> int | None:
    """The process named in postmaster.pid; it may be gone."""
    lines = pid_file(data)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def is_ready(data: Path, pid: int) -> bool:
    """Whether this postmaster says that it takes connections."""
    lines = pid_file(data)
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def pid_file(data: Path) -> list[str]:
    """The lines of postmaster.pid; none when there is no such file."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def last_error(log: Path, start: int) -> str:
    """The last complaint in the log since `start` bytes, without its time stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read()[-65_536:].decode(errors="replace").splitlines()
    complaints = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "could not"))]
    line = (complaints or lines or ["it said nothing"])[-1]
    for word in ("FATAL:", "PANIC:", "error:"):
        line = line.partition(word)[2] or line
    return line.strip()


def not_starting(layout: Layout, last: str) -> Problem:
    """The server or its set-up ended at once."""
    return Problem(
        f"the embedded PostgreSQL does not start: {last}",
        "there is no database to work with; nothing was started and nothing was lost",
        f"see {layout.log}; usual reasons are a full disk and a folder that {name_of(layout.uid)} may not write",
    )

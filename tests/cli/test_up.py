"""`optsync up` and `worker`: everything in one process group, restarted when it dies, ended together."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.installation import Installation, free_port
from tests.practice import PracticeOrg


def children_of(pid: int) -> dict[str, int]:
    """The direct children of a process: what they run, and their number."""
    found: dict[str, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == pid:
            found |= {name: int(place.name) for name in ("serve", "worker") if name.encode() in words}
    return found


def wait_until(true: "object", seconds: float = 30.0) -> None:
    """Polls a function until it answers something true."""
    deadline = time.monotonic() + seconds
    assert callable(true)
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_up_pushes_restarts_a_killed_worker_and_ends_as_a_whole(connected: Installation, org: PracticeOrg) -> None:
    box = org.create("Contact", Email="ann@example.com")
    process = connected.start("up", "--port", str(free_port()))
    try:
        wait_until(lambda: len(children_of(process.pid)) == 2)
        first = children_of(process.pid)["worker"]
        connected.run("unsubscribe", "ann@example.com")
        wait_until(lambda: org.record(box)["HasOptedOutOfEmail"])
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: children_of(process.pid).get("worker", first) != first)
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=40)
    assert re.search(r"http://127.0.0.1:\d+/sign-in/\S{20,}", err)
    assert "worker ended" in err
    assert children_of(process.pid) == {}


@pytest.mark.slow
def test_children_end_when_up_is_killed(connected: Installation) -> None:
    process = connected.start("up", "--port", str(free_port()))
    wait_until(lambda: len(children_of(process.pid)) == 2)
    children = children_of(process.pid).values()
    process.kill()
    process.communicate()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


@pytest.mark.slow
def test_a_taken_port_is_told(optsync: Installation) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = optsync.run("serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "cannot listen" in done.error["error"]


@pytest.mark.slow
def test_a_worker_ends_cleanly_on_sigterm(connected: Installation) -> None:
    process = connected.start("worker")
    with connected.database.connect() as conn:
        alive = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7001 AND granted"
        wait_until(lambda: (conn.execute(alive).fetchone() or (0,))[0] > 0)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert isinstance(process, subprocess.Popen)

"""`optsync demo` from end to end: the story goes through, its figures close, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.installation import clean_environ
from tests.servers import open_folder

DEMO = [sys.executable, "-m", "optsync.cli", "demo"]
SECONDS_MAX = 300


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """An environment whose temporary folder is ours, so that what stays behind is seen."""
    with open_folder() as folder:
        yield clean_environ() | {"TMPDIR": str(folder)}


def processes_of(folder: str) -> list[str]:
    """The command lines and environments of running processes that name a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if folder.encode() in text:
            found.append(text.decode(errors="replace"))
    return found


@pytest.mark.slow
def test_the_demo_once_as_json_proves_that_both_sides_agree_and_leaves_nothing(environ: dict[str, str]) -> None:
    import json

    done = subprocess.run(
        [*DEMO, "--once", "--json"], env=environ, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == ["balance", "agree", "false_writes", "push_ms", "nightly_seconds", "api_calls"]
    counts = answer["balance"]
    assert list(counts) == [
        *("recorded", "linked", "not_linked", "pairs", "no_address"),
        *("confirmed", "owed", "held", "parked"),
    ]
    assert answer["agree"] is True
    assert answer["false_writes"] == 0
    assert counts["recorded"] == counts["linked"] + counts["not_linked"] > 1_500
    marks = counts["confirmed"] + counts["owed"] + counts["held"] + counts["parked"]
    assert counts["pairs"] + counts["no_address"] == marks == counts["confirmed"]
    assert 0 < answer["push_ms"] < 5_000
    assert answer["nightly_seconds"] > 0
    assert answer["api_calls"] > 0
    assert processes_of(environ["TMPDIR"]) == []
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("serve --port", "the web pages ended (signal SIGKILL)"),
        ("optsync.cli worker", "the worker ended (signal SIGKILL)"),
        ("practice_org", "the practice org ended (signal SIGKILL)"),
    ],
    ids=["web", "worker", "practice org"],
)
def test_a_demo_whose_part_is_killed_names_the_part_and_fails(environ: dict[str, str], part: str, told: str) -> None:
    process = subprocess.Popen(
        [*DEMO, "--once"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "Connected" in process.stdout.readline()
    os.kill(child_of(process.pid, part), signal.SIGKILL)
    _, errors = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 1
    assert f"error: {told}" in errors
    assert processes_of(environ["TMPDIR"]) == []
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


def child_of(parent: int, command: str) -> int:
    """The process that a process started with a command."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status, line = (place / "stat").read_text(), (place / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent and command in line:
            return int(place.name)
    raise AssertionError(f"no process {command}")


@pytest.mark.slow
def test_a_demo_that_is_interrupted_cleans_up_and_says_130(environ: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*DEMO, "--once"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "Connected" in line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    deadline = time.monotonic() + 10
    while processes_of(environ["TMPDIR"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(environ["TMPDIR"]) == []
    assert list(Path(environ["TMPDIR"]).iterdir()) == []

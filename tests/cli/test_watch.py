"""`optsync status --watch`: the one screen, look after look, until Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import pytest

from optsync import seams
from optsync.cli.status import lines_of
from optsync.web.standing import Standing
from optsync.web.tally import Counted
from tests.installation import Installation
from tests.servers import Servers, away

PATIENCE_SECONDS = 30.0
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@contextmanager
def watching(optsync: Installation, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The watch as a process, read through pipes; killed when a test waits for it in vain."""
    process = optsync.start("status", "--watch", "0.5", *arguments)
    guard = threading.Timer(PATIENCE_SECONDS, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def line_of(stream: IO[str] | None) -> str:
    """The next line."""
    assert stream is not None
    line = stream.readline()
    assert line, "it ended"
    return line.rstrip("\n")


def look_of(process: "subprocess.Popen[str]") -> Any:
    """The next look."""
    return json.loads(line_of(process.stdout))


def ended(process: "subprocess.Popen[str]", number: int = signal.SIGINT) -> tuple[int, str]:
    """The exit code after a signal, and what was left to read on stderr."""
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_each_look_is_a_json_object_until_ctrl_c(optsync: Installation, number: int) -> None:
    with watching(optsync) as process:
        first, second = look_of(process), look_of(process)
        assert (first["verdict"], second["verdict"]) == ("not connected", "not connected")
        assert first["at"] < second["at"]
        assert ended(process, number) == (130, "")


def test_a_look_is_that_of_status_and_sees_what_happened_since(optsync: Installation) -> None:
    with watching(optsync, "--json") as process:
        before = look_of(process)
        assert before.keys() == optsync.run("status", "--json").json().keys()
        assert before["balance"]["recorded"] == 0
        optsync.run("unsubscribe", "ann@example.com")
        while look_of(process)["balance"]["recorded"] == 0:
            pass
        assert ended(process)[0] == 130


def test_nothing_is_held_between_two_looks(optsync: Installation) -> None:
    with watching(optsync) as process, optsync.database.connect() as conn:
        look_of(process)
        for _ in range(100):  # the session of the look that was just shown is about to end
            if conn.execute(SESSIONS).fetchone() == (0,):
                break
            seams.real().sleep(0.02)
        else:
            pytest.fail("a session stays open")
        look_of(process)


def test_a_database_that_goes_away_is_said_once_and_waited_for(
    optsync: Installation, postgres_servers: Servers
) -> None:
    with watching(optsync) as process:
        look_of(process)
        with away(postgres_servers, optsync.database):
            said = line_of(process.stderr)
            assert said.startswith("! the database does not answer: ")
            assert said.endswith(" (waiting for it)")
            seams.real().sleep(1.5)  # three more looks in vain
        assert line_of(process.stderr) == "✓ the database answers again."
        assert look_of(process)["verdict"] == "not connected"
        assert ended(process) == (130, "")


def test_on_a_terminal_the_screen_is_drawn_in_place_and_stays_at_the_end(
    optsync: Installation, postgres_servers: Servers
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "optsync.cli", "status", "--watch", "0.5"]
    environ = optsync.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    guard = threading.Timer(PATIENCE_SECONDS, process.kill)
    guard.start()
    try:
        until(ours, "until Ctrl-C", "\x1b[1A", "until Ctrl-C")  # a screen, a line upwards, a screen
        with away(postgres_servers, optsync.database):
            until(ours, "Not connected to Salesforce yet", "the database does not answer: ")
        until(ours, "until Ctrl-C")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in until(ours, "\x1b[?25h"), "the cursor is there again"
        assert process.wait(PATIENCE_SECONDS) == 130
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        os.close(ours)


def until(terminal: int, *texts: str) -> str:
    """What the terminal got until it got these texts, one after the other."""
    got, place = "", 0
    for text in texts:
        while (found := got.find(text, place)) < 0:
            got += os.read(terminal, 4096).decode(errors="replace")  # raises OSError when the process has ended
        place = found + len(text)
    return got


def test_sums_that_were_counted_before_the_look_tell_their_age() -> None:
    now = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    fresh, old = (Standing(False, now, Counted(now - timedelta(seconds=age))) for age in (20, 300))
    assert not [line for line in lines_of(fresh, fresh.balance, None, None, now) if "Counted" in line]
    assert "  Counted  5 min ago: the sums above" in lines_of(old, old.balance, None, None, now)


@pytest.mark.parametrize("seconds", ["0", "0.1", "86400", "often"])
def test_an_interval_that_makes_no_sense_is_refused(optsync: Installation, seconds: str) -> None:
    done = optsync.run("status", "--watch", seconds)
    assert (done.code, "--watch" in done.error["error"]) == (2, True)


def test_the_seconds_may_be_left_out_before_another_option(optsync: Installation) -> None:
    process = optsync.start("status", "--watch", "--json")
    try:
        assert look_of(process)["verdict"] == "not connected"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130

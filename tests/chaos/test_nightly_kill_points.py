"""Kill points of the nightly run: every SQL statement and every HTTP call, before and after its effect.

After each death a successor goes on, and then: both sides are one and proved, nothing false was sent, and the balance
closes. A run has some hundred and fifty of them; CI takes every n-th. OPTSYNC_KILL_STEP=1 takes all.
"""

import os
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from optsync.config.database import Database
from optsync.sync import staging, writing
from optsync.sync.runs import RUN_LOCK
from tests.chaos.killing import Boundaries, dying_at
from tests.flows.nightly.house import House
from tests.practice import PracticeOrg

STEP = int(os.environ.get("OPTSYNC_KILL_STEP", "25"))


class Watched(Database):
    """A database whose sessions are those of the process that dies."""

    sessions: list[psycopg.Connection[Any]]

    def connect(self, *arguments: Any, **named: Any) -> psycopg.Connection[Any]:
        session = super().connect(*arguments, **named)
        if not self.sessions:  # the others only hold a lock and beat
            self.sessions.append(session)
        return session


class Scene:
    """One night's people, fresh for each death; `ticked` are the records whose boxes must end up true."""

    def __init__(self, house: House, number: int) -> None:
        org = house.org
        mail = [f"k{number}.{n}@example.com" for n in range(6)]
        there, twin = org.create("Lead", Email=mail[0], HasOptedOutOfEmail=True), org.create("Contact", Email=mail[0])
        here, unlinked = org.create("Lead", Email=mail[1]), org.create("Contact", Email=mail[2])
        moved, gone = org.create("Contact", Email=mail[3]), org.create("Contact", Email=mail[4])
        lead, unticked = org.create("Lead", Email=mail[5]), org.create("Lead", Email=mail[5])
        for n, record in ((1, here), (3, moved), (4, gone), (5, lead), (5, unticked)):
            house.link(record, org.record(record)["type"], mail[n])
        for address in mail[1:]:
            house.opt_out(address)
        org.edit(moved, Email=f"moved.{mail[3]}", HasOptedOutOfEmail=True)
        org.delete(gone)
        self.mail = [*mail, f"moved.{mail[3]}"]
        self.ticked = [there, twin, here, unlinked, moved, org.convert(lead), unticked]


def run_and_die(house: House, boundaries: Boundaries) -> None:
    """One life on a session of its own, which ends with it as that of a killed process does."""
    mine = Watched(house.database.dsn)
    mine.sessions = []
    victim = House(mine, house.conn, house.org, house.vault, house.org_id)
    with dying_at(boundaries, mine.sessions):
        victim.sync()
    locked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (7001, %s) AND granted"
    deadline = time.monotonic() + 20
    while house.conn.execute(locked, (RUN_LOCK,)).fetchone() != (0,):  # the server notices a moment later
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("way", ["pages", "jobs"])
def test_a_run_killed_at_any_statement_or_call_goes_on_and_proves_both_sides(
    database: Database, org: PracticeOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, after_effect: bool
) -> None:
    if way == "jobs":
        monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
        monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 1)
    number, deaths = 1 + (STEP // 2 if after_effect else 0), 0
    with House.connected(database, org, tmp_path) as house:
        while True:
            scene, boundaries = Scene(house, number), Boundaries(number, after_effect=after_effect)
            run_and_die(house, boundaries)
            reports = house.start_due() or [house.sync()]
            where = f"{number}: {boundaries.passed[-1]}"
            assert reports[-1].result == "proved", where
            assert [one for one in scene.ticked if not house.is_ticked(one)] == [], where
            assert all(map(house.is_opted_out, scene.mail)), where
            assert house.balance().agree, where
            assert house.org.spy()["false_writes"] == 0
            if not boundaries.fired:
                break
            number, deaths = number + STEP, deaths + 1
    statements = sum(name.startswith("sql") for name in boundaries.passed)
    moment = "after" if after_effect else "before"
    calls = len(boundaries.passed) - statements
    print(f"nightly by {way}: {deaths} deaths {moment} the effect; a run has {statements} statements, {calls} calls")
    assert deaths > 100 // STEP

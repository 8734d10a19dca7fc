"""Every kill point of a nightly run: a process dies by SIGKILL at each statement, COPY, commit and call it ever makes.

The next process goes on with the run and dies at the first boundary where none has died yet. After so many deaths in a
row one finishes the run, and then: nothing acknowledged is lost, nothing false was sent, what was lifted on both sides
stays lifted, both sides are proved to agree. A new night begins, until a run meets no boundary that is new.
"""

from functools import partial
from typing import Final

import pytest

from optsync.sync import nightly, staging, writing
from optsync.sync.runs import RunReport, no_progress
from tests.chaos.killing import Boundaries, counted, live
from tests.flows.nightly.house import House
from tests.flows.push.world import wait_until

DEATHS_A_NIGHT: Final = 20
NAMES: Final = ("found", "owed", "more", "converted", "merged", "gone", "was", "now", "again", "free", "person")


class Night:
    """People of all kinds, fresh for each night; `ticked` are the records whose boxes must end up true."""

    def __init__(self, house: House, number: int) -> None:
        org = house.org
        self.house = house
        self.mail = {name: f"{name}{number}@example.com" for name in NAMES}
        mail = self.mail
        found = org.create("Lead", Email=mail["found"], HasOptedOutOfEmail=True)
        twin = org.create("Contact", Email=mail["found"])
        owed, more = org.create("Contact", Email=mail["owed"]), org.create("Contact", Email=mail["more"])
        lead = org.create("Lead", Email=mail["converted"])
        loser, winner = (org.create("Contact", Email=mail["merged"]) for _ in range(2))
        gone = org.create("Contact", Email=mail["gone"])
        moved = org.create("Lead", Email=mail["was"])
        again = org.create("Lead", Email=mail["again"], HasOptedOutOfEmail=True)
        person = org.create("Account", PersonEmail=mail["person"])
        self.free = org.create("Lead", Email=mail["free"])
        for record_id, kind, name in (
            *((owed, "Contact", "owed"), (more, "Contact", "more"), (lead, "Lead", "converted")),
            *((loser, "Contact", "merged"), (gone, "Contact", "gone"), (moved, "Lead", "was")),
            *((again, "Lead", "again"), (self.free, "Lead", "free")),
        ):
            house.link(record_id, kind, mail[name])
        self.recorded = [mail[name] for name in ("owed", "more", "converted", "merged", "gone", "was", "person")]
        for email in (*self.recorded, mail["again"], mail["free"]):
            house.opt_out(email)
        for email in (mail["again"], mail["free"]):
            assert house.lift(email) == "lifted"
        contact = org.convert(lead)
        org.merge(loser, winner)
        org.delete(gone)
        org.edit(moved, Email=mail["now"])
        shown = str(org.record(person)["PersonContactId"])
        self.ticked = [found, twin, owed, more, contact, winner, moved, again, shown]

    def check(self, report: RunReport) -> None:
        """What must hold after the run that came through."""
        assert report.result == "proved", report
        assert [one for one in self.ticked if not self.house.is_ticked(one)] == []
        assert not self.house.is_ticked(self.free)
        expected = {email for name, email in self.mail.items() if name != "free"}
        assert {email for email in self.mail.values() if self.house.is_opted_out(email)} == expected
        assert self.house.balance().agree
        assert self.house.org.spy()["false_writes"] == 0


def left_behind(house: House) -> int | None:
    """The run that a killed process left behind."""
    row = house.conn.execute("SELECT run_id FROM run WHERE state <> 'finished'").fetchone()
    return row[0] if row else None


def go_on(house: House, run_id: int | None, boundaries: Boundaries | None = None) -> RunReport:
    """What the next worker does: it goes on with the dead one's run; where none was begun yet, it begins one."""
    progress = boundaries.enter if boundaries else no_progress
    if run_id is None:
        return house.sync(full=True, progress=progress)
    (report,) = nightly.start_due(house.database, house.vault, house.seams, progress=progress)
    assert report.run_id == run_id
    return report


def is_buried(house: House) -> bool:
    """Whether the server has noticed that the sessions of a killed process are gone."""
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (7001, 7002, 7004)"
    return house.conn.execute(held).fetchone() == (0,)


def test_a_nightly_run_killed_at_any_statement_commit_or_call_goes_on_and_proves_both_sides(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the effect of one boundary and the next nothing leaves the process: dying before each of them, commits
    included, is dying after each of them too."""
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 12)  # a small org takes the ways of a large one: a Bulk query,
    monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 1)  # an ingest job where two boxes are owed, else Collections
    seen: set[str] = set()
    night, chained, nights = Night(house, 0), 0, 1
    while True:
        run_id = left_behind(house)
        met, died = live(partial(go_on, house, run_id), lambda _, name: name not in seen)
        wait_until(lambda: is_buried(house), "the sessions of the killed process are gone")
        if died:
            seen.add(met[-1])
            chained += 1
        elif not chained:
            break
        if chained == DEATHS_A_NIGHT or not died:
            night.check(go_on(house, left_behind(house)))
            night, chained, nights = Night(house, nights), 0, nights + 1
    print(
        f"nightly run: {len(seen)} deaths ({counted(sorted(seen))}) in {nights} nights, {DEATHS_A_NIGHT} in a row each"
    )
    assert len(seen) > 150
    assert any("jobs/ingest" in name for name in seen)
    assert any("composite/sobjects" in name for name in seen)

"""Every kill point of the push, the look-up and the look at waiting lifts, before and after each effect, by SIGKILL.

After each death a successor takes over, and then: nothing acknowledged is lost, nothing false was sent, the balance
closes, and Salesforce shows every box.
"""

from contextlib import closing
from functools import partial
from itertools import count
from typing import Literal

import pytest

from optsync.ledger import lifts, marks
from optsync.sync import lifting, push
from tests.chaos.killing import Boundaries, DiesAt, counted, live
from tests.flows.push.world import World, become_worker, wait_until, worker_process

MOMENTS = pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])


class Scene:
    """People of all kinds, fresh for each death; `ticked` are the records whose boxes must end up true."""

    def __init__(self, world: World, number: int) -> None:
        org = world.org
        mail = [f"k{number}.{n}@example.com" for n in range(6)]
        known, twin = org.create("Lead", Email=mail[0]), org.create("Contact", Email=mail[0])
        unlinked = org.create("Lead", Email=mail[1])
        lead, moved = org.create("Lead", Email=mail[2]), org.create("Lead", Email=mail[3])
        loser, winner = org.create("Contact", Email=mail[4]), org.create("Contact", Email=mail[4])
        gone = org.create("Contact", Email=mail[5])
        already = org.create("Contact", Email=mail[1], HasOptedOutOfEmail=True)
        world.link(*((record, mail[n]) for n, record in ((0, known), (2, lead), (3, moved), (4, loser), (5, gone))))
        person = org.create("Account", PersonEmail=mail[0])
        contact = org.convert(lead)
        org.edit(moved, Email=f"moved.{mail[3]}")
        org.merge(loser, winner)
        org.delete(gone)
        org.fault("reject", code="UNABLE_TO_LOCK_ROW", records=[unlinked])
        self.mail = mail
        shown = str(org.record(person)["PersonContactId"])
        self.ticked = [known, twin, unlinked, contact, moved, winner, already, shown]
        for address in mail:
            world.opt_out(address)


def push_rounds(world: World, _boundaries: Boundaries) -> None:
    """One life: sessions of its own, a worker number, and rounds until nothing is due for a while."""
    with closing(world.database.connect()) as lock, closing(world.database.connect()) as sender:
        line = world.new_line(sender, become_worker(lock))
        with line.session:
            for _ in range(10):
                push.push_due(line)


def is_number(number: int) -> DiesAt:
    """The boundary of that number."""
    return lambda at, _: at == number


def wait_for_burial(world: World) -> None:
    """Until the server has noticed that a killed process's sessions are gone; its claims are a live worker's so far."""
    workers = "SELECT count(*) FROM live_workers()"
    wait_until(lambda: world.conn.execute(workers).fetchone() == (1,), "only this world's own line is alive")


@MOMENTS
def test_r11_a_push_killed_at_any_statement_or_call_loses_nothing(world: World, after_effect: bool) -> None:
    for number in count(1):
        scene = Scene(world, number)
        met, died = live(partial(push_rounds, world), is_number(number), after_effect=after_effect)
        wait_for_burial(world)
        world.push_again()
        world.push_again()
        assert [one for one in scene.ticked if not world.is_ticked(one)] == [], met[-1]
        world.check_safe()
        assert world.balance().owed == 0
        assert world.balance().recorded >= 6 * number
        if not died:
            break
    print(f"push and look-up: {number - 1} deaths {moment(after_effect)} the effect ({counted(met)})")
    assert number > 30


@MOMENTS
def test_a_look_at_waiting_lifts_killed_anywhere_neither_loses_nor_invents_a_lift(
    world: World, after_effect: bool
) -> None:
    for number in count(1):
        stays, goes = (world.org.create("Lead", Email=f"{name}{number}@example.com") for name in ("stays", "goes"))
        for name in ("stays", "goes"):
            world.opt_out(f"{name}{number}@example.com")
        world.push_again()
        for name in ("stays", "goes"):
            lift(world, f"{name}{number}@example.com", "when-unticked")
        world.org.edit(goes, HasOptedOutOfEmail=False)
        met, died = live(partial(look, world), is_number(number), after_effect=after_effect)
        lifting.look(world.conn, world.vault, world.seams)
        waiting = {one.normal for one in lifts.waiting(world.conn)}
        assert f"stays{number}@example.com" in waiting
        assert f"goes{number}@example.com" not in waiting
        assert world.is_ticked(stays)
        assert not world.is_ticked(goes)
        world.check_safe()
        # One waiting lift at a time, so that every death meets the same boundaries.
        lift(world, f"stays{number}@example.com", "now")
        if not died:
            break
    print(f"look at waiting lifts: {number - 1} deaths {moment(after_effect)} the effect ({counted(met)})")
    assert number > 10


def look(world: World, _boundaries: Boundaries) -> None:
    """What a worker does each hour."""
    with closing(world.database.connect()) as conn:
        lifting.look(conn, world.vault, world.seams)


def lift(world: World, email: str, mode: Literal["now", "when-unticked"]) -> None:
    """What an admin does."""
    lifts.lift(world.conn, world.key, email, mode=mode, actor="a", reason="r")


def moment(after_effect: bool) -> str:
    """A word for the printed line."""
    return "after" if after_effect else "before"


HELD_CALLS = [
    ("query", "before"),
    ("collections.retrieve", "before"),
    ("collections.update", "before"),
    ("query", "after"),
    ("collections.retrieve", "after"),
    ("collections.update", "after"),
]


@pytest.mark.parametrize(("route", "moment"), HELD_CALLS)
def test_r11_a_worker_process_killed_with_kill_9_in_a_call_loses_nothing(world: World, route: str, moment: str) -> None:
    scene = Scene(world, 1)
    world.org.fault("hold", route=route, moment=moment, seconds=60)
    with worker_process(world) as first:
        wait_until(lambda: any(f["struck"] for f in world.org.faults() if f["kind"] == "hold"), "the call is held")
        first.kill()
    with worker_process(world):
        wait_until(lambda: retried(world) and all(map(world.is_ticked, scene.ticked)), "a successor has done it all")
        wait_until(lambda: world.balance().owed == 0, "everything is settled")
    world.check_safe()


@pytest.mark.parametrize("table", ["lookup", "record", "mark", "event", "org"])
def test_r11_a_worker_process_killed_with_kill_9_in_a_statement_loses_nothing(world: World, table: str) -> None:
    scene = Scene(world, 1)
    with world.database.connect(autocommit=False) as blocker:
        blocker.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        with worker_process(world) as first:
            wait_until(lambda: waits_for_lock(world), "a statement of the worker is held")
            first.kill()
        blocker.rollback()
    with worker_process(world):
        wait_until(lambda: retried(world) and all(map(world.is_ticked, scene.ticked)), "a successor has done it all")
        wait_until(lambda: world.balance().owed == 0, "everything is settled")
    world.check_safe()


def waits_for_lock(world: World) -> bool:
    """Whether a worker's statement waits for a lock."""
    row = world.conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND application_name LIKE 'optsync %%'"
    ).fetchone()
    return row is not None and row[0] > 0


def retried(world: World) -> bool:
    """Ends every delay, as time would."""
    marks.retry_now(world.conn, world.org_id)
    return True

"""Every kill point of the push, the look-up and the look at waiting lifts, before and after each effect.

After each death a successor takes over, and then: nothing acknowledged is lost, nothing false was sent, the balance
closes, and Salesforce shows every box.
"""

from contextlib import closing

import pytest

from optsync.ledger import lifts, marks
from optsync.sync import lifting, push
from tests.chaos.killing import Boundaries, dying_at
from tests.flows.push.world import World, become_worker, wait_until, worker_process


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
        contact = org.convert(lead)
        org.edit(moved, Email=f"moved.{mail[3]}")
        org.merge(loser, winner)
        org.delete(gone)
        org.fault("reject", code="UNABLE_TO_LOCK_ROW", records=[unlinked])
        self.mail = mail
        self.ticked = [known, twin, unlinked, contact, moved, winner, already]
        for address in mail:
            world.opt_out(address)


def push_and_die(world: World, boundaries: Boundaries) -> None:
    """One life on sessions of its own, which end with it as those of a killed process do."""
    with closing(world.database.connect()) as lock, closing(world.database.connect()) as sender:
        worker_no = become_worker(lock)
        with dying_at(boundaries, [sender]):
            line = world.new_line(sender, worker_no)
            try:
                for _ in range(10):
                    push.push_due(line)
            finally:
                line.session.close()
    # The server notices the closed session a moment later; until then the claims are a live worker's.
    wait_until(lambda: (worker_no,) not in world.conn.execute("SELECT live_workers()").fetchall(), "the lock is gone")


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
def test_r11_a_push_killed_at_any_statement_or_call_loses_nothing(world: World, after_effect: bool) -> None:
    scenes: list[Scene] = []
    number = 0

    def survive(boundaries: Boundaries) -> None:
        scenes.append(Scene(world, number))
        push_and_die(world, boundaries)
        world.push_again()
        world.push_again()
        scene = scenes[-1]
        assert [one for one in scene.ticked if not world.is_ticked(one)] == [], boundaries.passed[-1]
        world.check_safe()
        assert world.balance().owed == 0

    while True:
        number += 1
        boundaries = Boundaries(number, after_effect=after_effect)
        survive(boundaries)
        if not boundaries.fired:
            break
    moment = "after" if after_effect else "before"
    sql_points = sum(name.startswith("sql") for name in boundaries.passed)
    print(
        f"push and look-up: {number - 1} deaths {moment} the effect ({sql_points} statements,"
        f" {len(boundaries.passed) - sql_points} calls)"
    )
    assert number > 30
    addresses = 6 * len(scenes)
    assert world.balance().recorded >= addresses


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the effect", "after the effect"])
def test_a_look_at_waiting_lifts_killed_anywhere_neither_loses_nor_invents_a_lift(
    world: World, after_effect: bool
) -> None:
    number = 0
    while True:
        number += 1
        stays, goes = (world.org.create("Lead", Email=f"{name}{number}@example.com") for name in ("stays", "goes"))
        for name in ("stays", "goes"):
            world.opt_out(f"{name}{number}@example.com")
        world.push_again()
        for name in ("stays", "goes"):
            lifts.lift(
                world.conn, world.key, f"{name}{number}@example.com", mode="when-unticked", actor="a", reason="r"
            )
        world.org.edit(goes, HasOptedOutOfEmail=False)
        boundaries = Boundaries(number, after_effect=after_effect)
        with closing(world.database.connect()) as sender, dying_at(boundaries, [sender]):
            lifting.look(sender, world.vault, world.seams)
        lifting.look(world.conn, world.vault, world.seams)
        assert {waiting.normal for waiting in lifts.waiting(world.conn)} >= {f"stays{number}@example.com"}
        assert f"goes{number}@example.com" not in {waiting.normal for waiting in lifts.waiting(world.conn)}
        assert world.is_ticked(stays)
        assert not world.is_ticked(goes)
        world.check_safe()
        # One waiting lift at a time, so that every death meets the same boundaries.
        lifts.lift(world.conn, world.key, f"stays{number}@example.com", mode="now", actor="a", reason="r")
        if not boundaries.fired:
            break
    print(f"look at waiting lifts: {number - 1} deaths {'after' if after_effect else 'before'} the effect")
    assert number > 10


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
    marks.clear_pauses(world.conn, world.org_id)
    marks.retry_now(world.conn)
    return True

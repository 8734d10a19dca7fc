"""Random worlds over the real apply (marks.md 7): whatever people do, in whatever order, and with a night in between.

The seed is in the test's name; OPTSYNC_WORLDS=n runs n worlds, OPTSYNC_WORLDS_FROM=m begins with seed m.
"""

import os

import pytest

from optsync.config.database import Database
from optsync.core import brake
from tests.flows.nightly.staged import Ledger
from tests.flows.nightly.worlds import OPERATIONS, World

STEPS = 60
FIRST = int(os.environ.get("OPTSYNC_WORLDS_FROM", "0"))
WORLDS = int(os.environ.get("OPTSYNC_WORLDS", "24"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + WORLDS))
def test_a_random_world_loses_nothing_and_comes_together(
    ledger: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(brake, "HELD_ABOVE_ADDRESSES", 1)  # two people are a mass in a world of four
    told = [f"seed {seed}"]
    with database.connect() as session, World.new(ledger, session, seed) as world:
        try:
            for _ in range(STEPS):
                told.append(world.act())
                world.check()
            told.append("quiet")
            world.check_end()
        except AssertionError as error:
            raise AssertionError(f"{' -> '.join(told)}: {error}") from error


def test_the_worlds_hold_every_operation_of_the_checker() -> None:
    assert {operation.__name__ for operation in OPERATIONS} >= {
        *("create", "opt_out", "opt_out_of_one_sender", "lift", "ask_to_lift", "look_at_waiting_lifts", "erase"),
        *(
            "untick_one",
            "untick_all",
            "tick",
            "change_e_mail",
            "convert",
            "merge",
            "delete",
            "undelete",
            "hide",
            "show",
        ),
        *("link", "look_up", "import_held", "apply_a_hold", "drop_a_hold", "switch"),
        *("push", "claim", "patch", "settle", "lose_the_worker", "patch_late", "begin_night", "end_night"),
    }

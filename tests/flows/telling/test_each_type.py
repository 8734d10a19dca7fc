"""Every type of event that a program may hear of, provoked as it comes about and heard by a receiver."""

import json
from pathlib import Path
from typing import Any

from optsync.alerts import watching
from optsync.ledger import imports, lifts, marks
from optsync.ledger.batches import Wanted, opt_out_all
from optsync.sync import nightly
from optsync.sync.runs import RunReport
from optsync.webhooks.types import KIND_OF
from tests.flows.push.world import World
from tests.flows.telling.conftest import Teller
from tests.flows.telling.receivers import Receiver

ANN = "ann@example.com"
MASS = 600
"""More than the brake lets through."""


def told(teller: Teller, here: Receiver, name: str) -> list[dict[str, Any]]:
    """The data of the events of a type, once everything was delivered."""
    teller.deliver()
    return [body["data"] for body in (json.loads(got.body) for got in here.got) if body["type"] == name]


def look(world: World, minutes: float = 0) -> None:
    """What a worker sees some minutes later."""
    with world.database.connect() as conn:
        conn.execute("SELECT set_config('optsync.clock_offset', %s, false)", [str(minutes * 60)])
        assert watching.look(conn)


def sync(world: World, *, approve: bool = False) -> RunReport:
    """A sync run by hand."""
    return nightly.sync_now(world.database, world.vault, world.seams, world.org_id, approve=approve, by="anna")


def test_an_unsubscribe_its_box_and_its_lift(world: World, teller: Teller, here: Receiver) -> None:
    contact = world.org.create("Contact", Email=ANN)
    world.opt_out(ANN, "one-click")
    world.push()
    assert lifts.lift(world.conn, world.key, ANN, mode="now", actor="anna", reason="asked for") == "lifted"
    for name in ("unsubscribe.created", "unsubscribe.confirmed", "unsubscribe.lifted"):
        (data,) = told(teller, here, name)
        assert data["address"] == ANN, name
    assert told(teller, here, "unsubscribe.confirmed")[0]["record"] == contact


def test_a_run_that_ends_and_one_that_is_held(world: World, teller: Teller, here: Receiver) -> None:
    world.choose(sync_on=True)
    report = sync(world, approve=True)
    (finished,) = told(teller, here, "sync.finished")
    assert (finished["run"], finished["result"], finished["org"]) == (
        report.run_id,
        "proved",
        world.connected.salesforce_id,
    )
    assert finished["counts"]["compared"] >= 0
    world.org.reset(leads=0, contacts=MASS, opted_out=100, grant_opt_out=True)
    held_run = sync(world)
    (held,) = told(teller, here, "sync.held")
    assert (held["run"], held["result"]) == (held_run.run_id, "held")


def test_an_import_that_is_held(world: World, teller: Teller, here: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "old-optouts.csv"
    file.write_text("".join(f"person{number}@example.com\n" for number in range(MASS)))
    report = imports.import_file(world.conn, world.key, file)
    (held,) = told(teller, here, "sync.held")
    assert held == {"result": "held", "hold": report.hold_id, "origin": "import old-optouts.csv"}


def test_a_batch_of_a_program_that_is_held(world: World, teller: Teller, here: Receiver) -> None:
    rows = [Wanted(f"person{number}@example.com", "api") for number in range(MASS)]
    done = opt_out_all(world.conn, world.key, rows, actor="API key crm")
    (held,) = told(teller, here, "sync.held")
    assert held == {"result": "held", "hold": done.hold_id, "origin": "batch by API key crm"}


def test_a_refused_box_opens_an_issue_and_a_taken_one_resolves_it(world: World, teller: Teller, here: Receiver) -> None:
    contact = world.org.create("Contact", Email=ANN)
    world.org.share(contact, "read")
    world.opt_out(ANN)
    world.push()
    look(world)
    (opened,) = told(teller, here, "issue.opened")
    assert opened["code"].startswith("INSUFFICIENT_ACCESS")
    assert opened["boxes"] == 1
    world.org.share(contact, "edit")
    world.push_again()
    look(world)
    (resolved,) = told(teller, here, "issue.resolved")
    assert resolved["code"] == opened["code"]


def test_a_refused_sign_in_is_a_lost_connection_until_it_works_again(
    world: World, teller: Teller, here: Receiver
) -> None:
    world.org.create("Contact", Email=ANN)
    world.org.fault("html", route="oauth.token", status=400, body='{"error": "invalid_grant"}', times=None)
    world.org.expire_sessions()
    world.opt_out(ANN)
    world.push()
    assert marks.pauses(world.conn)
    look(world)
    assert told(teller, here, "connection.lost") == []  # it may be over in a minute
    look(world, 3)
    (lost,) = told(teller, here, "connection.lost")
    assert (lost["code"], lost["org"]) == ("invalid_grant", world.connected.salesforce_id)
    world.org.clear_faults()
    world.push_again()
    look(world, 9)
    look(world, 15)
    assert len(told(teller, here, "connection.restored")) == 1


def test_these_are_all_the_types() -> None:
    """Whoever adds one provokes it above."""
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in KIND_OF if f'"{name}"' not in here] == []

"""What is recorded singly does not wait behind a mass, and what happened is told again on request."""

import json
import time
from datetime import datetime, timedelta

import pytest

from optsync.core.problems import Problem
from optsync.ledger import chain
from optsync.ledger.batches import Wanted, opt_out_all
from optsync.seams import real
from optsync.webhooks import endpoints
from optsync.webhooks.egress import Egress
from tests.flows.push.world import World
from tests.flows.telling.conftest import Teller
from tests.flows.telling.receivers import Receiver

ANN = "ann@example.com"
MANY = 3_000


def addresses(here: Receiver) -> list[str]:
    """Whom the receiver was told of, in that order; a mass that is held has an event without anybody, too."""
    told = [json.loads(got.body)["data"] for got in here.got]
    return [data["address"] for data in told if "address" in data]


def a_mass(world: World, count: int) -> None:
    """So many unsubscribes in one transaction, as an import or a batch has them."""
    rows = [Wanted(f"mass{number}@example.com", "import") for number in range(count)]
    with world.conn.transaction():
        opt_out_all(world.conn, world.key, rows, actor="test")
    chain.seal(world.conn)


def instant(world: World) -> datetime:
    """The database's."""
    row = world.conn.execute("SELECT clock()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def test_a_click_does_not_wait_behind_a_mass(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = ["slow"]
    a_mass(world, MANY)
    for _ in range(3):
        teller.deliverer.step(world.conn)
    here.ways = [204]
    world.opt_out(ANN, "one-click")
    chain.seal(world.conn)
    began = time.monotonic()
    while ANN not in addresses(here):
        teller.deliverer.step(world.conn)
        teller.deliverer.wait()
        assert time.monotonic() - began < 10
    assert len(here.got) < 100


def test_every_event_of_both_lanes_arrives_once(world: World, teller: Teller, here: Receiver) -> None:
    for round_ in range(3):
        a_mass(world, 60)
        with world.conn.transaction():  # few in one moment are no mass
            for number in range(5):
                world.opt_out(f"few{round_}.{number}@example.com", "manual")
        world.opt_out(f"one{round_}@example.com", "clicked link")
    teller.deliver()
    found = addresses(here)
    assert len(found) == len(set(found)) == 60 + 3 * 6
    lanes = world.conn.execute("SELECT is_mass, count(*)::int FROM webhook_delivery GROUP BY 1 ORDER BY 1").fetchall()
    assert lanes == [(False, 18), (True, 60)]


def test_all_since_a_moment_is_told_again_also_what_never_was(world: World, teller: Teller, here: Receiver) -> None:
    world.opt_out("before@example.com")
    teller.deliver()
    since = instant(world)
    world.opt_out(ANN)
    teller.deliver()
    egress, types = Egress(real(), to_loopback=True), ["unsubscribe.created"]
    late, _ = endpoints.add(world.conn, world.vault, egress, real().token_bytes, here.url, types, actor="test")
    here.got.clear()
    endpoints.replay(world.conn, teller.endpoint_id, since, actor="anna")
    assert endpoints.found(world.conn, teller.endpoint_id).replays_since == since
    teller.deliver()
    assert addresses(here) == [ANN]
    assert endpoints.found(world.conn, teller.endpoint_id).replays_since is None
    assert len(teller.deliveries()[0].tried) == 2
    endpoints.replay(world.conn, late, since, actor="anna")  # it was added after all of it
    teller.deliver()
    assert addresses(here) == [ANN, ANN]
    events = world.conn.execute("SELECT actor, evidence FROM event WHERE kind = 'webhook replayed' ORDER BY event_id")
    assert [(actor, told["endpoint"]) for actor, told in events] == [("anna", teller.endpoint_id), ("anna", late)]


def test_what_is_new_does_not_wait_behind_a_replay(world: World, teller: Teller, here: Receiver) -> None:
    since = instant(world)
    for number in range(300):
        world.opt_out(f"person{number}@example.com")
    teller.deliver()
    here.got.clear()
    endpoints.replay(world.conn, teller.endpoint_id, since, actor="test")
    teller.deliverer.step(world.conn)
    world.opt_out(ANN, "one-click")
    chain.seal(world.conn)
    while ANN not in addresses(here):
        teller.deliverer.step(world.conn)
        teller.deliverer.wait()
    assert len(here.got) < 50
    teller.deliver()
    assert len(here.got) == 301


def test_a_second_replay_does_not_cut_the_first_one_short(world: World, teller: Teller, here: Receiver) -> None:
    since = instant(world)
    world.opt_out("first@example.com")
    teller.deliver()
    later = instant(world)
    world.opt_out("second@example.com")
    teller.deliver()
    here.got.clear()
    for moment in (since, later):
        endpoints.replay(world.conn, teller.endpoint_id, moment, actor="test")
    teller.deliver()
    assert sorted(addresses(here)) == ["first@example.com", "second@example.com"]


def test_what_waits_for_its_next_attempt_is_not_doubled_by_a_replay(
    world: World, teller: Teller, here: Receiver
) -> None:
    since = instant(world)
    here.ways = [500, 204]
    world.opt_out(ANN)
    teller.deliver()
    endpoints.replay(world.conn, teller.endpoint_id, since, actor="test")
    teller.deliver()
    assert len(here.got) == 1
    teller.later(1)
    teller.deliver()
    assert len(here.got) == 2


@pytest.mark.parametrize("days", [-31, 1])
def test_only_a_moment_of_the_last_thirty_days_can_be_replayed(world: World, teller: Teller, days: int) -> None:
    with pytest.raises(Problem) as refused:
        endpoints.replay(world.conn, teller.endpoint_id, instant(world) + timedelta(days=days), actor="test")
    assert refused.value.exit_code == 2
    with pytest.raises(Problem):
        endpoints.replay(world.conn, 999, instant(world), actor="test")
    assert world.conn.execute("SELECT count(*) FROM webhook_lane WHERE lane = 'replay'").fetchone() == (0,)

"""The sums of the Overview: of this moment while they are small, else the last ones, made anew once they are old."""

from collections.abc import Iterator

import pytest

from optsync.config.database import Database
from optsync.web.tally import Tally, count, now
from tests.flows.ledger.desk import Desk, contact


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    """Ann is unsubscribed; her one box is owed."""
    with database.connect() as conn:
        desk = Desk.open(conn, database)
        desk.link("ann@example.com", contact(1))
        desk.opt_out("ann@example.com")
        yield desk


def later(desk: Desk, seconds: int) -> None:
    """The clock of this session goes ahead."""
    desk.conn.execute("SELECT set_config('optsync.clock_offset', %s, false)", [str(seconds)])


def test_small_sums_are_those_of_this_moment(desk: Desk) -> None:
    tally = Tally(desk.database)
    desk.opt_out("bob@example.com")
    found = tally.of(desk.conn, desk.org_id)
    assert found is not None
    assert found.balance == desk.balance()
    assert found.balance.recorded == 2


def test_large_sums_are_the_last_ones_and_are_made_anew_once_they_are_old(desk: Desk) -> None:
    tally = Tally(desk.database, small_bytes=0)
    assert tally.of(desk.conn, desk.org_id) is None, "the first ones are being counted"
    tally.wait()
    first = tally.of(desk.conn, desk.org_id)
    assert first is not None
    assert first.balance.recorded == 1
    desk.opt_out("bob@example.com")
    assert tally.of(desk.conn, desk.org_id) == first, "with its age"
    later(desk, 31)
    assert tally.of(desk.conn, desk.org_id) == first, "nobody waits for a count"
    tally.wait()
    later(desk, 0)
    second = tally.of(desk.conn, desk.org_id)
    assert second is not None
    assert (second.balance.recorded, second.at > first.at) == (2, True)


def test_a_database_that_is_away_costs_a_count_and_nothing_else(desk: Desk) -> None:
    tally = Tally(Database("host=127.0.0.1 port=1 user=nobody dbname=nothing"), small_bytes=0)
    assert tally.of(desk.conn, desk.org_id) is None
    tally.wait()
    assert tally.of(desk.conn, desk.org_id) is None


def test_before_an_org_is_connected_everybody_is_not_linked(desk: Desk) -> None:
    counted = count(desk.conn, None)
    assert (counted.balance.recorded, counted.balance.not_linked) == (1, 1)
    assert counted.balance.closes()
    assert counted.at <= now(desk.conn)


def test_boxes_left_unticked_on_purpose_are_counted_apart(desk: Desk) -> None:
    for number, reason in enumerate(("brake", "carried", "fan-out refused", "hold dropped"), 2):
        desk.link(f"p{number}@example.com", contact(number))
        desk.opt_out(f"p{number}@example.com")
        state = "h" if number < 4 else "p"
        change = "UPDATE mark SET state = %s, reason = %s WHERE record_id = %s"
        desk.conn.execute(change, [state, reason, contact(number)])
    counted = count(desk.conn, desk.org_id)
    assert (counted.carried, counted.decided, counted.set_aside) == (1, 2, 3)
    assert counted.oldest_at is None, "nobody's was tried yet"

"""The brake's holds: blocked at once, decided by a person, repeated by anybody (rules 8)."""

import pytest

from optsync.core.problems import Problem
from optsync.ledger import holds, marks
from tests.flows.ledger.desk import KEY, Desk, contact


def address_id(desk: Desk, address: str) -> int:
    return desk.find(address).address_id


def held_outbound(desk: Desk, *addresses: str) -> int:
    """A set of fresh opt-outs whose marks are held."""
    made = []
    for number, address in enumerate(addresses):
        desk.link(address, contact(number))
        recorded = desk.opt_out(address, "import")
        made.append((recorded.address_id, recorded.version))
    return holds.hold_outbound(desk.conn, desk.org_id, "import old.csv", made)


def test_held_opt_outs_block_but_nothing_is_written(desk: Desk) -> None:
    held_outbound(desk, "ann@example.com", "bob@example.com")
    assert desk.is_blocked("ann@example.com")
    with desk.worker() as worker:
        assert worker.claim() == []
    found = desk.balance()
    assert (found.held, found.owed) == (2, 0)
    [hold] = holds.undecided(desk.conn)
    assert (hold.direction, hold.origin, hold.addresses) == ("to Salesforce", "import old.csv", 2)
    assert hold.sample == ("a…n@example.com", "b…b@example.com")


def test_a_record_linked_to_a_held_address_is_held_too(desk: Desk) -> None:
    held_outbound(desk, "ann@example.com")
    desk.link("ann@example.com", contact(9))
    assert desk.states()[1, contact(9)] == ("held", "brake")
    assert desk.states()[1, contact(0)] == ("held", "brake")


def test_apply_releases_every_mark(desk: Desk) -> None:
    hold_id = held_outbound(desk, "ann@example.com", "bob@example.com")
    assert holds.apply(desk.conn, KEY, hold_id, "kim") == 2
    assert desk.balance().owed == 2
    assert holds.undecided(desk.conn) == []


def test_drop_lifts_exactly_the_opt_outs_that_the_set_created_and_nobody_repeated(desk: Desk) -> None:
    desk.link("old@example.com", contact(50))
    before = desk.opt_out("old@example.com")
    hold_id = held_outbound(desk, "ann@example.com", "bob@example.com")
    assert desk.opt_out("bob@example.com", "one-click").outcome == "already"
    assert desk.state_of(contact(1)) == "owed"  # somebody meant it: no longer held

    assert holds.drop(desk.conn, KEY, hold_id, "kim", "wrong file") == 0

    assert not desk.is_blocked("ann@example.com")
    assert desk.is_blocked("bob@example.com")
    assert desk.find("old@example.com").opt_out is not None
    assert desk.find("old@example.com").opt_outs[0].version == before.version
    assert desk.balance().owed == 2


def test_dropping_a_set_of_older_opt_outs_parks_their_marks_and_keeps_them_blocked(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    recorded = desk.opt_out("ann@example.com")
    hold_id = holds.hold_outbound(desk.conn, desk.org_id, "run 12", [(recorded.address_id, None)])
    holds.drop(desk.conn, KEY, hold_id, "kim", None)
    assert desk.is_blocked("ann@example.com")
    assert desk.states() == {(1, contact(1)): ("parked", "hold dropped")}
    with desk.worker() as worker:
        assert worker.claim() == []


def test_a_retry_of_everything_leaves_the_boxes_of_a_dropped_set_alone(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    recorded = desk.opt_out("ann@example.com")
    hold_id = holds.hold_outbound(desk.conn, desk.org_id, "run 12", [(recorded.address_id, None)])
    holds.drop(desk.conn, KEY, hold_id, "kim", "wrong list")
    assert marks.retry_now(desk.conn, desk.org_id) == 0
    assert marks.retry_people(desk.conn, [recorded.address_id]) == 0
    (cause,) = desk.conn.execute("SELECT cause_of(reason, record_id) FROM mark").fetchone() or ("",)
    assert marks.retry_now(desk.conn, desk.org_id, cause=cause) == 0
    with desk.worker() as worker:
        assert worker.claim() == []
    assert desk.states() == {(1, contact(1)): ("parked", "hold dropped")}


def test_a_drop_leaves_who_is_being_sent_to_and_can_be_repeated(desk: Desk) -> None:
    desk.link("ann@example.com", contact(0))
    recorded = desk.opt_out("ann@example.com", "import")
    with desk.worker() as worker:
        worker.claim()
        hold_id = holds.hold_outbound(desk.conn, desk.org_id, "import", [(recorded.address_id, recorded.version)])
        assert holds.drop(desk.conn, KEY, hold_id, "kim", None) == 1
        assert desk.is_blocked("ann@example.com")
        assert len(holds.undecided(desk.conn)) == 1
    assert holds.drop(desk.conn, KEY, hold_id, "kim", None) == 0
    assert not desk.is_blocked("ann@example.com")


def test_what_a_drop_has_left_can_still_be_applied(desk: Desk) -> None:
    desk.link("old@example.com", contact(0))
    desk.link("ann@example.com", contact(1))
    old = desk.opt_out("old@example.com")
    with desk.worker() as worker:
        new = desk.opt_out("ann@example.com", "import")
        assert {mark.record_id for mark in worker.claim()} == {contact(0), contact(1)}
        marks.release(worker.conn, worker.number, desk.org_id, [(1, contact(0))])
        made = [(old.address_id, None), (new.address_id, new.version)]
        hold_id = holds.hold_outbound(desk.conn, desk.org_id, "run 12", made)
        assert holds.drop(desk.conn, KEY, hold_id, "kim", None) == 1
    holds.apply(desk.conn, KEY, hold_id, "kim")
    assert desk.state_of(contact(0)) == "owed"
    assert desk.balance().owed == 2


def test_held_ticks_block_without_an_opt_out_and_apply_records_them(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1), contact(2))
    hold_id = holds.hold_inbound(
        desk.conn, desk.org_id, "run 3", [(address_id(desk, "ann@example.com"), 1, contact(1))]
    )
    assert desk.is_blocked("ann@example.com")
    assert desk.balance().recorded == 0

    holds.apply(desk.conn, KEY, hold_id, "kim")

    assert desk.find("ann@example.com").why == "unsubscribed (salesforce sync)"
    assert desk.balance().owed == 2


def test_dropped_ticks_are_disputed_and_the_person_is_unblocked(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1), contact(2))
    who = address_id(desk, "ann@example.com")
    hold_id = holds.hold_inbound(desk.conn, desk.org_id, "run 3", [(who, 1, contact(1))])
    holds.drop(desk.conn, KEY, hold_id, "kim", "a test import in Salesforce")
    assert not desk.is_blocked("ann@example.com")
    disputed = desk.conn.execute("SELECT field, record_id, hold_id FROM dispute").fetchall()
    assert disputed == [(1, contact(1), hold_id)]


def test_somebody_who_opts_out_while_his_tick_is_held_stays_out_when_the_hold_is_dropped(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    who = address_id(desk, "ann@example.com")
    hold_id = holds.hold_inbound(desk.conn, desk.org_id, "run 3", [(who, 1, contact(1)), (who + 0, 2, contact(1))])
    desk.opt_out("ann@example.com", "one-click")
    holds.drop(desk.conn, KEY, hold_id, "kim", None)
    assert desk.is_blocked("ann@example.com")
    assert desk.count("SELECT count(*) FROM dispute") == 0


@pytest.mark.parametrize(("decision", "state"), [("apply", "owed"), ("drop", "parked")])
def test_a_crowd_is_decided_once_for_today_and_later(desk: Desk, decision: str, state: str) -> None:
    desk.link("info@example.com", *[contact(n) for n in range(21)])
    desk.opt_out("info@example.com", named=[contact(0)])
    [hold] = holds.undecided(desk.conn)
    assert hold.direction == "fan-out"
    if decision == "apply":
        holds.apply(desk.conn, KEY, hold.hold_id, "kim")
    else:
        holds.drop(desk.conn, KEY, hold.hold_id, "kim", None)

    desk.link("info@example.com", contact(30))

    assert desk.state_of(contact(0)) == "owed"
    assert desk.state_of(contact(1)) == desk.state_of(contact(30)) == state
    assert desk.is_blocked("info@example.com")
    assert holds.undecided(desk.conn) == []
    desk.balance()


def test_a_hold_is_decided_once(desk: Desk) -> None:
    hold_id = held_outbound(desk, "ann@example.com")
    holds.apply(desk.conn, KEY, hold_id, "kim")
    with pytest.raises(Problem, match="no undecided hold"):
        holds.apply(desk.conn, KEY, hold_id, "kim")
    with pytest.raises(Problem, match="no undecided hold"):
        holds.drop(desk.conn, KEY, hold_id, "kim", None)


def test_a_decision_is_told_with_who_made_it(desk: Desk) -> None:
    hold_id = held_outbound(desk, "ann@example.com")
    holds.drop(desk.conn, KEY, hold_id, "kim", "wrong file")
    row = desk.conn.execute("SELECT actor, reason, evidence FROM event WHERE kind = 'hold dropped'").fetchone()
    assert row == ("kim", "wrong file", {"hold": hold_id, "addresses": 1})

"""Which fields an opt-out is due in, and what a change of the field carries (rules 2, 7)."""

import contextlib
from dataclasses import replace

import pytest

from optsync.core.problems import Problem
from optsync.core.record_ids import to_18
from optsync.ledger import lifts, marks, people, targets
from optsync.ledger.people import Link
from optsync.ledger.record import opt_out
from optsync.ledger.targets import EMAIL_OPT_OUT
from tests.flows.ledger.desk import KEY, Desk, WorkerSession, contact


@pytest.fixture
def sales(desk: Desk) -> int:
    """The number of a sales field."""
    return targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Marketo Sales Opt Out")


def opted_out(desk: Desk, address: str, record_id: str) -> None:
    desk.link(address, record_id)
    desk.opt_out(address)


def test_a_new_org_is_targeted_at_email_opt_out(desk: Desk) -> None:
    assert targets.target(desk.conn, desk.org_id) == {EMAIL_OPT_OUT}
    [field] = targets.fields(desk.conn, desk.org_id)
    assert (field.name_on("Lead"), field.name_on("Contact")) == ("HasOptedOutOfEmail", "HasOptedOutOfEmail")


def test_a_field_keeps_its_number_and_follows_its_label(desk: Desk, sales: int) -> None:
    assert targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Renamed") == sales
    assert [f.label for f in targets.fields(desk.conn, desk.org_id)] == ["Email Opt Out", "Renamed"]


def test_r26_only_new_ones_leaves_earlier_opt_outs_where_they_were(desk: Desk, sales: int) -> None:
    opted_out(desk, "old@example.com", contact(1))
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    opted_out(desk, "new@example.com", contact(2))
    desk.link("old@example.com", contact(3))
    assert set(desk.states()) == {(1, contact(1)), (1, contact(3)), (sales, contact(2))}
    assert targets.due_fields(desk.conn, desk.org_id) == {1, sales}
    desk.balance()


def test_carry_all_makes_every_opt_out_due_in_the_new_field_too_and_waits_for_the_first_comparison(
    desk: Desk, sales: int
) -> None:
    opted_out(desk, "old@example.com", contact(1))
    desk.confirm_all()
    done = targets.retarget(desk.conn, desk.org_id, {sales}, "all")
    opted_out(desk, "new@example.com", contact(2))
    assert done.carried == 1
    assert desk.states() == {
        (1, contact(1)): ("confirmed", None),
        (sales, contact(1)): ("held", "carried"),
        (sales, contact(2)): ("owed", None),
    }
    desk.balance()


def test_carried_marks_of_a_crowd_or_of_a_waiting_lift_wait_for_that_instead(desk: Desk, sales: int) -> None:
    desk.link("info@example.com", *[contact(n) for n in range(30, 51)])
    desk.opt_out("info@example.com")
    opted_out(desk, "ann@example.com", contact(1))
    desk.lift("ann@example.com", "when-unticked")
    targets.retarget(desk.conn, desk.org_id, {sales}, "all")
    assert desk.states()[sales, contact(1)] == ("held", "lift")
    assert desk.states()[sales, contact(30)] == ("held", "fan-out")
    desk.balance()


def test_both_fields_give_two_marks_a_record(desk: Desk, sales: int) -> None:
    targets.retarget(desk.conn, desk.org_id, {1, sales}, "new")
    opted_out(desk, "ann@example.com", contact(1))
    assert set(desk.states()) == {(1, contact(1)), (sales, contact(1))}
    assert desk.balance().pairs == 2


def test_a_change_is_refused_while_a_live_worker_is_sending(desk: Desk, sales: int) -> None:
    opted_out(desk, "ann@example.com", contact(1))
    with desk.worker() as worker:
        worker.claim()
        with pytest.raises(Problem, match="being written"):
            targets.retarget(desk.conn, desk.org_id, {sales}, "all")
        assert targets.target(desk.conn, desk.org_id) == {1}
    targets.retarget(desk.conn, desk.org_id, {sales}, "all")


@pytest.mark.parametrize("settle", ["confirm", "park", "retry_later", "release"])
def test_a_box_that_stopped_being_due_while_it_was_sent_is_owed_no_longer_once_that_ends(
    desk: Desk, sales: int, settle: str
) -> None:
    desk.opt_out("old@example.com")
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    opted_out(desk, "new@example.com", contact(1))
    with desk.worker() as worker:
        keys = [mark.key for mark in worker.claim()]
        desk.link("old@example.com", contact(1))  # whose opt-out is due in Email Opt Out only
        assert set(desk.states()) == {
            (EMAIL_OPT_OUT, contact(1)),
            (sales, contact(1)),
        }  # a lift sees the write in flight

        settled(worker, settle, keys)

    assert set(desk.states()) == {(EMAIL_OPT_OUT, contact(1))}
    desk.balance()


def test_a_worker_that_settles_waits_for_a_move_in_flight(desk: Desk, sales: int) -> None:
    desk.opt_out("old@example.com")
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    opted_out(desk, "new@example.com", contact(1))
    with desk.worker() as worker:
        keys = [mark.key for mark in worker.claim()]
        with contextlib.ExitStack() as late, desk.conn.transaction():
            desk.link("old@example.com", contact(1))
            late.enter_context(desk.meanwhile(lambda conn: settled(replace(worker, conn=conn), "confirm", keys)))

    assert set(desk.states()) == {(EMAIL_OPT_OUT, contact(1))}
    desk.balance()


def settled(worker: WorkerSession, how: str, keys: list[marks.Key]) -> None:
    """The worker ends its claims in one of the ways there are."""
    mine = (worker.conn, worker.number, worker.org_id)
    match how:
        case "confirm":
            marks.confirm(worker.conn, KEY, worker.number, worker.org_id, keys)
        case "park":
            marks.park(worker.conn, KEY, worker.number, worker.org_id, [(*key, "NO_ACCESS: x") for key in keys])
        case "retry_later":
            marks.retry_later(*mine, [(*key, "UNABLE_TO_LOCK_ROW: x", 60.0) for key in keys])
        case _:
            marks.release(*mine, keys)


def test_an_opt_out_in_flight_is_carried_or_already_in_the_new_target(desk: Desk, sales: int) -> None:
    desk.link("ann@example.com", contact(1))
    with desk.database.connect(autocommit=False) as door:
        opt_out(door, KEY, "ann@example.com", "one-click")
        with desk.meanwhile(lambda other: targets.retarget(other, desk.org_id, {sales}, "all")):
            door.commit()
    assert desk.states()[sales, contact(1)] == ("held", "carried")
    desk.balance()


def test_r28_a_change_is_told_with_who_made_it(desk: Desk, sales: int) -> None:
    targets.retarget(desk.conn, desk.org_id, {sales}, "new", actor="kim")
    row = desk.conn.execute("SELECT actor, evidence FROM event WHERE kind = 'target changed'").fetchone()
    assert row == ("kim", {"fields": [sales], "carry": "new"})


def test_an_org_that_is_connected_later_owes_every_earlier_opt_out_and_keeps_the_others_target(
    desk: Desk, sales: int
) -> None:
    opted_out(desk, "ann@example.com", contact(1))
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    desk.opt_out("bob@example.com")

    second = targets.register_org(desk.conn, to_18("00D5e000000Secd"))

    wanted = "SELECT count(*) FROM lookup WHERE org_id = %s"
    assert desk.count(wanted, second) == 2
    people.link(desk.conn, KEY, second, [Link(contact(7), "Contact", "ann@example.com")], "e")
    people.link(desk.conn, KEY, second, [Link(contact(8), "Contact", "bob@example.com")], "e")
    assert desk.count("SELECT count(*) FROM mark WHERE org_id = %s AND field = 1 AND state = 'o'", second) == 2
    assert targets.target(desk.conn, desk.org_id) == {sales}
    assert targets.target(desk.conn, second) == {1}
    desk.balance()


def test_a_lift_in_flight_gets_no_mark_from_a_field_change(desk: Desk, sales: int) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as lifting:
        lifts.lift(lifting, KEY, "ann@example.com", mode="now", actor="kim", reason="asked")
        with desk.meanwhile(lambda changing: targets.retarget(changing, desk.org_id, {sales}, "all")):
            lifting.commit()
    assert desk.states() == {}

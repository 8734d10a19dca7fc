"""Undo of a run: the people whom its ticks brought in are unblocked here; who was opted out by others since stays."""

import pytest

from optsync.core.problems import Problem
from optsync.ledger import marks, undo
from optsync.sync.undo import look, ticks_of, undo_run
from tests.flows.nightly.house import House

ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
EMAIL = "HasOptedOutOfEmail"


def ticked(house: House, *emails: str) -> list[str]:
    """Somebody ticks these people in Salesforce; the records."""
    return [house.org.create("Contact", Email=email, HasOptedOutOfEmail=True) for email in emails]


def undone(house: House, run_id: int | None) -> undo.Undone:
    assert run_id is not None
    return undo_run(house.conn, house.vault.subject_key, run_id, "admin", "a mistaken data load")


def test_an_undo_unblocks_disputes_and_writes_nothing_in_salesforce(house: House) -> None:
    house.sync()
    records = ticked(house, ANN, BOB)
    twin = house.org.create("Lead", Email=ANN)
    run = house.sync(full=True)
    assert house.is_ticked(twin), "the run itself has ticked her other record"
    house.org.clear_spy()
    assert undone(house, run.run_id) == undo.Undone(2, 0, 0)
    assert not house.is_opted_out(ANN)
    assert not house.is_opted_out(BOB)
    assert house.org.spy()["update_calls"] == 0
    again = house.sync()
    assert (again.counts["recorded"], again.result) == (0, "proved, 3 disputed")
    assert not house.is_opted_out(ANN)
    assert house.balance().agree
    for record in (*records, twin):
        house.org.edit(record, HasOptedOutOfEmail=False)
    house.sync(full=True)
    house.org.edit(records[0], HasOptedOutOfEmail=True)
    house.sync()
    assert house.is_opted_out(ANN), "a tick after the box was seen unticked is a new one"
    assert not house.is_opted_out(BOB)


def test_a_run_is_undone_once(house: House) -> None:
    house.sync()
    ticked(house, ANN)
    run = house.sync()
    undone(house, run.run_id)
    with pytest.raises(Problem, match="was undone before"):
        undone(house, run.run_id)


def test_who_was_lifted_or_opted_out_anew_since_is_left_as_it_is(house: House) -> None:
    house.sync()
    ticked(house, ANN, BOB, CAT)
    run = house.sync()
    house.lift(ANN)
    house.lift(BOB)
    house.opt_out(BOB)
    assert undone(house, run.run_id) == undo.Undone(1, 0, 0)
    assert not house.is_opted_out(CAT)
    assert house.is_opted_out(BOB), "a newer opt-out is not the run's"


def test_who_repeats_it_at_any_door_stays_opted_out(house: House) -> None:
    house.sync()
    ticked(house, ANN, BOB)
    run = house.sync()
    house.opt_out(ANN)
    house.opt_out(ANN)
    told = house.conn.execute("SELECT source FROM event WHERE kind = 'repeated'").fetchall()
    assert told == [("manual",)], "told once"
    assert undone(house, run.run_id) == undo.Undone(1, 0, 0)
    assert house.is_opted_out(ANN)
    assert not house.is_opted_out(BOB)


def test_who_is_ticked_on_another_record_after_the_run_stays_opted_out(house: House) -> None:
    house.sync()
    ticked(house, ANN, BOB)
    run = house.sync()
    ticked(house, ANN)
    house.sync()
    assert undone(house, run.run_id) == undo.Undone(1, 0, 1)
    assert house.is_opted_out(ANN)
    assert not house.is_opted_out(BOB)


def test_a_box_that_somebody_ticked_before_our_push_came_is_a_repeat_too(house: House) -> None:
    house.sync()
    ticked(house, ANN)
    run = house.sync()
    later = house.org.create("Lead", Email=ANN)
    house.link(later, "Lead", ANN)
    house.org.edit(later, HasOptedOutOfEmail=True)
    house.push()
    with pytest.raises(Problem, match="opted out by others since"):
        undone(house, run.run_id)
    assert house.is_opted_out(ANN)


def test_a_box_that_our_own_push_ticked_later_is_no_repeat(house: House) -> None:
    house.sync()
    ticked(house, ANN)
    run = house.sync()
    later = house.org.create("Lead", Email=ANN)
    house.link(later, "Lead", ANN)
    assert house.push() == 1
    assert undone(house, run.run_id) == undo.Undone(1, 0, 0)
    assert house.sync(full=True).counts["recorded"] == 0


def test_who_was_opted_out_before_the_run_stays(house: House) -> None:
    house.opt_out(ANN)
    house.sync()
    ticked(house, ANN, BOB)
    run = house.sync()
    assert undone(house, run.run_id) == undo.Undone(1, 0, 0)
    assert house.is_opted_out(ANN)


def test_a_run_without_inbound_ticks_or_without_a_comparison_has_nothing_to_undo(house: House) -> None:
    house.sync()
    run = house.sync()
    with pytest.raises(Problem, match="brought nobody in"):
        undone(house, run.run_id)
    with pytest.raises(Problem, match="there is no sync run 999"):
        undone(house, 999)
    house.conn.execute("UPDATE run SET state = 'running', result = NULL")
    with pytest.raises(Problem, match="not over yet"):
        undone(house, run.run_id)


def test_somebody_who_is_being_sent_now_is_left_for_the_next_try(house: House) -> None:
    house.sync()
    (record, _bob) = ticked(house, ANN, BOB)
    run = house.sync()
    with house.database.connect() as worker:
        number = marks.new_worker(house.conn)
        worker.execute("SELECT pg_advisory_lock(7001, %s)", [number])
        house.conn.execute("UPDATE mark SET claimed_by = %s WHERE record_id = %s", [number, record])
        assert undone(house, run.run_id) == undo.Undone(1, 1, 0)
        assert house.is_opted_out(ANN)
        disputed = house.conn.execute("SELECT record_id FROM dispute").fetchall()
        assert (record,) not in disputed
    house.conn.execute("UPDATE mark SET claimed_by = NULL")
    assert undone(house, run.run_id) == undo.Undone(1, 0, 0)
    assert not house.is_opted_out(ANN)


def test_the_file_for_data_loader_names_the_boxes_of_one_object(house: House) -> None:
    house.sync()
    (record,) = ticked(house, ANN)
    lead = house.org.create("Lead", Email=ANN)
    run = house.sync(full=True)
    undone(house, run.run_id)
    assert run.run_id is not None
    ticks = ticks_of(house.conn, run.run_id)
    assert list(undo.untick_file(house.conn, ticks, "Contact")) == [f"Id,{EMAIL}\r\n", f"{record},false\r\n"]
    assert list(undo.untick_file(house.conn, ticks, "Lead")) == [f"Id,{EMAIL}\r\n", f"{lead},false\r\n"]
    assert list(undo.untick_file(house.conn, ticks, "Account")) == []


def test_looking_changes_nothing(house: House) -> None:
    house.sync()
    ticked(house, ANN)
    run = house.sync()
    before = house.contents()
    assert run.run_id is not None
    assert look(house.conn, house.vault.subject_key, run.run_id) == undo.Undone(1, 0, 0)
    assert house.contents() == before

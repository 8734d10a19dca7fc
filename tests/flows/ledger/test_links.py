"""Which records belong to whom, and how the opt-out follows the person (rules 4)."""

import pytest

from optsync.core.record_ids import to_18
from optsync.ledger import people
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, Desk, contact, lead


def test_r03_the_short_and_the_long_id_of_a_record_link_once(desk: Desk) -> None:
    for form in (contact(1)[:15], contact(1)):
        desk.link("ann@example.com", to_18(form))
    assert [r.record_id for r in desk.find("ann@example.com").records] == [contact(1)]


def test_r03_ids_that_differ_only_in_capitals_are_two_records(desk: Desk) -> None:
    desk.link("ann@example.com", to_18("0035e00000AbCdE"), to_18("0035e00000aBcDe"))
    assert len(desk.find("ann@example.com").records) == 2


def test_a_link_that_is_known_changes_nothing_and_keeps_how_it_became_known(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1), provenance="g")
    desk.opt_out("ann@example.com")
    assert desk.link("ANN@example.com", contact(1), provenance="n") == 0
    assert desk.find("ann@example.com").records[0].provenance == "given id"


def test_the_opt_out_follows_a_marked_record_to_its_new_address_and_stays_at_the_old_one(desk: Desk) -> None:
    desk.link("ann@old.example", contact(1))
    desk.opt_out("ann@old.example")
    desk.confirm_all()

    desk.link("ann@new.example", contact(1))

    assert desk.is_blocked("ann@old.example")
    assert desk.find("ann@new.example").why == "unsubscribed (follows record)"
    assert desk.state_of(contact(1)) == "confirmed"
    found = desk.balance()
    assert (found.recorded, found.linked, found.not_linked) == (2, 1, 1)


def test_an_unmarked_record_that_changes_its_address_opts_nobody_out(desk: Desk) -> None:
    desk.link("ann@old.example", contact(1))
    desk.link("ann@new.example", contact(1))
    assert not desk.is_blocked("ann@new.example")


def test_a_ticked_record_without_email_opts_its_address_out_as_soon_as_it_has_one(desk: Desk) -> None:
    desk.link(None, contact(1))
    desk.conn.execute(
        "INSERT INTO mark (org_id, field, record_id, touched_run, state) VALUES (%s, 1, %s, 0, 'c')",
        [desk.org_id, contact(1)],
    )
    assert desk.balance().no_address == 1

    desk.link("ann@example.com", contact(1))

    assert desk.is_blocked("ann@example.com")
    found = desk.balance()
    assert (found.no_address, found.pairs, found.confirmed) == (0, 1, 1)


def test_a_record_that_loses_its_email_keeps_its_link(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.link(None, contact(1))
    assert desk.find("ann@example.com").records[0].record_id == contact(1)


def test_a_converted_lead_hands_its_mark_to_the_contact(desk: Desk) -> None:
    desk.link("ann@example.com", lead(1))
    desk.opt_out("ann@example.com")

    assert people.follow(desk.conn, KEY, desk.org_id, lead(1), Link(contact(2), "Contact", "ann@example.com"), "c")

    assert desk.states() == {(1, contact(2)): ("owed", None)}
    live = [r.record_id for r in desk.find("ann@example.com").records if r.is_live]
    assert live == [contact(2)]
    assert "converted" in desk.kinds("ann@example.com")
    desk.balance()


def test_a_merged_record_opts_the_survivors_address_out_too(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.link("ann@work.example", contact(2))
    desk.opt_out("ann@example.com")

    people.follow(desk.conn, KEY, desk.org_id, contact(1), Link(contact(2), "Contact", "ann@work.example"), "m")

    assert desk.is_blocked("ann@work.example")
    assert desk.states() == {(1, contact(2)): ("owed", None)}
    desk.balance()


def test_a_merge_into_a_survivor_without_email_keeps_the_opt_out_on_it(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    people.follow(desk.conn, KEY, desk.org_id, contact(1), Link(contact(2), "Contact", None), "m")
    assert desk.states() == {(1, contact(2)): ("owed", None)}
    desk.balance()


def test_a_conversion_while_a_lift_waits_does_not_end_the_wait(desk: Desk) -> None:
    desk.link("ann@example.com", lead(1))
    desk.opt_out("ann@example.com")
    assert desk.lift("ann@example.com", "when-unticked") == "waits"
    people.follow(desk.conn, KEY, desk.org_id, lead(1), Link(contact(2), "Contact", "ann@example.com"), "c")
    assert desk.states() == {(1, contact(2)): ("held", "lift")}
    desk.balance()


def test_a_deleted_record_ends_its_mark_with_an_event_and_the_address_is_looked_up_again(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    desk.conn.execute("DELETE FROM lookup")

    people.forget(desk.conn, KEY, desk.org_id, contact(1))

    assert desk.is_blocked("ann@example.com")
    assert desk.states() == {}
    assert desk.kinds("ann@example.com")[-1] == "record deleted"
    assert desk.count("SELECT count(*) FROM lookup WHERE due_at <= clock()") == 1
    desk.link("ann@example.com", contact(9))
    assert desk.state_of(contact(9)) == "owed"
    desk.balance()


def link_crowd(desk: Desk, size: int) -> None:
    desk.link("info@example.com", *[contact(n) for n in range(size)])


def test_an_address_with_twenty_live_records_is_written_to_all_of_them(desk: Desk) -> None:
    link_crowd(desk, 20)
    assert desk.opt_out("info@example.com").owed == 20


def test_an_address_with_twenty_one_live_records_is_blocked_and_only_the_named_one_is_written(desk: Desk) -> None:
    link_crowd(desk, 21)
    assert desk.opt_out("info@example.com", named=[contact(3)]).owed == 1
    found = desk.balance()
    assert (found.owed, found.held) == (1, 20)
    assert desk.state_of(contact(3)) == "owed"
    assert desk.is_blocked("info@example.com")


def test_the_twenty_first_record_linked_later_is_held_and_a_repeat_naming_it_frees_it(desk: Desk) -> None:
    link_crowd(desk, 20)
    desk.opt_out("info@example.com")
    desk.link("info@example.com", contact(50))
    assert desk.states()[1, contact(50)] == ("held", "fan-out")

    assert desk.opt_out("info@example.com", named=[contact(50)]).outcome == "already"

    assert desk.state_of(contact(50)) == "owed"
    desk.balance()


@pytest.mark.parametrize("links", [1, 25])
def test_dead_records_do_not_count_towards_the_cap(desk: Desk, links: int) -> None:
    link_crowd(desk, 20)
    for n in range(links):
        desk.link("info@example.com", lead(n))
        people.follow(desk.conn, KEY, desk.org_id, lead(n), Link(contact(0), "Contact", "info@example.com"), "c")
    assert desk.opt_out("info@example.com").owed == 20

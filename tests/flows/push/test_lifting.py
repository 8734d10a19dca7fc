"""A lift that waits: completed when every box was seen unticked, ended when one is ticked again (rules 6)."""

import json
from dataclasses import replace

import pytest

from optsync.config.vault import new_vault
from optsync.ledger import lifts, people
from optsync.sync import lifting
from optsync.sync.lifting import Looked
from tests.flows.push.world import EMAIL, SALES, World
from tests.practice import PracticeOrg


def ask(world: World, address: str = "ann@example.com") -> str:
    """An admin asks for the lift that waits."""
    return lifts.lift(world.conn, world.key, address, mode="when-unticked", actor="admin", reason="wants mail again")


def look(world: World) -> Looked:
    """What the worker does each hour."""
    return lifting.look(world.conn, world.vault, world.seams)


def is_blocked(world: World, address: str = "ann@example.com") -> bool:
    """Whether the person must not be mailed."""
    found = people.find(world.conn, world.key, address)
    return found is not None and found.blocked


def opted_out(world: World, *objects: str) -> list[str]:
    """Records of one person, opted out and ticked."""
    ids = [world.org.create(name, Email="ann@example.com") for name in objects]
    world.opt_out("ann@example.com")
    world.push()
    assert all(world.is_ticked(record_id) for record_id in ids)
    return ids


def test_it_completes_by_itself_once_every_box_is_unticked(world: World) -> None:
    first, second = opted_out(world, "Lead", "Contact")
    assert ask(world) == "waits"
    assert look(world) == Looked(waiting=1)
    world.org.edit(first, HasOptedOutOfEmail=False)
    assert look(world) == Looked(waiting=1)
    assert is_blocked(world), "one box of two is still ticked"
    world.org.edit(second, HasOptedOutOfEmail=False)
    assert look(world) == Looked(completed=1)
    assert not is_blocked(world)
    assert world.marks() == {}
    world.push_again()
    assert not world.is_ticked(first)


def test_a_box_that_nobody_linked_counts_too(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    unlinked = world.org.create("Contact", Email="Ann@Example.com", HasOptedOutOfEmail=True)
    assert look(world) == Looked(waiting=1)
    world.org.edit(unlinked, HasOptedOutOfEmail=False)
    assert look(world) == Looked(completed=1)


def test_nothing_is_written_while_it_waits(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.opt_out("ann@example.com")
    ask(world)
    world.push_again()
    assert not world.is_ticked(lead)
    assert world.org.spy()["update_calls"] == 0


def test_a_box_that_is_ticked_again_ends_the_wait_and_owes_every_record(world: World) -> None:
    first, second = opted_out(world, "Lead", "Contact")
    ask(world)
    world.org.edit(first, HasOptedOutOfEmail=False)
    look(world)
    world.org.edit(first, HasOptedOutOfEmail=True)
    world.org.edit(second, HasOptedOutOfEmail=False)
    assert look(world) == Looked(ended=1)
    assert lifts.waiting(world.conn) == []
    assert is_blocked(world)
    world.push_again()
    assert world.is_ticked(second), "the new opt-out is owed to every record"


def test_a_box_that_was_never_seen_unticked_is_no_new_opt_out(world: World) -> None:
    opted_out(world, "Lead")
    ask(world)
    assert look(world) == look(world) == Looked(waiting=1)


def test_an_opt_out_recorded_meanwhile_wins(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    assert world.opt_out("ann@example.com", "one-click").outcome == "again"
    assert look(world) == Looked()
    world.push_again()
    assert world.is_ticked(lead)


def test_unreadable_is_not_unticked(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    world.org.grant("Lead", EMAIL, "absent")
    assert look(world) == Looked(waiting=1)
    world.org.grant("Lead", EMAIL, "edit")
    world.org.fault("html", route="query", times=None)
    assert look(world) == Looked(waiting=1)
    world.org.clear_faults()
    assert look(world) == Looked(completed=1)


def test_a_converted_lead_cannot_be_unticked_so_its_contact_decides(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    contact = world.org.convert(lead)
    ask(world)
    assert look(world) == Looked(waiting=1)
    world.org.edit(contact, HasOptedOutOfEmail=False)
    assert look(world) == Looked(completed=1)


def test_with_two_read_fields_both_boxes_count(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.choose(sync_on=True, field="sales", read_both=True)
    world.opt_out("ann@example.com")
    world.push()
    world.org.edit(lead, HasOptedOutOfEmail=True)
    ask(world)
    world.org.edit(lead, **{SALES: False})
    assert look(world) == Looked(waiting=1)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    assert look(world) == Looked(completed=1)


def test_the_boxes_of_one_person_are_shown_before_a_lift(world: World) -> None:
    lead, contact = opted_out(world, "Lead", "Contact")
    found = people.find(world.conn, world.key, "ann@example.com")
    assert found is not None
    world.org.edit(contact, HasOptedOutOfEmail=False)
    boxes = lifting.boxes_of(world.conn, world.vault, world.seams, found.address_id, found.normal)
    assert {(box.record_id, box.label, box.ticked) for box in boxes} == {
        (lead, "Email Opt Out", True),
        (contact, "Email Opt Out", False),
    }


def test_a_person_without_any_record_is_lifted_at_the_first_look(world: World) -> None:
    world.opt_out("ann@example.com")
    ask(world)
    assert look(world) == Looked(completed=1)


def test_an_org_that_cannot_be_reached_keeps_the_lift_waiting(world: World, practice_server: PracticeOrg) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    practice_server.edit(lead, HasOptedOutOfEmail=False)
    practice_server.fault("refuse", code="API_CURRENTLY_DISABLED", times=None)
    assert look(world) == Looked(waiting=1)
    assert is_blocked(world)


@pytest.mark.parametrize("box", [{}, {"HasOptedOutOfEmail": None}])
def test_a_box_that_an_answer_leaves_out_is_not_unticked(world: World, box: dict[str, object]) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    answer = json.dumps([{"Id": lead, "Email": "ann@example.com", "IsConverted": False} | box])
    world.org.fault("html", route="collections.retrieve", status=200, body=answer)
    assert look(world) == Looked(waiting=1)
    assert is_blocked(world)
    assert look(world) == Looked(completed=1)


def test_an_org_whose_credential_cannot_be_read_keeps_the_lift_waiting(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    others_keys = new_vault(world.vault.path, world.seams).credential_keys
    wrong = replace(world.vault, path=world.vault.path.with_name("none.json"), credential_keys=others_keys)
    assert lifting.look(world.conn, wrong, world.seams) == Looked(waiting=1)
    assert is_blocked(world)
    assert look(world) == Looked(completed=1)


def test_a_box_that_a_night_saw_unticked_and_that_is_ticked_again_ends_the_wait(world: World) -> None:
    (lead,) = opted_out(world, "Lead")
    ask(world)
    world.conn.execute("UPDATE mark SET state = 'h', reason = 'lift, unticked', due_at = NULL")  # as the night says it
    assert world.is_ticked(lead)
    assert look(world) == Looked(ended=1)


def test_a_night_knows_what_a_look_has_seen(world: World) -> None:
    lead, ticked = opted_out(world, "Lead", "Contact")
    late = world.org.create("Contact", Email="ann@example.com")
    world.link((late, "ann@example.com"))
    ask(world)
    world.org.edit(lead, HasOptedOutOfEmail=False)
    look(world)
    unticked = ("h", "lift, unticked")
    assert world.marks() == {(lead, 1): unticked, (late, 1): unticked, (ticked, 1): ("c", None)}


def test_a_look_at_one_person_leaves_the_others_waiting(world: World) -> None:
    for address in ("ann@example.com", "bob@example.com"):
        world.opt_out(address)
        ask(world, address)
    assert lifting.look(world.conn, world.vault, world.seams, only="Ann@Example.com") == Looked(completed=1)
    assert is_blocked(world, "bob@example.com")

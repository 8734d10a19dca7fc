"""What an org's own rules, sharing and maintenance do to a push: tried again, followed, parked or paused (rules 13)."""

from collections.abc import Callable

import pytest

from optsync.ledger import marks
from optsync.sync import batch
from tests.flows.push.world import EMAIL, World
from tests.practice import PracticeOrg

PAUSED = "paused"
TRIED_AGAIN, PARKED = "o", "p"

Act = Callable[[PracticeOrg, str], object]


def hold_row(org: PracticeOrg, record_id: str) -> None:
    """Somebody else's transaction, for which nobody waits."""
    org.behaviour(row_lock_wait_seconds=0)
    org.lock_row(record_id, held=True)


def mind_duplicates(org: PracticeOrg, record_id: str) -> None:
    """A second record with the same address, and a rule that blocks."""
    org.rule("duplicate", "Lead", blocks=True)


CASES: dict[str, tuple[Act, str, str, Act]] = {
    "a validation rule parks": (
        lambda org, _: org.rule("validation", "Lead", when=f"{EMAIL} = true AND Phone = null", message="Phone first"),
        PARKED,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone first",
        lambda org, one: org.edit(one, Phone="5"),
    ),
    "a failing trigger parks": (
        lambda org, _: org.rule("trigger", "Lead"),
        PARKED,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY: LeadTrigger",
        lambda org, _: org.clear_rules(),
    ),
    "a record shared for reading parks": (
        lambda org, one: org.share(one, "read"),
        PARKED,
        "INSUFFICIENT_ACCESS_OR_READONLY",
        lambda org, _: org.permit(modify_all_data=True),
    ),
    "a record that is withheld parks": (
        lambda org, one: org.share(one, "absent"),
        PARKED,
        "INVALID_CROSS_REFERENCE_KEY",
        lambda org, _: org.permit(modify_all_data=True),
    ),
    "an object that may only be read parks": (
        lambda org, _: org.grant_object("Lead", "read"),
        PARKED,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY: entity type cannot be updated",
        lambda org, _: org.grant_object("Lead", "edit"),
    ),
    "an approval is waited for": (
        lambda org, one: org.lock(one, locked=True),
        TRIED_AGAIN,
        "ENTITY_IS_LOCKED",
        lambda org, one: org.lock(one, locked=False),
    ),
    "a held row is tried again": (
        hold_row,
        TRIED_AGAIN,
        "UNABLE_TO_LOCK_ROW",
        lambda org, one: org.lock_row(one, held=False),
    ),
    "read-only mode is waited for, record by record": (
        lambda org, _: org.maintenance(read_only=True),
        TRIED_AGAIN,
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
        lambda org, _: org.maintenance(read_only=False),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_r13_a_refused_record_waits_with_its_reason_and_is_ticked_once_nothing_stands_in_the_way(
    world: World, case: str
) -> None:
    begin, state, reason, end = CASES[case]
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    begin(world.org, lead)
    world.opt_out("ann@example.com")
    world.push()
    found_state, found_reason = world.marks()[lead, 1]
    assert (found_state, (found_reason or "")[: len(reason)]) == (state, reason)
    assert not world.is_ticked(lead)
    assert not marks.pauses(world.conn)
    end(world.org, lead)
    world.push_again()
    assert world.is_ticked(lead)
    world.check_safe()


def pause_by_maintenance(org: PracticeOrg) -> None:
    """Read-only mode in an org that refuses whole requests."""
    org.behaviour(maintenance_refuses_requests=True)
    org.maintenance(read_only=True)


def buy_the_api(org: PracticeOrg) -> None:
    """Without field-level security the box must be on the page layout, too."""
    org.edition("Professional Edition", api_add_on=True)
    org.lay_out("Lead-Lead Layout", "HasOptedOutOfEmail", "Edit")


OF_THE_ORG: dict[str, tuple[Callable[[PracticeOrg], object], str, Callable[[PracticeOrg], object]]] = {
    "an edition without API": (
        lambda org: org.edition("Professional Edition"),
        "API_DISABLED_FOR_ORG",
        buy_the_api,
    ),
    "a user without API Enabled": (
        lambda org: org.permit(api_enabled=False),
        "API_CURRENTLY_DISABLED",
        lambda org: org.permit(api_enabled=True),
    ),
    "read-only mode": (
        pause_by_maintenance,
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
        lambda org: org.maintenance(read_only=False),
    ),
}


@pytest.mark.parametrize("case", OF_THE_ORG)
def test_r13_what_concerns_the_whole_org_pauses_it_with_one_alert(world: World, case: str) -> None:
    begin, code, end = OF_THE_ORG[case]
    leads = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(3)]
    begin(world.org)
    for number in range(3):
        world.opt_out(f"p{number}@example.com")
    world.push()
    assert [(pause.prefix, pause.code) for pause in marks.pauses(world.conn)] == [("", code)]
    assert len(world.events("pushes paused")) == 1
    end(world.org)
    world.conn.execute("UPDATE lookup SET due_at = clock()")
    world.push_again()
    assert all(world.is_ticked(lead) for lead in leads)


@pytest.mark.parametrize("any_edit", [True, False])
def test_a_duplicate_rule_that_alerts_is_passed_in_the_same_round(world: World, any_edit: bool) -> None:
    world.org.behaviour(duplicate_rules_run_on_any_edit=any_edit)
    twins = [world.org.create("Lead", Email="ann@example.com") for _ in range(2)]
    world.org.rule("duplicate", "Lead")
    world.opt_out("ann@example.com")
    world.push()
    assert all(world.is_ticked(twin) for twin in twins)


def test_a_duplicate_rule_that_blocks_parks_both_records_with_its_reason(world: World) -> None:
    twins = [world.org.create("Lead", Email="ann@example.com") for _ in range(2)]
    world.org.rule("duplicate", "Lead", blocks=True)
    world.opt_out("ann@example.com")
    world.push()
    assert {world.marks()[twin, 1] for twin in twins} == {(PARKED, "DUPLICATES_DETECTED: Use one of these records?")}
    world.org.clear_rules()
    world.push_again()
    assert all(world.is_ticked(twin) for twin in twins)


def test_several_validation_rules_at_once_park_the_record_with_the_first(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    for name in ("Phone", "Title"):
        world.org.rule("validation", "Lead", when=f"{name} = null", message=f"{name} please", field=name)
    world.opt_out("ann@example.com")
    world.push()
    assert world.marks()[lead, 1] == (PARKED, "FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone please")


def test_a_trigger_that_fails_on_one_record_does_not_hold_up_those_that_went_with_it(world: World) -> None:
    """An uncaught exception refuses all records of a call, every day anew: its cause must come to stand alone."""
    leads = [world.org.create("Lead", Email=f"p{n}@example.com", Phone="5") for n in range(16)]
    poison = leads[5]
    world.org.edit(poison, Phone=None)
    world.org.rule("trigger", "Lead", when="Phone = null", message="System.NullPointerException")
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(leads)])
    for number in range(16):
        world.opt_out(f"p{number}@example.com")
    world.push()
    assert [lead for lead in leads if not world.is_ticked(lead)] == [poison]
    assert world.marks()[poison, 1][0] == PARKED
    assert world.org.spy()["update_calls"] <= 11, "16 together, one or two alone, then two halves four times"
    world.check_safe()


def test_a_trigger_that_fails_on_everything_costs_two_calls_more(world: World) -> None:
    leads = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(64)]
    world.org.rule("trigger", "Lead")
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(leads)])
    for number in range(64):
        world.opt_out(f"p{number}@example.com")
    result = world.push()
    assert (result.parked, result.calls) == (64, 3), "all together, then two alone"
    world.org.clear_rules()
    world.push_again()
    assert all(world.is_ticked(lead) for lead in leads)


def test_a_trigger_that_fails_on_many_records_costs_a_bounded_number_of_calls(world: World) -> None:
    leads = [world.org.create("Lead", Email=f"p{n}@example.com", Phone="5" if n % 20 else None) for n in range(100)]
    world.org.rule("trigger", "Lead", when="Phone = null")
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(leads)])
    for number in range(100):
        world.opt_out(f"p{number}@example.com")
    result = world.push()
    assert result.calls <= 3 + batch.SEARCH_CALLS_MAX
    assert result.parked + result.ticked == 100
    for _ in range(20):
        world.push_again()
    assert [lead for lead in leads if not world.is_ticked(lead)] == leads[::20]


def test_a_record_that_was_purged_between_read_and_write_is_kept_in_sight(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.opt_out("ann@example.com")
    confirm = batch.Batch.confirm_true

    def purge_then_confirm(self: batch.Batch, rows: batch.Rows) -> None:
        world.org.delete(lead)
        world.org.purge(lead)
        confirm(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.Batch, "confirm_true", purge_then_confirm)
        world.push()
    state, reason = world.marks()[lead, 1]
    assert (state, (reason or "").partition(":")[0]) == (PARKED, "INVALID_CROSS_REFERENCE_KEY")

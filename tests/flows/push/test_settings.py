"""What a change of the switch or the field does to boxes that are due (rules 2 and 7)."""

import pytest

from optsync.connection import settings
from optsync.connection.settings import Change
from optsync.core.problems import Problem
from optsync.core.targets import Choice
from optsync.ledger import marks
from tests.flows.push.world import EMAIL, SALES, World


def sales_lead(world: World) -> str:
    """A Lead whose person opted out while the sales field was chosen."""
    lead = world.org.create("Lead", Email="ann@example.com")
    world.choose(sync_on=True, field="sales")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(lead, SALES)
    return lead


def test_switching_off_carries_nothing_also_when_the_form_names_the_field_again(world: World) -> None:
    lead = sales_lead(world)
    with world.session() as session:
        change = Change(sync_on=False, field="sales")  # what the Integrations page posts
        plan = settings.apply_change(world.conn, session, world.org_id, change, "all")
    assert plan.boxes == 0
    world.push_again()
    assert not world.is_ticked(lead), "a sales opt-out must not become a marketing one"


def test_what_waits_for_a_comparison_is_delivered_when_the_switch_goes_off(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.opt_out("ann@example.com")
    world.push()
    world.choose(sync_on=True, field="sales", carry="all")
    assert world.marks()[lead, 2] == ("h", "carried")
    world.choose(sync_on=False)
    world.push()
    assert world.is_ticked(lead, SALES)


def test_with_the_switch_off_a_parked_box_is_retried_after_a_day_and_an_address_without_record_looked_up(
    world: World,
) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.fault("reject", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", records=[lead], times=1)
    world.opt_out("ann@example.com")
    world.opt_out("bob@example.com")
    world.push()
    assert world.marks()[lead, 1][0] == "p"
    late = world.org.create("Contact", Email="bob@example.com")
    world.push()
    assert not world.is_ticked(lead)
    assert not world.is_ticked(late)
    for session in (world.conn, world.line.conn):
        session.execute("SET optsync.clock_offset = 90000")
    world.push()
    assert world.is_ticked(lead)
    assert world.is_ticked(late)


def test_the_preview_tells_whom_a_box_that_begins_to_count_would_unsubscribe(world: World) -> None:
    world.choose(sync_on=True)
    for kind in ("Lead", "Lead", "Contact"):
        world.org.create(kind, Email="ann@example.com", **{SALES: True})
    with world.session() as session:
        for change, told in (
            (Change(field="sales"), {"Marketo Sales Opt Out": 3}),
            (Change(read_both=True), {"Marketo Sales Opt Out": 3}),
            (Change(field="email"), {}),
        ):
            plan = settings.plan_change(world.conn, session, world.org_id, change)
            assert settings.ticked_there(session, plan) == told
        world.org.fault("html", route="query", status=503, times=None)
        plan = settings.plan_change(world.conn, session, world.org_id, Change(field="sales"))
        assert settings.ticked_there(session, plan) == {}, "it only informs"


def test_the_preview_tells_what_is_ticked_today_and_saves_nothing(world: World) -> None:
    world.org.create("Lead", Email="ann@example.com")
    world.org.create("Contact", Email="ann@example.com")
    world.opt_out("ann@example.com")
    world.push()
    before = settings.load(world.conn, world.org_id)
    with world.session() as session:
        plan = settings.plan_change(world.conn, session, world.org_id, Change(sync_on=True, field="sales"))
    assert plan.ticked == {"Email Opt Out": 2}
    assert "Known to be ticked today: Email Opt Out on 2 records." in plan.lines
    assert plan.boxes == 2
    assert settings.load(world.conn, world.org_id) == before
    world.push()
    assert world.org.opted_out(SALES) == {"Lead": 0, "Contact": 0}


@pytest.mark.parametrize("change", [Change(field="sales", sync_on=True), Change(field="both", sync_on=True)])
def test_no_field_is_changed_while_boxes_are_being_written(world: World, change: Change) -> None:
    world.link((world.org.create("Lead", Email="ann@example.com"), "ann@example.com"))
    world.opt_out("ann@example.com")
    assert marks.claim(world.line.conn, world.line.worker_no, world.org_id, 10)
    before = settings.load(world.conn, world.org_id)
    with world.session() as session, pytest.raises(Problem, match="being written to Salesforce at this moment"):
        settings.apply_change(world.conn, session, world.org_id, change)
    assert settings.load(world.conn, world.org_id) == before
    world.lock.execute("SELECT pg_advisory_unlock_all()")  # the worker is gone: so are its claims
    world.choose(sync_on=change.sync_on, field=change.field)


@pytest.mark.parametrize("name", ["HasOptedOutOfEmail", "hasoptedoutofemail"])
def test_email_opt_out_by_its_api_name_is_the_email_choice(world: World, name: str) -> None:
    world.choose(sync_on=True, field="sales")
    world.choose(field=name)
    assert settings.load(world.conn, world.org_id).choice is Choice.EMAIL


@pytest.mark.parametrize("name", [SALES, SALES.lower(), SALES.upper()])
def test_an_api_name_is_known_in_any_spelling(world: World, name: str) -> None:
    world.choose(sync_on=True, field=name)
    found = settings.load(world.conn, world.org_id)
    assert found.custom is not None
    assert (found.custom.lead_name, found.custom.contact_name) == (SALES, SALES)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Nonsense__c", "does not exist"),
        ("Email", "not a checkbox"),
        ("DoNotCall", "standard field"),
        ("IsDeleted", "standard field"),
        ("", "does not exist"),
        ("Id, Email FROM Lead", "does not exist"),
    ],
)
def test_what_is_no_custom_checkbox_is_refused_by_name(world: World, name: str, word: str) -> None:
    for object_name in ("Lead", "Contact"):
        world.org.grant(object_name, "DoNotCall", "edit")
    with world.session() as session, pytest.raises(Problem, match=word) as refused:
        settings.plan_change(world.conn, session, world.org_id, Change(field=name))
    assert "Lead" in refused.value.what
    assert refused.value.next


def test_a_field_of_another_name_on_each_object_is_one_field(world: World) -> None:
    world.org.reset(package=True, lead_field="Lead_Opt_Out__c", contact_field="Contact_Opt_Out__c")
    world.choose(sync_on=True, field="contact_opt_out__c")
    found = settings.load(world.conn, world.org_id).custom
    assert found is not None
    assert (found.lead_name, found.contact_name) == ("Lead_Opt_Out__c", "Contact_Opt_Out__c")


@pytest.mark.parametrize(
    ("access", "word"), [("absent", "does not exist, or field-level security"), ("read", "read-only")]
)
@pytest.mark.parametrize("object_name", ["Lead", "Contact"])
@pytest.mark.parametrize(("field", "read_both"), [("email", False), ("sales", False), ("both", False), ("email", True)])
def test_each_choice_is_refused_while_a_field_of_it_cannot_be_used(
    world: World, field: str, read_both: bool, object_name: str, access: str, word: str
) -> None:
    needed = EMAIL if field == "email" and not read_both else SALES
    world.org.grant(object_name, needed, access)
    change = Change(sync_on=True, field=field, read_both=read_both)
    with world.session() as session, pytest.raises(Problem) as refused:
        settings.apply_change(world.conn, session, world.org_id, change)
    assert object_name in refused.value.what
    assert ("Contact" if object_name == "Lead" else "Lead") not in refused.value.what.split(":")[0]
    assert word in refused.value.what or "there is no sales opt-out field" in refused.value.what
    assert not settings.load(world.conn, world.org_id).sync_on

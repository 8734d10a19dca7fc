"""What a change of the switch or the field does to boxes that are due (rules 2 and 7)."""

from optsync.connection import settings
from optsync.connection.settings import Change
from tests.flows.push.world import SALES, World


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

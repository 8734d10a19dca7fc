"""Merges and conversions in the corners: records without an e-mail, and links that a merge takes away (rules 4)."""

from optsync.ledger import people, targets
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, Desk, contact, lead


def no_address_mark(desk: Desk, record_id: str, field: int) -> None:
    """What a night leaves of a ticked record without e-mail."""
    desk.link(None, record_id)
    desk.conn.execute(
        "INSERT INTO mark (org_id, field, record_id, due_at, touched_run, state) VALUES (%s, %s, %s, clock(), 0, 'c')",
        [desk.org_id, field, record_id],
    )


def merge(desk: Desk, old: str, new: str, email: str | None = None) -> None:
    """What the worker does when it finds that a record lost a merge."""
    assert people.follow(desk.conn, KEY, desk.org_id, old, Link(new, "Lead", email), "m")


def test_a_record_without_email_hands_its_box_to_a_survivor_without_email_in_the_field_it_was_ticked_in(
    desk: Desk,
) -> None:
    sales = targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales Opt Out")
    no_address_mark(desk, lead(1), sales)
    merge(desk, lead(1), lead(2))
    assert desk.states() == {(sales, lead(2)): ("owed", None)}
    assert desk.balance().no_address == 1


def test_a_record_without_email_opts_the_survivors_address_out(desk: Desk) -> None:
    no_address_mark(desk, lead(1), 1)
    merge(desk, lead(1), lead(2), "ann@example.com")
    assert desk.is_blocked("ann@example.com")
    assert desk.state_of(lead(2)) == "owed"
    desk.balance()


def test_an_address_whose_last_record_a_merge_takes_is_looked_up_again(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    desk.opt_out("bob@example.com")
    desk.link("ann@example.com", lead(1))
    desk.link("bob@example.com", lead(2))
    desk.conn.execute("DELETE FROM lookup")
    merge(desk, lead(1), lead(2))
    waiting = desk.conn.execute("SELECT a.normal FROM lookup JOIN address a USING (address_id)").fetchall()
    without = [a for a in ("ann@example.com", "bob@example.com") if not any(r.is_live for r in desk.find(a).records)]
    assert without
    assert waiting == [(a,) for a in without], "an address without a record is looked up daily"
    desk.balance()


def test_a_merge_takes_the_survivors_old_boxes_along_to_the_fields_of_the_opt_out_it_follows(desk: Desk) -> None:
    desk.opt_out("bob@example.com")
    desk.link("bob@example.com", lead(2))
    sales = targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales Opt Out")
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    desk.opt_out("ann@example.com")
    desk.link("ann@example.com", contact(1))
    assert people.follow(desk.conn, KEY, desk.org_id, contact(1), Link(lead(2), "Lead", None), "m")
    desk.balance()

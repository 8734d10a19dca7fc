"""The thirteen rows of marks.md section 5: what the nightly comparison does for each state of the two sides."""

import pytest

from optsync.core.addresses import hmac_pads
from optsync.ledger import record, targets
from optsync.sync import apply
from tests.flows.nightly.staged import KEY, Ledger, Night

ANN = "ann@example.com"
KINDS = ["Lead", "Contact"]


@pytest.fixture
def pair(ledger: Ledger) -> tuple[Ledger, str, str]:
    """Ann as a Lead and as a Contact, linked, nothing ticked."""
    return ledger, ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)


def test_row_1_both_sides_on_and_nothing_happens(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    events = ledger.conn.execute("SELECT count(*) FROM event").fetchone()
    found = ledger.compare()
    assert (found.recorded, found.owed, found.audit_missing, found.audit_extra) == (0, 0, 0, 0)
    assert ledger.state(lead) == ledger.state(contact) == "confirmed"
    assert ledger.conn.execute("SELECT count(*) FROM event").fetchone() == events


def test_row_2_unticked_there_only_is_owed_again(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    ledger.untick(lead)
    found = ledger.compare()
    assert found.owed == 1
    assert (ledger.state(lead), ledger.state(contact)) == ("owed", "confirmed")
    assert ledger.is_opted_out(ANN)


@pytest.mark.parametrize("ticked", KINDS)
def test_row_3_ticked_there_and_never_lifted_is_recorded_and_the_others_owed(
    pair: tuple[Ledger, str, str], ticked: str
) -> None:
    ledger, lead, contact = pair
    there, other = (lead, contact) if ticked == "Lead" else (contact, lead)
    ledger.tick(there)
    found = ledger.compare()
    assert (found.recorded, found.owed) == (1, 1)
    assert (ledger.state(there), ledger.state(other)) == ("confirmed", "owed")
    assert ledger.source(ANN) == "salesforce sync"


def test_row_4_lifted_on_both_sides_stays_off(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    ledger.untick(lead)
    ledger.untick(contact)
    assert ledger.lift(ANN) == "lifted"
    ledger.compare()
    assert not ledger.is_opted_out(ANN)
    assert ledger.state(lead) is ledger.state(contact) is None


@pytest.mark.parametrize("ticked", KINDS)
def test_row_5_lifted_here_but_one_box_of_two_still_ticked_brings_all_back(
    pair: tuple[Ledger, str, str], ticked: str
) -> None:
    ledger, lead, contact = pair
    there, other = (lead, contact) if ticked == "Lead" else (contact, lead)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.untick(other)
    assert ledger.lift(ANN) == "lifted"
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert (ledger.state(there), ledger.state(other)) == ("confirmed", "owed")


def test_row_6_unticked_between_the_snapshot_and_the_single_read_stays_off(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    ledger.lift(ANN)
    night = Night(ledger)
    night.read()
    ledger.untick(lead)
    ledger.untick(contact)
    night.apply()
    assert not ledger.is_opted_out(ANN)
    assert ledger.state(lead) is ledger.state(contact) is None


def test_row_7_a_lift_during_the_run_leaves_the_address_alone_until_the_next_night(
    pair: tuple[Ledger, str, str],
) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    night = Night(ledger)
    night.read()
    ledger.lift(ANN)
    night.apply()
    assert not ledger.is_opted_out(ANN)
    ledger.untick(lead)
    ledger.compare()
    assert ledger.is_opted_out(ANN)  # the next night decides: the Contact is ticked still
    assert (ledger.state(lead), ledger.state(contact)) == ("owed", "confirmed")


def test_row_7_a_lift_between_the_single_read_and_the_apply_is_not_undone(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, _ = pair
    ledger.tick(lead)
    ledger.opt_out(ANN)
    ledger.lift(ANN)
    night = Night(ledger)
    night.read()
    night.decide()
    ledger.opt_out(ANN)
    ledger.untick(lead)
    ledger.lift(ANN)  # a newer version than the one that was re-read
    apply.apply(ledger.conn, night.scope)
    assert not ledger.is_opted_out(ANN)


def test_row_8_a_new_opt_out_after_a_lift_wins(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.push()
    night = Night(ledger)
    night.read()
    ledger.untick(lead)
    ledger.untick(contact)
    ledger.lift(ANN)
    ledger.opt_out(ANN)
    night.apply()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(lead) == ledger.state(contact) == "owed"  # not confirmed by the stale snapshot


def test_row_9_a_tick_on_a_converted_lead_does_not_revive_a_lifted_address(ledger: Ledger) -> None:
    lead, contact = ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    ledger.salesforce[lead].converted_to = contact
    ledger.untick(contact)
    ledger.lift(ANN)
    ledger.compare()
    assert not ledger.is_opted_out(ANN)
    assert ledger.link_of(lead) == (ANN, contact)
    ledger.tick(contact)
    ledger.compare()
    assert ledger.is_opted_out(ANN)  # the live successor decides


def test_row_10_a_parked_mark_is_deleted_with_the_lift(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    ledger.opt_out(ANN)
    ledger.conn.execute("UPDATE mark SET state = 'p', reason = 'FIELD_CUSTOM_VALIDATION_EXCEPTION: no'")
    ledger.lift(ANN)
    ledger.compare()
    assert not ledger.is_opted_out(ANN)
    assert ledger.state(lead) is ledger.state(contact) is None


def test_row_11_with_two_read_fields_one_ticked_box_brings_all_back(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN)
    targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
    ledger.fields, ledger.read = (1, 2), (1, 2)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.untick(lead)
    ledger.tick(lead, 2)
    ledger.lift(ANN)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(lead) == "owed"  # its own box is not the one that is ticked


def test_row_12_a_one_sender_opt_out_never_makes_marks(pair: tuple[Ledger, str, str]) -> None:
    ledger, lead, contact = pair
    record.opt_out(ledger.conn, KEY, ANN, "manual", scope=7)
    ledger.compare()
    assert ledger.state(lead) is ledger.state(contact) is None
    ledger.tick(lead)
    ledger.compare()
    assert ledger.is_opted_out(ANN)  # the account-wide one is a row of its own


def test_row_13_lifted_in_one_field_and_read_in_another_where_it_is_still_ticked(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN)
    number = targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
    ledger.opt_out(ANN)
    ledger.push()
    targets.retarget(ledger.conn, ledger.org_id, {number}, "new")
    ledger.fields, ledger.read = (1, 2), (2,)
    ledger.lift(ANN)
    ledger.compare()
    assert not ledger.is_opted_out(ANN)  # field 1 is ticked, but it is not read
    targets.retarget(ledger.conn, ledger.org_id, {1}, "new")
    ledger.read = (1,)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(lead) == "confirmed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("here", "there"), [(False, False), (False, True), (True, False), (True, True)])
def test_r16_r17_either_side_opted_out_opts_out_the_other(ledger: Ledger, kind: str, here: bool, there: bool) -> None:
    key = ledger.person(kind, 1, ANN, ticked=there)
    if here:
        ledger.opt_out(ANN)
    ledger.compare()
    ledger.push()
    assert ledger.is_opted_out(ANN) is (here or there)
    assert (1 in ledger.salesforce[key].ticked) is (here or there)
    assert ledger.state(key) == ("confirmed" if here or there else None)


def test_r20_what_came_from_salesforce_says_so(ledger: Ledger) -> None:
    key = ledger.person("Lead", 1, ANN, ticked=True, linked=False)
    ledger.compare()
    assert ledger.source(ANN) == "salesforce sync"
    inner, outer = hmac_pads(KEY)
    row = ledger.conn.execute(
        "SELECT source, record_id, run_id, subject = subject_of(%s, NULL, %s, %s) FROM event WHERE kind = 'opted out'",
        (ANN, inner, outer),
    ).fetchone()
    assert row == ("salesforce sync", key, 1, True)

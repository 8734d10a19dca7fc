"""What the comparison does with records that move, convert, merge, vanish, have no e-mail, or are too many."""

import pytest

from optsync.core.addresses import normalize
from optsync.ledger import people, targets
from tests.flows.nightly.staged import KEY, Ledger, Night, record_id

ANN, ANNA, BOB = "ann@example.com", "anna@example.com", "bob@example.com"


def test_a_ticked_record_without_e_mail_keeps_a_mark_until_it_is_unticked(ledger: Ledger) -> None:
    key = ledger.person("Lead", 1, None, ticked=True)
    ledger.compare()
    assert ledger.state(key) == "confirmed"
    ledger.untick(key)
    ledger.compare()
    assert ledger.state(key) is None
    assert ledger.conn.execute("SELECT count(*) FROM event WHERE kind = 'mark ended'").fetchone() == (1,)


def test_a_record_without_e_mail_that_gets_an_address_opts_it_out_at_once(ledger: Ledger) -> None:
    key = ledger.person("Lead", 1, None, ticked=True)
    other = ledger.person("Contact", 2, ANN)
    ledger.compare()
    ledger.salesforce[key].email = ANN
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert (ledger.state(key), ledger.state(other)) == ("confirmed", "owed")


def test_a_changed_e_mail_takes_the_opt_out_along_and_leaves_one_behind(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    twin = ledger.person("Lead", 2, ANNA)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    ledger.salesforce[key].email = ANNA
    ledger.compare()
    assert ledger.source(ANNA) == "follows record"
    assert ledger.is_opted_out(ANN)
    assert ledger.link_of(key) == (ANNA, None)
    assert ledger.state(twin) == "owed"


def test_an_e_mail_changed_on_an_unticked_record_is_followed_too(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    ledger.salesforce[key].email = ANNA
    night = Night(ledger)
    night.read(unticked=[key])
    night.apply()
    assert ledger.is_opted_out(ANNA)
    assert ledger.link_of(key) == (ANNA, None)
    assert ledger.state(key) == "owed"


def test_one_tick_opts_out_the_linked_address_and_the_one_of_today(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.salesforce[key].email = ANNA
    ledger.tick(key)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.is_opted_out(ANNA)


def test_a_new_duplicate_found_among_changed_records_is_linked_and_owed(ledger: Ledger) -> None:
    ledger.opt_out(ANN)
    key = ledger.person("Lead", 1, " Ann@Example.com", linked=False)
    stranger = ledger.person("Lead", 2, BOB, linked=False)
    night = Night(ledger)
    night.read(unticked=[key, stranger])
    night.apply()
    assert ledger.state(key) == "owed"
    assert ledger.link_of(stranger) is None


def test_a_duplicate_that_is_ticked_only_in_a_field_that_does_not_count_is_linked_and_owed(ledger: Ledger) -> None:
    """World 1110: with a sales field of its own, who is out of marketing is no stranger to an opt-out from sales."""
    number = targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
    targets.retarget(ledger.conn, ledger.org_id, {number}, "new")
    ledger.fields, ledger.read = (1, number), (number,)
    ledger.opt_out(ANN)
    key = ledger.person("Lead", 1, ANN, ticked=True, linked=False)
    stranger = ledger.person("Lead", 2, BOB, ticked=True, linked=False)
    ledger.compare()
    assert ledger.state(key, number) == "owed"
    assert ledger.link_of(stranger) is None
    assert not ledger.is_opted_out(BOB)


@pytest.mark.parametrize(
    "email",
    ["Victor@Example.dev", " Ann@EXAMPLE.com\t", "Jürgen@Bücher.example", "Ann <ann@example.com>", "x@y.example."],
)
def test_sql_and_python_agree_on_the_normal_form(ledger: Ledger, email: str) -> None:
    key = ledger.person("Lead", 1, email, ticked=True, linked=False)
    ledger.compare()
    assert ledger.link_of(key) == (normalize(email), None)


def test_an_unknown_converted_lead_counts_once_by_its_contact(ledger: Ledger) -> None:
    contact = ledger.person("Contact", 2, ANNA, linked=False)
    lead = ledger.person("Lead", 1, ANN, ticked=True, linked=False)
    ledger.salesforce[lead].converted_to = contact
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.is_opted_out(ANNA)
    assert ledger.link_of(lead) == (ANN, contact)
    assert (ledger.state(lead), ledger.state(contact)) == (None, "owed")
    ledger.push()
    found = ledger.compare()
    assert (found.recorded, found.owed, found.audit_missing) == (0, 0, 0)


def test_a_converted_lead_hands_its_mark_to_the_contact(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    contact = ledger.person("Contact", 2, ANN, linked=False)
    ledger.salesforce[lead].converted_to = contact
    ledger.compare()
    assert (ledger.state(lead), ledger.state(contact)) == (None, "owed")
    assert ledger.link_of(lead) == (ANN, contact)


def test_a_merged_record_hands_its_mark_along_the_chain(ledger: Ledger) -> None:
    loser, middle = ledger.person("Contact", 1, ANN), record_id("Contact", 2)
    survivor = ledger.person("Contact", 3, ANNA, linked=False)
    ledger.opt_out(ANN)
    ledger.push()
    del ledger.salesforce[loser]
    ledger.deleted = {loser: middle, middle: survivor}
    ledger.compare()
    assert ledger.link_of(loser) == (ANN, survivor)
    assert ledger.is_opted_out(ANNA)
    assert (ledger.state(loser), ledger.state(survivor)) == (None, "owed")


def test_the_mark_of_a_deleted_record_ends_with_an_event_and_the_address_stays_opted_out(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    del ledger.salesforce[key]
    ledger.deleted = {key: None}
    ledger.compare()
    assert ledger.link_of(key) is None
    assert ledger.state(key) is None
    assert ledger.is_opted_out(ANN)
    assert ledger.conn.execute("SELECT count(*) FROM event WHERE kind = 'record deleted'").fetchone() == (1,)
    again = ledger.person("Contact", 9, ANN, linked=False)
    night = Night(ledger)
    night.read(unticked=[again])
    night.apply()
    assert ledger.state(again) == "owed"


def test_an_erased_address_is_found_by_its_hash_and_never_stored_again(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    assert people.erase(ledger.conn, KEY, ANN, actor="ann", reason="asked")
    twin = ledger.person("Lead", 2, ANN, ticked=True, linked=False)
    fresh = ledger.person("Lead", 3, ANN, linked=False)
    night = Night(ledger)
    night.read(unticked=[fresh])
    night.apply()
    assert ledger.state(key) == ledger.state(twin) == "confirmed"
    assert ledger.state(fresh) == "owed"
    assert ledger.conn.execute("SELECT count(*) FROM address WHERE normal IS NOT NULL").fetchone() == (0,)


def test_a_lead_and_a_contact_moved_to_a_lifted_address_are_decided_by_the_single_read(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANNA)
    ledger.lift(ANNA)
    ledger.salesforce[key].email = ANNA
    ledger.tick(key)
    night = Night(ledger)
    night.read()
    ledger.salesforce[key].email = ANN  # changed back between the snapshot and the single read
    night.apply()
    assert not ledger.is_opted_out(ANNA)
    assert ledger.link_of(key) == (ANN, None)


def test_above_twenty_records_only_the_ticked_one_is_set_and_the_others_are_held(ledger: Ledger) -> None:
    keys = [ledger.person("Lead", number, ANN) for number in range(21)]
    ledger.tick(keys[3])
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(keys[3]) == "confirmed"
    assert {ledger.state(key) for key in keys if key != keys[3]} == {"held"}
    assert ledger.reason(keys[0]) == "fan-out"
    holds = "SELECT count(*) FROM hold WHERE direction = 'f' AND decided_at IS NULL"
    assert ledger.conn.execute(holds).fetchone() == (1,)
    ledger.compare()
    assert ledger.conn.execute(holds).fetchone() == (1,)


def test_twenty_records_are_all_set(ledger: Ledger) -> None:
    keys = [ledger.person("Lead", number, ANN) for number in range(20)]
    ledger.tick(keys[3])
    ledger.compare()
    assert {ledger.state(key) for key in keys if key != keys[3]} == {"owed"}


def test_a_stale_e_mail_does_not_link_a_record_to_an_address_lifted_during_the_run(ledger: Ledger) -> None:
    """World 6: the snapshot shows an e-mail that the record no longer has, and that address is lifted meanwhile."""
    key = ledger.person("Contact", 1, BOB)
    ledger.person("Contact", 2, ANN)
    ledger.opt_out(BOB)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    ledger.salesforce[key].email = ANN
    night = Night(ledger)
    night.read()
    ledger.salesforce[key].email = BOB
    ledger.untick(record_id("Contact", 2))
    ledger.lift(ANN)
    night.apply()
    ledger.compare()
    assert not ledger.is_opted_out(ANN)
    assert ledger.link_of(key) == (BOB, None)


def test_a_record_without_address_that_was_unticked_takes_nothing_along_to_its_new_address(ledger: Ledger) -> None:
    """World 353: its mark stood for the tick alone, and the tick is gone."""
    key = ledger.person("Lead", 1, None, ticked=True)
    ledger.compare()
    ledger.untick(key)
    ledger.salesforce[key].email = ANN
    night = Night(ledger)
    night.read(unticked=[key])
    night.apply()
    assert not ledger.is_opted_out(ANN)
    assert ledger.state(key) is None

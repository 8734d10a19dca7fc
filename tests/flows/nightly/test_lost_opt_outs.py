"""The four sequences of mission.md 2.2 in which another product loses opt-outs: here none of them can be lost."""

from optsync.ledger import people
from optsync.ledger.people import Link
from tests.flows.nightly.staged import KEY, Ledger, Night

ANN, BOB = "ann@example.com", "bob@example.com"


def test_lost_opt_out_1_an_old_row_does_not_hide_a_newer_tick(ledger: Ledger) -> None:
    """There: an old history row, a change here, then a newer tick, and the tick is skipped."""
    key = ledger.person("Contact", 1, ANN, ticked=True)
    ledger.compare()
    ledger.untick(key)
    ledger.lift(ANN)
    ledger.compare()
    ledger.tick(key)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(key) == "confirmed"


def test_lost_opt_out_2_unticked_then_ticked_again_stays_opted_out(ledger: Ledger) -> None:
    """There: only the first of the two changes, the untick, is applied."""
    key = ledger.person("Lead", 1, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    ledger.untick(key)
    ledger.tick(key)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.state(key) == "confirmed"


def test_lost_opt_out_3_a_person_we_have_no_history_of_is_taken_in_with_the_others(ledger: Ledger) -> None:
    """There: one person has a log here, the other only a tick there, and the other is skipped."""
    known, unknown = ledger.person("Contact", 1, ANN), ledger.person("Contact", 2, BOB, ticked=True, linked=False)
    ledger.opt_out(ANN)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.is_opted_out(BOB)
    assert (ledger.state(known), ledger.state(unknown)) == ("owed", "confirmed")


def test_lost_opt_out_4_two_addresses_that_meet_on_one_record_are_both_opted_out(ledger: Ledger) -> None:
    """There: two contacts share one Salesforce id and only one of them is kept."""
    key = ledger.person("Contact", 1, ANN)
    people.link(ledger.conn, KEY, ledger.org_id, [Link(key, "Contact", ANN)], "g")
    ledger.salesforce[key].email = BOB
    ledger.tick(key)
    ledger.compare()
    assert ledger.is_opted_out(ANN)
    assert ledger.is_opted_out(BOB)


def test_lost_opt_out_in_a_merge_the_losers_opt_out_reaches_the_survivor(ledger: Ledger) -> None:
    """There: the loser is deleted and its opt-out with it."""
    loser, survivor = ledger.person("Contact", 1, ANN), ledger.person("Contact", 2, BOB)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    del ledger.salesforce[loser]
    ledger.deleted = {loser: survivor}
    night = Night(ledger)
    night.read()
    night.apply()
    assert ledger.is_opted_out(BOB)
    assert ledger.state(survivor) == "owed"

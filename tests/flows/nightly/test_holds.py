"""What a night does with people who wait in a hold, and with addresses that have too many records (rules 4 and 8)."""

from optsync.ledger import holds, record
from tests.flows.nightly.staged import KEY, Box, Ledger, record_id

ANN, BOB, INFO = "ann@example.com", "bob@example.com", "info@example.com"


def claimable(ledger: Ledger) -> set[str]:
    """The records whose boxes a worker would send now."""
    rows = ledger.conn.execute("SELECT record_id FROM claim_marks(1, %s::smallint, 1000, 0)", (ledger.org_id,))
    return {key for (key,) in rows.fetchall()}


def crowd(ledger: Ledger, size: int = 21) -> list[str]:
    """An opted-out address with more records than are written without a person's word."""
    keys = [ledger.person("Contact", number, INFO) for number in range(size)]
    ledger.opt_out(INFO)
    return keys


def test_a_record_that_joins_a_refused_crowd_at_night_is_parked_and_never_sent(ledger: Ledger) -> None:
    crowd(ledger)
    hold = holds.undecided(ledger.conn)[0]
    holds.drop(ledger.conn, KEY, hold.hold_id, "ann", "a shared mailbox")
    late = record_id("Contact", 99)
    ledger.salesforce[late] = Box(INFO)
    ledger.compare(unticked=[late])
    assert (ledger.state(late), ledger.reason(late)) == ("parked", "fan-out refused")
    assert late not in claimable(ledger)


def test_the_audit_sends_no_box_of_a_crowd_or_of_somebody_in_a_hold(ledger: Ledger) -> None:
    keys = crowd(ledger)
    contact = ledger.person("Contact", 50, ANN)
    held = record.opt_out(ledger.conn, KEY, ANN, "import")
    holds.hold_outbound(ledger.conn, ledger.org_id, "import old.csv", [(held.address_id, held.version)])
    ledger.conn.execute("DELETE FROM mark WHERE record_id = ANY (%s)", ([keys[0], contact],))
    assert ledger.compare().audit_missing == 2
    assert (ledger.state(keys[0]), ledger.reason(keys[0])) == ("held", "fan-out")
    assert (ledger.state(contact), ledger.reason(contact)) == ("held", "brake")


def test_a_wait_that_ends_at_night_owes_a_crowd_only_the_ticked_record(ledger: Ledger) -> None:
    keys = crowd(ledger)
    ledger.lift(INFO, "when-unticked")
    ledger.compare()
    ledger.tick(keys[0])
    ledger.compare()
    ledger.tick(keys[0])
    ledger.compare()
    assert ledger.conn.execute("SELECT lift_waits_at FROM opt_out").fetchone() == (None,)
    assert ledger.state(keys[0]) == "confirmed"
    assert {ledger.state(key) for key in keys[1:]} == {"held"}


def test_the_only_record_of_somebody_in_an_outbound_hold_that_is_ticked_takes_them_out_of_it(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN)
    held = record.opt_out(ledger.conn, KEY, ANN, "import")
    hold = holds.hold_outbound(ledger.conn, ledger.org_id, "import old.csv", [(held.address_id, held.version)])
    ledger.tick(lead)
    ledger.compare()
    holds.drop(ledger.conn, KEY, hold, "ann", "the wrong file")
    assert ledger.is_opted_out(ANN), "somebody in Salesforce meant it"


def test_a_held_box_whose_record_moves_to_another_person_waits_for_the_first_ones_hold_no_more(ledger: Ledger) -> None:
    """World 1273: no hold named the box any more, so nobody could ever have released it."""
    contact = ledger.person("Contact", 1, ANN)
    held = record.opt_out(ledger.conn, KEY, ANN, "import")
    holds.hold_outbound(ledger.conn, ledger.org_id, "import old.csv", [(held.address_id, held.version)])
    ledger.salesforce[contact].email = BOB
    ledger.compare(unticked=[contact])
    assert ledger.is_opted_out(BOB)
    assert (ledger.state(contact), ledger.reason(contact)) == ("owed", None)


def test_a_box_of_a_refused_crowd_whose_record_moves_to_a_person_is_sent(ledger: Ledger) -> None:
    keys = crowd(ledger)
    holds.drop(ledger.conn, KEY, holds.undecided(ledger.conn)[0].hold_id, "ann", "a shared mailbox")
    ledger.salesforce[keys[0]].email = BOB
    ledger.compare(unticked=[keys[0]])
    assert ledger.state(keys[0]) == "owed"
    assert claimable(ledger) == {keys[0]}


def test_brake_a_ticked_converted_lead_that_nobody_knew_is_held_with_the_others(ledger: Ledger) -> None:
    for number in range(500):
        ledger.person("Contact", number, f"p{number}@example.com", ticked=True)
    lead = ledger.person("Lead", 900, ANN, ticked=True, linked=False)
    contact = ledger.person("Contact", 900, ANN, linked=False)
    ledger.salesforce[lead].converted_to = contact
    hold = ledger.compare(approved=False).held_in
    assert hold is not None
    blocked = "SELECT true FROM hold_item JOIN address a USING (address_id) WHERE a.normal = %s"
    assert ledger.conn.execute(blocked, (ANN,)).fetchone() == (True,)
    holds.apply(ledger.conn, KEY, hold, "ann")
    assert ledger.is_opted_out(ANN)
    assert ledger.state(contact) == "owed"

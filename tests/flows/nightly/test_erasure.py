"""An erased person is known by the keyed hash alone, whichever way a night meets the address (rules 4)."""

import pytest

from optsync.ledger import people
from tests.flows.nightly.staged import KEY, Ledger

ANN, BOB = "ann@example.com", "bob@example.com"


def clear(ledger: Ledger) -> list[str]:
    """The addresses that are stored in clear."""
    return [row[0] for row in ledger.conn.execute("SELECT normal FROM address WHERE normal IS NOT NULL ORDER BY 1")]


def erased(ledger: Ledger) -> None:
    """Somebody who opted out and was erased."""
    ledger.opt_out(ANN)
    assert people.erase(ledger.conn, KEY, ANN, actor="ann", reason="asked")


@pytest.mark.parametrize(("of_lead", "of_contact"), [(ANN, ANN), (BOB, ANN), (ANN, BOB)])
def test_a_converted_lead_nobody_knew_stores_no_erased_address_again(
    ledger: Ledger, of_lead: str, of_contact: str
) -> None:
    erased(ledger)
    contact = ledger.person("Contact", 1, of_contact, linked=False)
    lead = ledger.person("Lead", 2, of_lead, ticked=True, linked=False)
    ledger.salesforce[lead].converted_to = contact
    ledger.compare()
    assert clear(ledger) == ([] if of_lead == of_contact == ANN else [BOB])
    assert ledger.state(contact) == "owed"
    assert ledger.conn.execute("SELECT count(*) FROM opt_out").fetchone() == (1 if of_lead == of_contact else 2,)


def test_a_linked_lead_that_was_converted_stores_no_erased_address_again(ledger: Ledger) -> None:
    erased(ledger)
    lead = ledger.person("Lead", 2, BOB, ticked=True)
    contact = ledger.person("Contact", 1, ANN, linked=False)
    ledger.salesforce[lead].converted_to = contact
    ledger.compare()
    assert clear(ledger) == [BOB]
    assert ledger.state(contact) == "owed"

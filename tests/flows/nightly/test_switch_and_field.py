"""The table of rules 2, row by row, as a whole night of a real org: what is read there, what is written there."""

from dataclasses import dataclass

import pytest

from optsync.connection.settings import Change
from optsync.core.problems import Problem
from tests.flows.nightly.house import House

EMAIL = "HasOptedOutOfEmail"
SALES = "mkto_si__Marketo_Sales_Opt_Out__c"
BOTH = {EMAIL, SALES}
OURS, MARKETING, SELLING = "ours@example.com", "marketing@example.com", "selling@example.com"


@dataclass(frozen=True)
class Row:
    """A row of the table: the choice, the boxes a new opt-out sets, the boxes whose tick opts a person out here."""

    change: Change
    written: set[str]
    read: set[str]


ROWS = {
    "off, whatever was chosen": Row(Change(sync_on=False, field="sales"), {EMAIL}, set()),
    "on, email": Row(Change(field="email"), {EMAIL}, {EMAIL}),
    "on, sales": Row(Change(field="sales"), {SALES}, {SALES}),
    "on, read both and write email": Row(Change(field="email", read_both=True), {EMAIL}, BOTH),
    "on, read both and write sales": Row(Change(field="sales", read_both=True), {SALES}, BOTH),
    "on, both": Row(Change(field="both"), BOTH, BOTH),
}


def ticked(house: House, record_id: str) -> set[str]:
    return {name for name in BOTH if house.is_ticked(record_id, name)}


@pytest.mark.parametrize("object_name", ["Lead", "Contact"])
@pytest.mark.parametrize("name", [name for name in ROWS if not name.startswith("off")])
def test_r08_r16_switch_and_field_decide_which_ticks_opt_out_here_and_which_boxes_are_set_there(
    house: House, name: str, object_name: str
) -> None:
    row = ROWS[name]
    ours = house.org.create(object_name, Email=OURS)
    marketing = house.org.create(object_name, Email=MARKETING, **{EMAIL: True})
    selling = house.org.create(object_name, Email=SELLING, **{SALES: True})
    house.switch(row.change)
    house.opt_out(OURS)

    assert house.sync().result == "proved"

    assert house.is_opted_out(MARKETING) == (EMAIL in row.read)
    assert house.is_opted_out(SELLING) == (SALES in row.read)
    assert ticked(house, ours) == row.written
    assert ticked(house, marketing) == ({EMAIL} | row.written if EMAIL in row.read else {EMAIL})
    assert ticked(house, selling) == ({SALES} | row.written if SALES in row.read else {SALES})
    assert house.balance().agree
    assert house.org.spy()["false_writes"] == 0


def test_r01_r08_with_the_switch_off_nothing_is_read_and_sync_says_why(house: House) -> None:
    marketing = house.org.create("Lead", Email=MARKETING, **{EMAIL: True})
    house.switch(ROWS["off, whatever was chosen"].change)
    with pytest.raises(Problem, match="off"):
        house.sync()
    assert house.sync(dry_run=True).result
    assert not house.is_opted_out(MARKETING)
    assert ticked(house, marketing) == {EMAIL}


def test_with_two_due_fields_each_mark_is_confirmed_by_its_own_box_only(house: House) -> None:
    lead = house.org.create("Lead", Email=OURS)
    house.switch(Change(field="both"))
    house.opt_out(OURS)
    house.sync()
    house.org.edit(lead, **{SALES: False})
    house.org.clear_spy()

    assert house.sync().result == "proved"

    assert ticked(house, lead) == BOTH
    assert house.org.spy()["records_written"] == 1

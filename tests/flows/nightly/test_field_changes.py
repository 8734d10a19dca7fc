"""What the night after a change of the field or the connection does (rules 5.4 and 7)."""

from optsync.connection import connect
from optsync.connection.settings import Change
from optsync.salesforce.oauth import Credential
from tests.flows.nightly.house import House

ANN = "ann@example.com"
SALES = "mkto_si__Marketo_Sales_Opt_Out__c"


def test_a_field_changed_twice_before_a_comparison_still_gets_what_was_carried_to_it(house: House) -> None:
    lead = house.org.create("Lead", Email=ANN)
    house.opt_out(ANN)
    house.sync()
    house.switch(Change(field="sales"), "all")
    house.switch(Change(field="email"), "new")
    report = house.sync()
    assert report.result == "proved"
    assert house.is_ticked(lead)
    assert house.is_ticked(lead, SALES)


def test_everything_is_read_afresh_after_a_reconnect_and_after_a_field_change(house: House) -> None:
    assert "swept" in house.sync().counts
    assert "swept" not in house.sync().counts
    connect.connect(
        house.conn, house.vault, Credential.from_file(house.org.credentials_file), house.seams, actor="test"
    )
    assert "swept" in house.sync().counts, "another user may see other records"
    assert "swept" not in house.sync().counts
    house.switch(Change(field="sales"))
    assert "swept" in house.sync().counts

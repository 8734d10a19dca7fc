"""What the night after a change of the field or the connection does (rules 5.4 and 7)."""

from dataclasses import replace

import pytest

from optsync.config.database import Database
from optsync.connection import connect
from optsync.connection.settings import Change
from optsync.ledger import marks, people
from optsync.ledger.people import Link
from optsync.salesforce.credentials import Credential
from optsync.sync import writing
from tests.flows.nightly.house import House

ANN = "ann@example.com"
BOB = "bob@example.com"
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


def test_a_box_that_stopped_being_due_while_a_job_was_at_it_is_owed_no_longer_once_the_job_has_ended(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 0)
    house.opt_out(BOB)
    house.sync()
    house.switch(Change(field="sales"), "new")
    contact = house.org.create("Contact", Email=ANN)
    house.opt_out(ANN)
    house.link(contact, "Contact", ANN)
    real_sleep = house.seams.sleep
    moved: list[str] = []

    def sleep(seconds: float) -> None:
        with database.connect() as conn:
            if not moved and conn.execute("SELECT FROM mark WHERE claimed_by IS NOT NULL").rowcount:
                moved.append(contact)
                people.link(conn, house.vault.subject_key, house.org_id, [Link(contact, "Contact", BOB)], "v")
        real_sleep(seconds)

    house.seams = replace(house.seams, sleep=sleep)
    house.org.behaviour(bulk_job_seconds=0.3)
    house.sync()
    assert moved
    assert house.balance().closes()


def test_what_is_due_in_a_field_that_is_hidden_now_is_named_and_the_run_is_not_called_proved(house: House) -> None:
    house.switch(Change(field="sales"))
    lead = house.org.create("Lead", Email=ANN)
    house.org.fault("reject", records=[lead], code="UNABLE_TO_LOCK_ROW", times=None)
    house.opt_out(ANN)
    house.sync()
    house.switch(Change(field="email"), "new")
    house.org.clear_faults()
    house.org.grant("Lead", SALES, "absent")
    report = house.sync()
    assert report.result == "partly done"
    (rest,) = [one for one in report.rest if one["verdict"] == "not read"]
    assert rest["boxes"] == house.balance().owed == 1
    house.org.grant("Lead", SALES, "edit")
    marks.retry_now(house.conn, house.org_id)
    assert house.sync().result == "proved"
    assert house.is_ticked(lead, SALES)


def test_everything_is_read_afresh_after_a_permission_changed_and_when_another_tick_counts(house: House) -> None:
    house.switch(Change(field="sales"))
    house.org.create("Lead", Email=ANN)
    house.opt_out(ANN)
    assert "swept" in house.sync().counts
    house.switch(Change(field="email"), "new")
    house.sync()
    assert "swept" not in house.sync().counts
    house.org.grant("Lead", SALES, "absent")
    assert "swept" in house.sync().counts
    assert "swept" not in house.sync().counts
    house.org.grant("Lead", SALES, "edit")
    assert "swept" in house.sync().counts
    house.switch(Change(read_both=True))
    assert "swept" in house.sync().counts
    assert "swept" not in house.sync().counts


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

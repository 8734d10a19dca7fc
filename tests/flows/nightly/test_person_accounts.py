"""Person Accounts in the nightly comparison, its writes and its proof (rules 4, 5)."""

import pytest

from optsync.core.problems import Problem
from optsync.sync import staging, writing
from tests.flows.nightly.house import House
from tests.practice import PracticeOrg

EMAIL = "PersonHasOptedOutOfEmail"


@pytest.fixture
def org(practice_server: PracticeOrg) -> PracticeOrg:
    """An org with Person Accounts, of whom some have opted out, among its Leads and Contacts."""
    practice_server.reset(person_accounts=20)
    return practice_server


def person(house: House, email: str, **values: object) -> tuple[str, str]:
    """A Person Account: the ids of its Account and of its Contact."""
    account = house.org.create("Account", LastName="Berg", PersonEmail=email, **values)
    return account, str(house.org.record(account)["PersonContactId"])


def kinds(house: House) -> dict[str, int]:
    """How many marks there are by object."""
    rows = house.conn.execute("SELECT left(record_id, 3), count(*) FROM mark GROUP BY 1").fetchall()
    return {{"00Q": "Lead", "003": "Contact", "001": "Account"}[prefix]: count for prefix, count in rows}


@pytest.fixture(params=["pages", "jobs"])
def by_jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Reads and writes by pages and Collections, or all of them by Bulk jobs."""
    if request.param == "jobs":
        monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 0)
        monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 0)
    return bool(request.param == "jobs")


def test_both_sides_agree_after_a_night_and_the_proof_says_so(house: House, by_jobs: bool) -> None:
    person(house, "ticked@example.com", PersonHasOptedOutOfEmail=True)
    unticked, contact = person(house, "unticked@example.com")
    house.org.create("Contact", Email="ticked@example.com")
    house.opt_out("unticked@example.com")
    report = house.sync()
    assert report.result == "proved"
    assert house.is_opted_out("ticked@example.com")
    assert house.is_ticked(unticked, EMAIL)
    assert house.is_ticked(contact)
    assert kinds(house)["Account"] == house.org.opted_out()["Account"] == 4, "two generated ones, and these two"
    assert kinds(house)["Contact"] == house.org.opted_out()["Contact"], "nobody is counted twice"
    assert house.balance().closes()
    routes = house.org.spy()["routes"]
    assert bool(routes.get("bulk.ingest.create")) is by_jobs
    house.sync()
    assert house.sync().counts["differing"] == 0
    assert house.org.spy()["false_writes"] == 0


def test_a_tick_on_a_person_reaches_their_lead_and_an_untick_comes_back(house: House) -> None:
    account, _ = person(house, "ann@example.com")
    lead = house.org.create("Lead", Email="ann@example.com")
    house.sync()
    house.org.edit(account, PersonHasOptedOutOfEmail=True)
    house.sync()
    assert house.is_ticked(lead)
    house.org.edit(account, PersonHasOptedOutOfEmail=False)
    assert house.sync().result == "proved"
    assert house.is_ticked(account, EMAIL)


def test_a_new_person_with_an_opted_out_address_is_found_the_night_after(house: House) -> None:
    house.opt_out("ann@example.com")
    house.sync()
    account, _ = person(house, "ann@example.com")
    assert house.sync().result == "proved"
    assert house.is_ticked(account, EMAIL)


@pytest.mark.usefixtures("by_jobs")
def test_a_contact_that_became_a_person_account_is_followed(house: House) -> None:
    contact = house.org.create("Contact", Email="ann@example.com")
    house.opt_out("ann@example.com")
    house.sync()
    assert house.is_ticked(contact)
    account = house.org.make_person_account(contact)
    house.org.edit(account, PersonHasOptedOutOfEmail=False)
    report = house.sync()
    assert report.result == "proved", report
    assert house.is_ticked(account, EMAIL)
    assert house.conn.execute("SELECT successor FROM record WHERE record_id = %s", [contact]).fetchone() == (account,)
    assert report.counts["parked"] == 0


def test_a_merge_and_a_deletion_of_persons_are_followed(house: House) -> None:
    (loser, _), (winner, _) = person(house, "ann@example.com"), person(house, "new@example.com")
    deleted, _ = person(house, "gone@example.com")
    house.opt_out("ann@example.com")
    house.opt_out("gone@example.com")
    house.sync()
    house.org.merge(loser, winner, keep_opt_out=False)
    house.org.delete(deleted)
    assert house.sync().result == "proved"
    assert house.is_ticked(winner, EMAIL)
    assert house.is_opted_out("new@example.com")
    assert house.is_opted_out("gone@example.com")
    assert house.balance().closes()


def test_a_lead_converted_into_a_person_is_followed_to_the_account(house: House) -> None:
    lead = house.org.create("Lead", Email="ann@example.com", Company="")
    house.opt_out("ann@example.com")
    house.sync()
    contact = house.org.convert(lead, copy_opt_out=False)
    assert house.sync().result == "proved"
    assert house.is_ticked(str(house.org.record(contact)["AccountId"]), EMAIL)


def test_an_org_that_turns_the_feature_on_is_read_anew_the_next_night(house: House) -> None:
    house.org.reset()
    house.sync()
    house.org.reset(person_accounts=20)
    report = house.sync()
    assert report.result == "proved"
    assert "swept" in report.counts, "what was read is another thing than the last time"
    assert kinds(house)["Account"] == house.org.opted_out()["Account"] > 0


def test_a_hidden_field_on_account_fails_the_night_before_anything_is_written(house: House) -> None:
    house.org.grant("Account", EMAIL, "absent")
    house.opt_out("ann@example.com")
    writes = house.org.spy()["records_written"]
    with pytest.raises(Problem, match="Account"):
        house.sync()
    assert house.org.spy()["records_written"] == writes

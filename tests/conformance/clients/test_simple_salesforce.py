"""simple-salesforce, unmodified, by HTTPS: it builds no other addresses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.practice import PracticeOrg

simple_salesforce = pytest.importorskip("simple_salesforce", reason="make test-clients installs it")

BOX = "HasOptedOutOfEmail"


@pytest.fixture
def salesforce(https_org: PracticeOrg) -> Any:
    """A client of a fresh org with 30 Leads and 40 Contacts, ten per cent of them opted out."""
    known = https_org.credentials
    return simple_salesforce.Salesforce(instance_url=known["instance_url"], session_id=known["access_token"])


def test_a_query_and_all_its_pages(https_org: PracticeOrg, salesforce: Any) -> None:
    https_org.reset(contacts=2_500)
    first = salesforce.query("SELECT Contact.Id, Email FROM Contact")
    assert (first["totalSize"], len(first["records"]), first["done"]) == (2_500, 2_000, False)
    assert list(first["records"][0]) == ["attributes", "Id", "Email"]
    assert salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True)["done"] is True
    every = list(salesforce.query_all_iter("SELECT Id FROM Contact"))
    assert len({record["Id"] for record in every}) == 2_500
    assert len(salesforce.query_all("SELECT Id FROM Contact", include_deleted=True)["records"]) == 2_525


def test_a_refused_query_is_told_in_its_own_words(salesforce: Any) -> None:
    with pytest.raises(simple_salesforce.exceptions.SalesforceMalformedRequest, match="No such column 'Nope'"):
        salesforce.query("SELECT Nope FROM Lead")
    with pytest.raises(simple_salesforce.exceptions.SalesforceMalformedRequest, match="ScratchOrgInfo"):
        salesforce.query("SELECT Id FROM ScratchOrgInfo")


def test_single_records(https_org: PracticeOrg, salesforce: Any) -> None:
    contact = salesforce.Contact.create({"LastName": "Berg", "Email": "berg@example.com"})["id"]
    assert salesforce.Contact.update(contact, {BOX: True}) == 204
    assert salesforce.Contact.get(contact)[BOX] is True
    assert salesforce.Contact.get_by_custom_id("Email", "berg@example.com")["Id"] == contact
    assert salesforce.Contact.upsert("Email/berg@example.com", {"Title": "Editor"}) == 200
    assert salesforce.Contact.upsert("Email/new@example.com", {"LastName": "New"}) == 201
    assert salesforce.Contact.delete(contact) == 204
    with pytest.raises(simple_salesforce.exceptions.SalesforceResourceNotFound, match="ENTITY_IS_DELETED"):
        salesforce.Contact.get(contact)
    https_org.create("Contact", Email="new@example.com")
    with pytest.raises(simple_salesforce.exceptions.SalesforceMoreThanOneRecord):
        salesforce.Contact.upsert("Email/new@example.com", {BOX: True})


def test_what_changed_lately(https_org: PracticeOrg, salesforce: Any) -> None:
    kept, binned = (https_org.create("Lead", Email="ada@example.com") for _ in range(2))
    https_org.delete(binned)
    now = datetime.now(UTC)
    span = (now - timedelta(hours=1), now + timedelta(minutes=2))
    assert salesforce.Lead.updated(*span)["ids"] == [kept]
    assert [record["id"] for record in salesforce.Lead.deleted(*span)["deletedRecords"]] == [binned]


def test_collections_by_restful(https_org: PracticeOrg, salesforce: Any) -> None:
    ids = [https_org.create("Contact", Email=f"c{number}@example.com") for number in range(3)]
    records = [{"attributes": {"type": "Contact"}, "id": one, BOX: True} for one in ids]
    body = {"allOrNone": False, "records": records}
    results = salesforce.restful("composite/sobjects", method="PATCH", json=body)
    assert [(result["id"], result["success"]) for result in results] == [(one, True) for one in ids]
    asked = {"ids": ids, "fields": ["Id", BOX]}
    read = salesforce.restful("composite/sobjects/Contact", method="POST", json=asked)
    assert [record[BOX] for record in read] == [True] * 3
    assert https_org.spy()["false_writes"] == 0


def test_a_bulk_query_as_text_and_as_files(https_org: PracticeOrg, salesforce: Any, tmp_path: Path) -> None:
    https_org.reset(contacts=450)
    pages = list(salesforce.bulk2.Contact.query("SELECT Id, Email FROM Contact", max_records=200))
    lines = [page.splitlines() for page in pages]
    assert [len(page) for page in lines] == [201, 201, 51]
    assert {page[0] for page in lines} == {'"Id","Email"'}
    files = salesforce.bulk2.Contact.download("SELECT Id FROM Contact", path=str(tmp_path), max_records=400)
    assert [file["number_of_records"] for file in files] == [400, 50]
    assert sum(len(Path(file["file"]).read_text().splitlines()) - 1 for file in files) == 450


def test_a_bulk_query_without_results(salesforce: Any) -> None:
    pages = list(salesforce.bulk2.Lead.query("SELECT Id FROM Lead WHERE Email = 'nobody@example.com'"))
    assert [page.strip() for page in pages] == ['"Id"']


def test_a_bulk_update_and_its_result_files(https_org: PracticeOrg, salesforce: Any) -> None:
    ids = [https_org.create("Lead", Email=f"l{number}@example.com") for number in range(3)]
    https_org.delete(ids[2])
    (job,) = salesforce.bulk2.Lead.update(records=[{"Id": one, BOX: "true"} for one in ids])
    assert (job["numberRecordsTotal"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 3, 1)
    assert [https_org.record(one)[BOX] for one in ids] == [True, True, False]
    failed = salesforce.bulk2.Lead.get_failed_records(job["job_id"])
    assert "ENTITY_IS_DELETED:entity is deleted" in failed
    assert len(salesforce.bulk2.Lead.get_successful_records(job["job_id"]).splitlines()) == 3


def test_a_bulk_upsert_by_address(https_org: PracticeOrg, salesforce: Any) -> None:
    known = https_org.create("Contact", Email="known@example.com")
    rows = [{"Email": "known@example.com", "LastName": "Berg"}, {"Email": "new@example.com", "LastName": "New"}]
    (job,) = salesforce.bulk2.Contact.upsert(records=rows, external_id_field="Email")
    assert job["numberRecordsFailed"] == 0
    assert https_org.record(known)["LastName"] == "Berg"
    assert [record["LastName"] for record in https_org.find("new@example.com")] == ["New"]


def test_the_older_bulk_api(https_org: PracticeOrg, salesforce: Any) -> None:
    ids = [https_org.create("Contact", Email=f"c{number}@example.com") for number in range(3)]
    results = salesforce.bulk.Contact.update([{"Id": one, BOX: True} for one in ids])
    assert [(result["id"], result["success"]) for result in results] == [(one, True) for one in ids]
    rows = salesforce.bulk.Contact.query(f"SELECT Id, {BOX} FROM Contact WHERE Email = 'c1@example.com'")
    assert [(row["Id"], row[BOX]) for row in rows] == [(ids[1], True)]
    upserted = salesforce.bulk.Contact.upsert([{"Email": "new@example.com", "LastName": "New"}], "Email")
    assert upserted[0]["created"] is True


def test_what_the_org_is(https_org: PracticeOrg, salesforce: Any) -> None:
    names = {known["name"] for known in salesforce.describe()["sobjects"]}
    assert {"Lead", "Contact", "User", "Organization"} <= names
    assert BOX in {field["name"] for field in salesforce.Lead.describe()["fields"]}
    assert salesforce.Lead.metadata()["objectDescribe"]["keyPrefix"] == "00Q"
    assert salesforce.is_sandbox() is False
    assert salesforce.limits()["DailyApiRequests"]["Max"] > 0
    assert salesforce.api_usage["api-usage"].used > 0
    assert salesforce.oauth2("userinfo")["organization_id"] == https_org.credentials["org_id"]


def test_user_name_and_password_where_an_org_allows_them(https_org: PracticeOrg) -> None:
    known = https_org.credentials

    def sign_in(password: str) -> tuple[str, str]:
        session: tuple[str, str] = simple_salesforce.login.SalesforceLogin(
            username=known["username"], password=password, security_token="token", scratch_url=known["login_url"]
        )
        return session

    refused = simple_salesforce.exceptions.SalesforceAuthenticationFailed
    with pytest.raises(refused, match="SOAP API login\\(\\) is disabled by default in this org"):
        sign_in(known["client_secret"])
    https_org.behaviour(soap_login_allowed=True)
    with pytest.raises(refused, match="INVALID_LOGIN"):
        sign_in("wrong")
    session_id, instance = sign_in(known["client_secret"])
    salesforce = simple_salesforce.Salesforce(instance=instance, session_id=session_id)
    assert salesforce.query("SELECT COUNT() FROM Lead")["totalSize"] == 30

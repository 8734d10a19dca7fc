"""jsforce, unmodified, by HTTP and by HTTPS. What it does stands in jsforce_client.mjs."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.practice import PracticeOrg

FOLDER = Path(__file__).parent
BOX = "HasOptedOutOfEmail"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed (apt-get install nodejs npm)"),
    pytest.mark.skipif(not (FOLDER / "node_modules/jsforce").is_dir(), reason="make test-clients installs jsforce"),
]


def answer(org: PracticeOrg, scenario: str, **args: object) -> dict[str, Any]:
    """`result`, or `error` and `message`, of one scenario."""
    command = ["node", str(FOLDER / "jsforce_client.mjs"), scenario]
    given = json.dumps({"org": org.credentials, "args": args})
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def jsforce(org: PracticeOrg, scenario: str, **args: object) -> Any:
    """The result of a scenario that must succeed."""
    said = answer(org, scenario, **args)
    assert "result" in said, said
    return said["result"]


def test_a_query_fetches_all_its_pages(either_org: PracticeOrg) -> None:
    either_org.reset(contacts=4_500)
    records = jsforce(either_org, "query", soql="SELECT Contact.Id, Email FROM Contact", fetch=10_000)
    assert len({record["Id"] for record in records}) == 4_500
    assert list(records[0]) == ["attributes", "Id", "Email"]


def test_a_refused_query_keeps_its_code(either_org: PracticeOrg) -> None:
    refused = answer(either_org, "query", soql="SELECT Id FROM ScratchOrgInfo", fetch=1)
    assert refused["error"] == "INVALID_TYPE"
    assert "sObject type 'ScratchOrgInfo' is not supported" in refused["message"]


def test_more_than_200_records_are_updated_in_several_calls(either_org: PracticeOrg) -> None:
    either_org.reset(contacts=450)
    ids = [record["Id"] for record in jsforce(either_org, "query", soql="SELECT Id FROM Contact", fetch=1_000)]
    either_org.clear_spy()
    records = [{"Id": one, BOX: True} for one in ids]
    results = jsforce(either_org, "update", object="Contact", records=records)
    assert [(result["id"], result["success"]) for result in results] == [(one, True) for one in ids]
    spy = either_org.spy()
    assert (spy["routes"]["collections.update"], spy["records_written"], spy["false_writes"]) == (3, 450, 0)
    assert either_org.opted_out()["Contact"] == 450


def test_a_bulk_query(either_org: PracticeOrg) -> None:
    """One page of results: at several jsforce breaks, with any Salesforce (its issue 1546)."""
    either_org.reset(contacts=4_500)
    records = jsforce(either_org, "bulk_query", soql="SELECT Id, Email FROM Contact")
    assert len({record["Id"] for record in records}) == 4_500
    assert set(records[0]) == {"Id", "Email"}


def test_a_bulk_ingest_and_its_results(either_org: PracticeOrg) -> None:
    ids = [either_org.create("Lead", Email=f"l{number}@example.com") for number in range(3)]
    either_org.delete(ids[2])
    records = [{"Id": one, BOX: True} for one in ids]
    results = jsforce(either_org, "bulk_ingest", object="Lead", operation="update", records=records)
    assert len(results["successfulResults"]) == 2
    assert "ENTITY_IS_DELETED" in results["failedResults"][0]["sf__Error"]
    assert results["unprocessedRecords"] == []
    assert [either_org.record(one)[BOX] for one in ids] == [True, True, False]


def test_a_bulk_upsert_by_address(either_org: PracticeOrg) -> None:
    known = either_org.create("Contact", Email="known@example.com")
    rows = [{"Email": "known@example.com", "LastName": "Berg"}, {"Email": "new@example.com", "LastName": "New"}]
    results = jsforce(
        either_org, "bulk_ingest", object="Contact", operation="upsert", externalIdFieldName="Email", records=rows
    )
    assert {row["sf__Created"] for row in results["successfulResults"]} == {"true", "false"}
    assert either_org.record(known)["LastName"] == "Berg"


def test_the_older_bulk_api(either_org: PracticeOrg) -> None:
    ids = [either_org.create("Lead", Email=f"l{number}@example.com") for number in range(3)]
    records = [{"Id": one, BOX: True} for one in ids]
    soql = f"SELECT Id, {BOX} FROM Lead WHERE Email = 'l1@example.com'"
    said = jsforce(either_org, "older_bulk", object="Lead", records=records, soql=soql)
    assert [(result["id"], result["success"]) for result in said["written"]] == [(one, True) for one in ids]
    assert said["read"] == [{"Id": ids[1], BOX: "true"}]


def test_sign_in_and_identity(either_org: PracticeOrg) -> None:
    known = either_org.credentials
    said = jsforce(either_org, "sign_in", loginUrl=known["login_url"])
    assert said["instanceUrl"] == known["instance_url"]
    assert (said["user"]["organizationId"], said["identity"]["username"]) == (known["org_id"], known["username"])


def test_user_name_and_password_where_an_org_allows_them(either_org: PracticeOrg) -> None:
    login_url = either_org.credentials["login_url"]
    refused = answer(either_org, "soap_login", loginUrl=login_url)
    assert "SOAP API login() is disabled by default in this org" in refused["message"]
    either_org.behaviour(soap_login_allowed=True)
    said = jsforce(either_org, "soap_login", loginUrl=login_url)
    assert said["user"]["organizationId"] == either_org.credentials["org_id"]
    assert "DailyApiRequests" in said["limits"]


@pytest.mark.parametrize("version", ["45.0", "67.0"])
def test_single_records(either_org: PracticeOrg, version: str) -> None:
    record = {"LastName": "Berg", "Email": "berg@example.com"}
    said = jsforce(either_org, "records", version=version, object="Contact", record=record)
    record_id = said["created"]["id"]
    assert said["created"]["success"]
    assert said["updated"] == {"id": record_id, "success": True, "errors": []}
    assert (said["read"]["Title"], said["read"]["Email"]) == ("Editor", "berg@example.com")
    assert said["upserted"]["success"]
    assert said["several"][0]["Title"] == "Buyer"
    assert said["destroyed"]["success"]
    assert either_org.record(record_id)["IsDeleted"] is True


def test_more_than_200_records_are_created_upserted_and_destroyed(either_org: PracticeOrg) -> None:
    records = [{"LastName": "Berg", "Email": f"c{number}@example.com"} for number in range(250)]
    said = jsforce(either_org, "many", object="Contact", records=records)
    assert all(result["success"] for results in said.values() for result in results)
    assert [result["created"] for result in said["upserted"]] == [False] * 250
    assert [len(results) for results in said.values()] == [250] * 3


def test_what_the_org_is_and_what_changed_lately(either_org: PracticeOrg) -> None:
    lead = either_org.create("Lead", Email="ada@example.com")
    now = datetime.now(UTC)
    span = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(minutes=2)).isoformat()}
    said = jsforce(either_org, "about", object="Lead", **span)
    assert BOX in said["fields"]
    assert {"Lead", "Contact"} <= set(said["objects"])
    assert said["usage"]["used"] > 0
    assert said["updated"]["ids"] == [lead]
    assert said["deleted"]["deletedRecords"] == []
    assert said["recent"] == []
    assert said["identity"] == either_org.credentials["username"]


def test_a_composite_request_uses_its_own_answers(either_org: PracticeOrg) -> None:
    base = "/services/data/v62.0/sobjects/Lead"
    new = {"LastName": "Berg", "Company": "Works", "Email": "new@example.com"}
    parts = [
        {"method": "POST", "url": base, "referenceId": "lead", "body": new},
        {"method": "PATCH", "url": base + "/@{lead.id}", "referenceId": "tick", "body": {BOX: True}},
    ]
    results = jsforce(either_org, "composite", compositeRequest=parts)["compositeResponse"]
    assert [result["httpStatusCode"] for result in results] == [201, 204]
    assert either_org.find("new@example.com")[0][BOX] is True

"""What our user may see and do: object rights, records of others, locks (salesforce.md 5.5)."""

import pytest

from tests.conformance.practice.rest import Rest
from tests.practice import ControlError

BOX = "HasOptedOutOfEmail"


def test_a_record_that_is_not_shared_does_not_exist_for_our_user(rest: Rest) -> None:
    one = rest.org.create("Contact", Email="hidden@example.com")
    rest.org.share(one, "absent")
    assert rest.rows("SELECT Id FROM Contact WHERE Email = 'hidden@example.com'") == []
    assert rest.rows("SELECT Id FROM Contact WHERE Email = 'hidden@example.com'", everything=True) == []
    assert rest.query("SELECT COUNT() FROM Contact").json["totalSize"] == 40
    job = rest.bulk_query("SELECT Id FROM Contact")
    assert one not in rest.call("GET", f"jobs/query/{job}/results").body.decode()
    assert rest.call("GET", f"sobjects/Contact/{one}").code == "NOT_FOUND"
    assert rest.update({"type": "Contact", "id": one, BOX: True}).json[0]["errors"][0]["statusCode"] == (
        "INVALID_CROSS_REFERENCE_KEY"
    )
    assert rest.call("POST", "composite/sobjects/Contact", {"ids": [one], "fields": ["Id"]}).json == [None]
    rest.org.share(one, "edit")
    assert rest.update({"type": "Contact", "id": one, BOX: True}).json[0]["success"] is True


def test_a_record_shared_for_reading_cannot_be_written(rest: Rest) -> None:
    one = rest.org.create("Lead", Email="read@example.com")
    rest.org.share(one, "read")
    assert rest.rows("SELECT Id FROM Lead WHERE Email = 'read@example.com'") == [{"Id": one}]
    refused = rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True})
    assert (refused.status, refused.code) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert refused.json[0]["message"] == "insufficient access rights on object id"
    job = rest.ingest(f"Id,{BOX}\n{one},true\n", "Lead")
    assert '"INSUFFICIENT_ACCESS_OR_READONLY:' in rest.file(job, "failedResults")[1]
    assert rest.org.record(one)[BOX] is False


def test_a_record_in_approval_is_locked_until_it_is_released(rest: Rest) -> None:
    one = rest.org.create("Lead")
    rest.org.lock(one, locked=True)
    assert rest.update({"type": "Lead", "id": one, BOX: True}).json[0]["errors"][0]["statusCode"] == "ENTITY_IS_LOCKED"
    rest.org.lock(one, locked=False)
    assert rest.update({"type": "Lead", "id": one, BOX: True}).json[0]["success"] is True


def test_an_object_without_rights_is_not_there(rest: Rest) -> None:
    rest.org.grant_object("Lead", "absent")
    assert rest.call("GET", "sobjects/Lead/describe").code == "NOT_FOUND"
    assert "Lead" not in {item["name"] for item in rest.call("GET", "sobjects").json["sobjects"]}
    assert rest.query("SELECT Id FROM Lead").code == "INVALID_TYPE"
    assert (
        rest.call("POST", "jobs/query", {"operation": "query", "query": "SELECT Id FROM Lead"}).code == "INVALID_TYPE"
    )
    assert rest.query("SELECT Id FROM Contact").status == 200


def test_an_object_that_may_only_be_read_says_so_and_refuses_writes(rest: Rest) -> None:
    one = rest.org.create("Lead")
    rest.org.grant_object("Lead", "read")
    described = rest.call("GET", "sobjects/Lead/describe").json
    assert (described["queryable"], described["updateable"]) == (True, False)
    refused = rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True})
    assert (refused.status, refused.code) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    assert rest.org.record(one)[BOX] is False


def test_a_reset_shares_everything_again(rest: Rest) -> None:
    rest.org.grant_object("Lead", "absent")
    rest.org.reset()
    assert rest.query("SELECT Id FROM Lead").status == 200


@pytest.mark.parametrize("access", ["all", "", "EDIT"])
def test_an_unknown_level_is_refused(rest: Rest, access: str) -> None:
    with pytest.raises(ControlError):
        rest.org.share(rest.org.create("Lead"), access)
    with pytest.raises(ControlError):
        rest.org.grant_object("Lead", access)

"""sObject Collections: salesforce.md 0.5 to 0.7, 2.4 and 5.5."""

from typing import Any

import pytest

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def contact(rest: Rest) -> str:
    return rest.org.create("Contact", Email="ada@example.com")


def test_results_come_in_request_order_and_failures_without_id(rest: Rest) -> None:
    ids = [contact(rest) for _ in range(3)]
    rest.org.delete(ids[1])
    results = rest.update(*[{"type": "Contact", "id": one, BOX: True} for one in ids]).json
    assert [result["success"] for result in results] == [True, False, True]
    assert results[0] == {"id": ids[0], "success": True, "errors": []}
    assert "id" not in results[1]
    assert results[1]["errors"] == [{"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted", "fields": []}]
    assert rest.org.record(ids[2])[BOX] is True


def test_a_converted_lead_cannot_be_written_unless_the_org_allows_it(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="ada@example.com")
    into = rest.org.convert(lead)
    refused = rest.update({"type": "Lead", "id": lead, BOX: True}).json[0]
    assert refused["errors"][0]["statusCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
    rest.org.permit(view_and_edit_converted_leads=True)
    assert rest.update({"type": "Lead", "id": lead, BOX: True}).json[0]["success"]
    assert rest.org.record(into)[BOX] is False


def test_a_merged_record_is_deleted_and_points_to_its_survivor(rest: Rest) -> None:
    loser, survivor = contact(rest), contact(rest)
    rest.org.edit(loser, **{BOX: True})
    rest.org.merge(loser, survivor)
    assert rest.update({"type": "Contact", "id": loser, BOX: True}).json[0]["errors"][0]["statusCode"] == (
        "ENTITY_IS_DELETED"
    )
    rows = rest.rows(f"SELECT Id, MasterRecordId, IsDeleted FROM Contact WHERE Id = '{loser}'", everything=True)
    assert rows == [{"Id": loser, "MasterRecordId": survivor, "IsDeleted": True}]
    assert rest.org.record(survivor)[BOX] is False


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({BOX: True}, "MISSING_ARGUMENT"),
        ({"id": "nonsense", BOX: True}, "MALFORMED_ID"),
        ({"id": "00QPr0000000000MAA", BOX: True}, "MALFORMED_ID"),
        ({"id": "003Pr00000zzzzzIAA", BOX: True}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"id": "003Pr0000000000IAA", "Nothing__c": True}, "INVALID_FIELD"),
        ({"id": "003Pr0000000000IAA", "SystemModstamp": "x"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"id": "003Pr0000000000IAA", "Email": "no address"}, "INVALID_EMAIL_ADDRESS"),
        ({"id": "003Pr0000000000IAA", BOX: "yes"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
    ],
)
def test_a_bad_record_fails_alone_with_its_code(rest: Rest, record: dict[str, Any], code: str) -> None:
    good = contact(rest)
    results = rest.update({"type": "Contact"} | record, {"type": "Contact", "id": good, BOX: True}).json
    assert results[0]["errors"][0]["statusCode"] == code
    assert results[1]["success"]


def test_all_or_none_takes_everything_back(rest: Rest) -> None:
    good = contact(rest)
    results = rest.update(
        {"type": "Contact", "id": good, BOX: True}, {"type": "Contact", "id": good[:-1], BOX: True}, all_or_none=True
    ).json
    assert results[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert rest.org.record(good)[BOX] is False


def test_more_than_200_records_or_10_runs_of_a_type_are_refused(rest: Rest) -> None:
    many = [{"type": "Contact", "id": "003Pr0000000000IAA", BOX: True}] * 201
    assert rest.update(*many).status == 400
    mixed = [{"type": kind, "id": "x", BOX: True} for _ in range(6) for kind in ("Lead", "Contact")]
    assert rest.update(*mixed).status == 400
    assert rest.update(*mixed[:10]).status == 200


def test_an_empty_update_is_refused(rest: Rest) -> None:
    answer = rest.update()
    assert (answer.status, answer.json) == (
        400,
        [{"message": "At least 1 record is required", "errorCode": "REQUIRED_FIELD_MISSING"}],
    )


def test_when_all_fail_the_status_may_be_400_with_the_same_array(rest: Rest) -> None:
    record = {"type": "Contact", "id": "nonsense", BOX: True}
    usual = rest.update(record)
    rest.org.behaviour(all_failed_collection_status=400)
    other = rest.update(record)
    assert (usual.status, other.status) == (200, 400)
    assert usual.json == other.json


def test_an_id_named_twice_fails_the_second_time(rest: Rest) -> None:
    one = contact(rest)
    results = rest.update(
        {"type": "Contact", "id": one, BOX: True}, {"type": "Contact", "id": one[:15], BOX: True}
    ).json
    assert [result["success"] for result in results] == [True, False]


def test_reading_by_id_gives_null_for_what_is_not_there(rest: Rest) -> None:
    kept, gone = contact(rest), contact(rest)
    rest.org.delete(gone)
    rows = rest.call("POST", "composite/sobjects/Contact", {"ids": [gone, kept[:15]], "fields": ["Email", BOX]}).json
    assert rows[0] is None
    assert (rows[1]["Id"], rows[1]["Email"], rows[1][BOX]) == (kept, "ada@example.com", False)


def test_an_update_is_one_api_call(rest: Rest) -> None:
    ids = [contact(rest) for _ in range(5)]
    rest.org.clear_spy()
    rest.update(*[{"type": "Contact", "id": one, BOX: True} for one in ids])
    spy = rest.org.spy()
    assert (spy["api_calls"], spy["update_calls"], spy["records_written"], spy["false_writes"]) == (1, 1, 5, 0)
    assert (spy["requests"][0]["fields"], spy["requests"][0]["records"]) == ([BOX], 5)


def test_records_of_both_objects_are_deleted_in_one_call(rest: Rest) -> None:
    lead, person = rest.org.create("Lead", Email="ada@example.com"), contact(rest)
    answer = rest.call("DELETE", f"composite/sobjects?ids={lead},{person},nonsense,{lead}")
    assert [result["success"] for result in answer.json] == [True, True, False, False]
    assert [result["errors"][0]["statusCode"] for result in answer.json[2:]] == ["MALFORMED_ID", "ENTITY_IS_DELETED"]
    assert rest.org.record(lead)["IsDeleted"] is True


def test_a_delete_of_all_or_none_takes_everything_back(rest: Rest) -> None:
    person = contact(rest)
    answer = rest.call("DELETE", f"composite/sobjects?ids={person},nonsense&allOrNone=true")
    assert [result["success"] for result in answer.json] == [False, False]
    assert rest.org.record(person)["IsDeleted"] is False


def test_more_than_200_records_are_refused(rest: Rest) -> None:
    answer = rest.call("DELETE", "composite/sobjects?ids=" + ",".join(["003Pr0000000000IAA"] * 201))
    assert (answer.status, answer.code) == (400, "EXCEEDED_ID_LIMIT")


def test_records_are_read_by_ids_in_the_address_too(rest: Rest) -> None:
    person = contact(rest)
    found = rest.call("GET", f"composite/sobjects/Contact?ids={person},003Pr00000zzzzzIAA&fields=Email,Owner.Name").json
    assert [record and record["Email"] for record in found] == ["ada@example.com", None]
    assert found[0]["Owner"]["Name"] == "Practice Admin"

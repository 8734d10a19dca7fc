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
    rest.org.behaviour(insufficient_access_status=403)
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).status == 403
    job = rest.ingest(f"Id,{BOX}\n{one},true\n", "Lead")
    assert '"INSUFFICIENT_ACCESS_OR_READONLY:' in rest.file(job, "failedResults")[1]
    assert rest.org.record(one)[BOX] is False


def test_a_record_in_approval_is_locked_until_it_is_released(rest: Rest) -> None:
    one = rest.org.create("Lead")
    rest.org.lock(one, locked=True)
    assert rest.update({"type": "Lead", "id": one, BOX: True}).json[0]["errors"][0]["statusCode"] == "ENTITY_IS_LOCKED"
    rest.org.lock(one, locked=False)
    assert rest.update({"type": "Lead", "id": one, BOX: True}).json[0]["success"] is True


def test_view_all_data_shows_what_is_not_shared_but_lets_nobody_edit_it(rest: Rest) -> None:
    one = rest.org.create("Contact", Email="hidden@example.com")
    rest.org.share(one, "absent")
    rest.org.permit(view_all_data=True)
    assert rest.rows("SELECT Id FROM Contact WHERE Email = 'hidden@example.com'") == [{"Id": one}]
    assert rest.query("SELECT COUNT() FROM Contact").json["totalSize"] == 41
    job = rest.bulk_query("SELECT Id FROM Contact")
    assert one in rest.call("GET", f"jobs/query/{job}/results").body.decode()
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).code == "INSUFFICIENT_ACCESS_OR_READONLY"
    rest.org.permit(view_all_data=False)
    assert rest.call("GET", f"sobjects/Contact/{one}").code == "NOT_FOUND"


def test_modify_all_data_passes_sharing_and_approvals(rest: Rest) -> None:
    hidden, read_only, locked = (rest.org.create("Lead") for _ in range(3))
    rest.org.share(hidden, "absent")
    rest.org.share(read_only, "read")
    rest.org.lock(locked, locked=True)
    rest.org.permit(modify_all_data=True)
    for one in (hidden, read_only, locked):
        assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).status == 204


def test_a_user_without_api_enabled_is_refused_whatever_it_asks(rest: Rest) -> None:
    rest.org.permit(api_enabled=False)
    for path in ("sobjects/Lead/describe", "query?q=SELECT+Id+FROM+Lead", "limits", "jobs/query"):
        answer = rest.call("GET", path)
        assert (answer.status, answer.code) == (403, "API_CURRENTLY_DISABLED")
        assert answer.json[0]["message"] == "API is disabled for this user"
    assert rest.call("GET", "/services/data").status == 200
    rest.org.permit(api_enabled=True)
    assert rest.call("GET", "limits").status == 200


@pytest.mark.parametrize(
    ("edition", "add_on", "status"),
    [
        ("Team Edition", False, 403),
        ("Professional Edition", False, 403),
        ("Professional Edition", True, 200),
        ("Unlimited Edition", False, 200),
    ],
)
def test_some_editions_have_no_api(rest: Rest, edition: str, add_on: bool, status: int) -> None:
    rest.org.edition(edition, api_add_on=add_on)
    answer = rest.query("SELECT OrganizationType FROM Organization")
    assert answer.status == status
    if status == 200:
        assert answer.json["records"][0]["OrganizationType"] == edition
    else:
        assert (answer.code, answer.json[0]["message"]) == (
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this Organization.",
        )


def test_a_merged_record_points_to_its_survivor_which_may_be_merged_itself(rest: Rest) -> None:
    first, second, third = (rest.org.create("Lead", Email="m@example.com") for _ in range(3))
    rest.org.merge(first, second)
    rest.org.merge(second, third)
    rows = rest.rows("SELECT Id, MasterRecordId, IsDeleted FROM Lead WHERE Email = 'm@example.com'", everything=True)
    assert rows == [
        {"Id": first, "MasterRecordId": second, "IsDeleted": True},
        {"Id": second, "MasterRecordId": third, "IsDeleted": True},
        {"Id": third, "MasterRecordId": None, "IsDeleted": False},
    ]


def test_what_leaves_the_recycle_bin_for_good_is_nowhere_any_more(rest: Rest) -> None:
    one = rest.org.create("Lead", Email="gone@example.com")
    with pytest.raises(ControlError):
        rest.org.purge(one)
    rest.org.delete(one)
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).code == "ENTITY_IS_DELETED"
    rest.org.purge(one)
    found = rest.rows("SELECT Id FROM Lead WHERE Email = 'gone@example.com'", everything=True)
    by_id = rest.rows(f"SELECT Id FROM Lead WHERE Id = '{one}'", everything=True)
    job = rest.bulk_query("SELECT Id FROM Lead", "queryAll")
    assert (found, by_id, one in rest.call("GET", f"jobs/query/{job}/results").body.decode()) == ([], [], False)
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).code == "INVALID_CROSS_REFERENCE_KEY"
    assert rest.org.find("gone@example.com") == []
    with pytest.raises(ControlError):
        rest.org.undelete(one)


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
    rest.org.permit(api_enabled=False)
    rest.org.edition("Team Edition")
    rest.org.reset()
    assert rest.query("SELECT Id FROM Lead").status == 200


@pytest.mark.parametrize("access", ["all", "", "EDIT"])
def test_an_unknown_level_is_refused(rest: Rest, access: str) -> None:
    with pytest.raises(ControlError):
        rest.org.share(rest.org.create("Lead"), access)
    with pytest.raises(ControlError):
        rest.org.grant_object("Lead", access)


def test_an_unknown_permission_or_edition_is_refused(rest: Rest) -> None:
    with pytest.raises(ControlError, match="view_all_data"):
        rest.org.permit(view_everything=True)
    with pytest.raises(ControlError, match="Professional Edition"):
        rest.org.edition("Professional")


def test_what_was_changed_shows_in_the_state_and_is_gone_once_it_is_put_back(rest: Rest) -> None:
    before = rest.org.state()
    rest.org.grant("Lead", BOX, "read")
    rest.org.package(installed=True)
    rest.org.lay_out("Lead-Lead Layout", "Email", None)
    rest.org.permit(view_setup=False)
    rest.org.latency(1)
    rest.org.fault("html", route="limits")
    after = rest.org.state()
    changed = {name for name in before if before[name] != after[name]}
    assert changed >= {"faults", "fields", "layouts", "permissions", "the rest"}
    assert set(after["fields"]) - set(before["fields"]) >= {f"Lead.{BOX} read"}
    rest.org.reset()
    assert rest.org.state() == before


def test_a_fault_that_is_used_up_is_none_of_the_state(rest: Rest) -> None:
    rest.org.fault("html", route="limits")
    assert rest.org.state()["faults"] == ["html"]
    rest.call("GET", "limits")
    assert rest.org.state()["faults"] == []

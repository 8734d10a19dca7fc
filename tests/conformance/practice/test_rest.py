"""Versions, limits, sizes and single records: salesforce.md 2.1, 2.3, 2.8 and 6."""

import gzip
import http.client
import json

import pytest

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def test_versions_need_no_session(rest: Rest) -> None:
    rest.token = "none"
    versions = rest.call("GET", "/services/data").json
    assert versions[-1] == {"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"}


def test_a_retired_version_is_gone_and_a_future_one_unknown(rest: Rest) -> None:
    assert rest.call("GET", "/services/data/v29.0/limits").status == 410
    assert rest.call("GET", "/services/data/v99.0/limits").status == 404


def test_every_answer_says_how_many_calls_are_used(rest: Rest) -> None:
    rest.org.limits(daily=3, used=1)
    assert rest.call("GET", "limits").headers["sforce-limit-info"] == "api-usage=2/3"
    assert rest.call("GET", "limits").json["DailyApiRequests"] == {"Max": 3, "Remaining": 0}
    over = rest.call("GET", "limits")
    assert (over.status, over.code) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert over.json[0]["message"] == "TotalRequests Limit exceeded."


def test_record_counts_are_of_live_records(rest: Rest) -> None:
    rest.org.delete(rest.org.create("Lead"))
    counts = rest.call("GET", "limits/recordCount?sObjects=Lead,Contact,Nothing").json["sObjects"]
    assert counts == [{"count": 30, "name": "Lead"}, {"count": 40, "name": "Contact"}]


def test_a_single_update_answers_204_and_nothing_else(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="ada@example.com")
    answer = rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True})
    assert (answer.status, answer.body) == (204, b"")
    shown = rest.call("GET", f"sobjects/Lead/{lead[:15]}?fields=Id,Email,{BOX},SystemModstamp").json
    assert (shown["Id"], shown[BOX]) == (lead, True)
    assert shown["SystemModstamp"].endswith(".000+0000")


def test_a_record_can_be_created_and_deleted(rest: Rest) -> None:
    created = rest.call("POST", "sobjects/Contact", {"LastName": "Berg", "Email": "berg@example.com"})
    assert (created.status, created.json["success"]) == (201, True)
    contact = created.json["id"]
    assert rest.call("DELETE", f"sobjects/Contact/{contact}").status == 204
    gone = rest.call("GET", f"sobjects/Contact/{contact}")
    assert (gone.status, gone.json) == (
        404,
        [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}],
    )
    missing = rest.call("POST", "sobjects/Lead", {"LastName": "Berg"})
    assert (missing.code, missing.json[0]["fields"]) == ("REQUIRED_FIELD_MISSING", ["Company"])


def test_a_new_record_says_where_it_stands(rest: Rest) -> None:
    created = rest.call("POST", "sobjects/Contact", {"LastName": "Berg"})
    assert created.headers["location"] == f"/services/data/v62.0/sobjects/Contact/{created.json['id']}"
    assert set(created.json) == {"id", "success", "errors"}


def test_an_object_that_only_some_orgs_have_is_refused_as_any_unknown_one(rest: Rest) -> None:
    answer = rest.query("SELECT Id FROM ScratchOrgInfo LIMIT 1")
    assert (answer.status, answer.code) == (400, "INVALID_TYPE")
    assert "sObject type 'ScratchOrgInfo' is not supported" in answer.json[0]["message"]


@pytest.mark.parametrize("version", range(45, 68))
def test_every_version_in_use_answers(rest: Rest, version: int) -> None:
    for path in (
        f"/services/data/v{version}.0",
        f"/services//data/v{version}.0/sobjects/",
        f"/services/data/v{version}.0//limits/",
    ):
        assert rest.call("GET", path).status == 200


def test_a_missing_id_is_not_found_for_readers_and_an_invalid_reference_for_writers(rest: Rest) -> None:
    nobody = "003Pr00000zzzzzIAA"
    assert (rest.call("GET", f"sobjects/Contact/{nobody}").code) == "NOT_FOUND"
    assert (rest.call("PATCH", f"sobjects/Contact/{nobody}", {BOX: True}).code) == "INVALID_CROSS_REFERENCE_KEY"
    assert (rest.call("PATCH", "sobjects/Contact/nonsense", {BOX: True}).code) == "MALFORMED_ID"


def test_an_update_without_id_is_a_method_that_is_not_allowed(rest: Rest) -> None:
    answer = rest.call("PATCH", "sobjects/Lead", {BOX: True})
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.json[0]["message"] == "HTTP Method 'PATCH' not allowed. Allowed are HEAD,GET,POST"


def test_an_unknown_path_is_not_found(rest: Rest) -> None:
    answer = rest.call("GET", "nothing/here")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("characters", "status"), [(15_000, 200), (16_300, 431), (16_500, 414)])
def test_a_long_address_is_refused(rest: Rest, characters: int, status: int) -> None:
    text = "SELECT Id FROM Lead WHERE Email IN ('x')"
    path = "query?q=" + text.replace(" ", "+")
    padding = characters - len(f"/services/data/v62.0/{path}&p=")
    assert rest.call("GET", f"{path}&p={'p' * padding}").status == status


def test_a_far_too_long_address_loses_the_connection(rest: Rest) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        rest.call("GET", "limits?p=" + "p" * 40_000)


def test_the_organization_and_the_user_can_be_asked(rest: Rest) -> None:
    organization = rest.rows("SELECT Id, OrganizationType, IsSandbox FROM Organization")
    assert organization[0]["Id"] == rest.org.credentials["org_id"]
    user = rest.call("GET", "/services/oauth2/userinfo").json["user_id"]
    assert rest.call("GET", f"sobjects/User/{user}").json["Username"] == rest.org.credentials["username"]


@pytest.mark.parametrize("path", ["/services/data/", "//services/data", "/services//data//"])
def test_a_trailing_or_doubled_slash_changes_nothing(rest: Rest, path: str) -> None:
    assert rest.call("GET", path).json == rest.call("GET", "/services/data").json


def test_clients_that_end_paths_with_a_slash_are_answered_without_a_redirect(rest: Rest) -> None:
    answer = rest.call("GET", "query/?q=SELECT+Id+FROM+Lead+LIMIT+1")
    assert (answer.status, answer.json["totalSize"]) == (200, 1)
    lead = answer.json["records"][0]["Id"]
    assert rest.call("PATCH", f"sobjects//Lead/{lead}/", {BOX: True}).status == 204
    assert rest.org.record(lead)[BOX] is True


def test_a_version_lists_its_resources(rest: Rest) -> None:
    listed = rest.call("GET", "").json
    assert listed["sobjects"] == "/services/data/v62.0/sobjects"
    assert rest.call("GET", listed["identity"].removeprefix(rest.org.url)).json["user_id"].startswith("005")
    for path in (listed["limits"], listed["sobjects"]):
        assert rest.call("GET", path).status == 200


def test_head_is_get_without_a_body(rest: Rest) -> None:
    answer = rest.call("HEAD", "sobjects/Lead/describe")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["OPTIONS", "PROPFIND", "PUT"])
def test_a_method_that_is_not_allowed_is_refused_in_salesforces_shape(rest: Rest, method: str) -> None:
    answer = rest.call(method, "limits")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"\xff\xfe", b"[]", b"5", b""])
@pytest.mark.parametrize("path", ["sobjects/Lead", "composite/sobjects", "jobs/query", "jobs/ingest"])
def test_a_body_that_is_no_json_object_is_a_parser_error(rest: Rest, path: str, body: bytes) -> None:
    answer = rest.call("POST", path, body)
    assert (answer.status, answer.code) == (400, "JSON_PARSER_ERROR")


def test_a_packed_body_is_read_and_the_spy_sees_through_it(rest: Rest) -> None:
    lead = rest.org.create("Lead", **{BOX: True})
    packed = gzip.compress(json.dumps({BOX: False}).encode())
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", packed, Content_Encoding="gzip").status == 204
    assert (rest.org.record(lead)[BOX], rest.org.spy()["false_writes"]) == (False, 1)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}")[:-4]])
def test_a_body_that_cannot_be_unpacked_is_refused(rest: Rest, body: bytes) -> None:
    answer = rest.call("POST", "sobjects/Lead", body, Content_Encoding="gzip")
    assert (answer.status, answer.code) == (400, "JSON_PARSER_ERROR")


def test_json_comes_packed_to_a_client_that_takes_gzip(rest: Rest) -> None:
    plain, packed = rest.call("GET", "sobjects"), rest.call("GET", "sobjects", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
def test_a_body_may_come_in_chunks_and_be_announced(rest: Rest, expect: dict[str, str]) -> None:
    connection = rest.org.connect()
    pieces = (piece.encode() for piece in ('{"LastName":', ' "Berg"}'))
    headers = {"Authorization": f"Bearer {rest.token}", "Content-Type": "application/json"} | expect
    connection.request("POST", "/services/data/v62.0/sobjects/Contact/", pieces, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["success"]) == (201, True)
    connection.close()

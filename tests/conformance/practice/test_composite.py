"""Requests inside a request: salesforce.md 2.5."""

from typing import Any

import pytest

from tests.conformance.practice.rest import API, Answer, Rest

BOX = "HasOptedOutOfEmail"
NEW = {"LastName": "Berg", "Company": "Works"}


def part(name: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"referenceId": name, "method": method, "url": f"{API}/{path}", "body": body} | more


def ask(rest: Rest, *parts: dict[str, Any], all_or_none: bool = False) -> Answer:
    return rest.call("POST", "composite", {"allOrNone": all_or_none, "compositeRequest": list(parts)})


def statuses(answer: Answer) -> list[int]:
    return [result["httpStatusCode"] for result in answer.json["compositeResponse"]]


def test_later_parts_use_what_earlier_ones_answered(rest: Rest) -> None:
    answer = ask(
        rest,
        part("lead", "POST", "sobjects/Lead", NEW | {"Email": "new@example.com"}),
        part("tick", "PATCH", "sobjects/Lead/@{lead.id}", {BOX: True, "Title": "Of @{lead.id}"}),
        part("found", "GET", f"query?q=SELECT Id, {BOX} FROM Lead WHERE Id = '@{{lead.id}}'"),
        part("copy", "PATCH", "sobjects/Lead/@{lead.id}", {"Title": "@{found.records[0].Id}"}),
    )
    assert answer.status == 200
    lead, tick, found, copy = answer.json["compositeResponse"]
    record_id = lead["body"]["id"]
    assert lead["httpHeaders"] == {"Location": f"{API}/sobjects/Lead/{record_id}"}
    assert (lead["httpStatusCode"], lead["referenceId"]) == (201, "lead")
    assert tick == {"body": None, "httpHeaders": {}, "httpStatusCode": 204, "referenceId": "tick"}
    assert found["body"]["records"][0][BOX] is True
    assert copy["httpStatusCode"] == 204
    assert rest.org.record(record_id)["Title"] == record_id


def test_a_part_that_fails_halts_only_those_that_use_it(rest: Rest) -> None:
    answer = ask(
        rest,
        part("bad", "POST", "sobjects/Lead", {"LastName": "Berg"}),
        part("user", "PATCH", "sobjects/Lead/@{bad.id}", {BOX: True}),
        part("other", "POST", "sobjects/Lead", NEW),
    )
    bad, user, other = answer.json["compositeResponse"]
    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert (user["httpStatusCode"], user["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert "No value for bad.id found in bad." in user["body"][0]["message"]
    assert other["httpStatusCode"] == 201


def test_all_or_none_takes_everything_back(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    answer = ask(
        rest,
        part("tick", "PATCH", f"sobjects/Lead/{lead}", {BOX: True}),
        part("bad", "POST", "sobjects/Lead", {"LastName": "Berg"}),
        all_or_none=True,
    )
    tick, bad = answer.json["compositeResponse"]
    assert (tick["httpStatusCode"], tick["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert "rolled back" in tick["body"][0]["message"]
    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert rest.org.record(lead)[BOX] is False


def test_headers_of_a_part_reach_it_and_some_may_not_be_named(rest: Rest) -> None:
    page = ask(rest, part("all", "GET", "query?q=SELECT+Id+FROM+Contact", httpHeaders={"Sforce-Query-Options": "x"}))
    assert statuses(page) == [200]
    refused = ask(rest, part("all", "GET", "limits", httpHeaders={"Authorization": "Bearer x"}))
    assert (refused.status, refused.code) == (400, "INVALID_INPUT")


def test_a_composite_is_one_api_call_and_every_part_is_seen(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    rest.org.clear_spy()
    ask(rest, *[part(f"r{number}", "PATCH", f"sobjects/Lead/{lead}", {BOX: False}) for number in range(3)])
    spy = rest.org.spy()
    assert (spy["api_calls"], spy["false_writes"], spy["update_calls"]) == (1, 3, 3)


def test_faults_strike_parts_too(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    rest.org.fault("refuse", route="record.update", code="UNABLE_TO_LOCK_ROW", status=400, times=1)
    path = f"sobjects/Lead/{lead}"
    answer = ask(rest, part("a", "PATCH", path, {BOX: True}), part("b", "PATCH", path, {BOX: True}))
    assert statuses(answer) == [400, 204]


def test_more_than_25_parts_are_one_refusal_inside_a_200(rest: Rest) -> None:
    answer = ask(rest, *[part(f"r{number}", "GET", "limits") for number in range(26)])
    assert (answer.status, statuses(answer)) == (200, [400])
    assert answer.json["compositeResponse"][0]["body"][0]["errorCode"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["x"],
        [{"method": "GET", "url": f"{API}/limits"}],
        [part("a-b", "GET", "limits")],
        [part("a", "GET", "limits"), part("a", "GET", "limits")],
        [part("a", "get", "limits")],
        [part("a", "POST", "composite", {"compositeRequest": []})],
        [part("a", "POST", "/composite/batch")],
        [part("a", "POST", "jobs/query")],
        [part("a", "GET", "limits") | {"url": "/practice/api/spy"}],
        [part("a", "GET", "limits") | {"url": f"{API}%2Fjobs/query"}],
        [part("a", "GET", "limits", httpHeaders=["x"])],
        [part(f"q{number}", "GET", "query?q=SELECT+Id+FROM+Lead") for number in range(6)],
    ],
)
def test_a_composite_that_is_not_well_formed_is_refused_as_a_whole(rest: Rest, parts: list[Any]) -> None:
    answer = rest.call("POST", "composite", {"compositeRequest": parts})
    assert answer.status == 400
    assert answer.code


def test_a_batch_answers_each_request_and_goes_on_after_a_failure(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    rest.org.clear_spy()
    requests = [
        {"method": "PATCH", "url": f"v62.0/sobjects/Lead/{lead}", "richInput": {BOX: True}},
        {"method": "GET", "url": "v62.0/sobjects/Lead/Nope"},
        {"method": "GET", "url": f"{API}/sobjects/Lead/{lead}?fields={BOX}"},
    ]
    batch = rest.call("POST", "composite/batch", {"batchRequests": requests}).json
    assert batch["hasErrors"] is True
    assert [result["statusCode"] for result in batch["results"]] == [204, 400, 200]
    assert batch["results"][0]["result"] is None
    assert batch["results"][1]["result"][0]["errorCode"] == "MALFORMED_ID"
    assert batch["results"][2]["result"][BOX] is True
    assert rest.org.spy()["api_calls"] == 4


def test_a_batch_stops_after_a_failure_when_asked(rest: Rest) -> None:
    requests = [{"method": "GET", "url": path} for path in ("v62.0/limits", "v62.0/query?q=x", "v62.0/limits")]
    batch = rest.call("POST", "composite/batch", {"batchRequests": requests, "haltOnError": True}).json
    assert [result["statusCode"] for result in batch["results"]] == [200, 400, 412]
    assert batch["results"][2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"


@pytest.mark.parametrize(
    "requests",
    [
        [],
        "x",
        ["x"],
        [{"method": "GET"}],
        [{"method": "GET", "url": "v62.0/jobs/query"}],
        [{"method": "X", "url": "v62.0/limits"}],
    ],
)
def test_a_batch_that_is_not_well_formed_is_refused_as_a_whole(rest: Rest, requests: Any) -> None:
    answer = rest.call("POST", "composite/batch", {"batchRequests": requests})
    assert answer.status == 400
    assert answer.code


def test_a_tree_creates_all_its_records_or_none(rest: Rest) -> None:
    def record(name: str, **fields: str) -> dict[str, Any]:
        return {"attributes": {"type": "Lead", "referenceId": name}} | fields

    good, bad = record("good", **NEW, Email="new@example.com"), record("bad", LastName="Berg")
    refused = rest.call("POST", "composite/tree/Lead", {"records": [good, bad]})
    assert (refused.status, refused.json["hasErrors"]) == (400, True)
    assert [result["referenceId"] for result in refused.json["results"]] == ["bad"]
    assert rest.org.find("new@example.com") == []
    created = rest.call("POST", "composite/tree/Lead", {"records": [good]})
    assert (created.status, created.json["hasErrors"]) == (201, False)
    assert rest.org.find("new@example.com")[0]["Id"] == created.json["results"][0]["id"]


@pytest.mark.parametrize("records", [[], "x", ["x"], [NEW], [{"attributes": {"type": "Lead"}}]])
def test_a_tree_that_is_not_well_formed_is_refused(rest: Rest, records: Any) -> None:
    answer = rest.call("POST", "composite/tree/Lead", {"records": records})
    assert answer.status == 400
    assert answer.code


def test_the_resource_lists_what_stands_below_it(rest: Rest) -> None:
    assert rest.call("GET", "composite").json["sobjects"] == f"{API}/composite/sobjects"

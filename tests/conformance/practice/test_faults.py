"""Faults on order, the flow behind our back, and what the spy makes of them."""

import http.client
import json
import time
from urllib.parse import quote

import pytest

from tests.conformance.practice.rest import API, Rest
from tests.practice import ControlError

BOX = "HasOptedOutOfEmail"


def contact(rest: Rest) -> str:
    return rest.org.create("Contact", Email="ada@example.com")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_SESSION_ID", 401),
        ("REQUEST_LIMIT_EXCEEDED", 403),
        ("UNKNOWN_EXCEPTION", 500),
        ("SERVER_UNAVAILABLE", 503),
    ],
)
def test_a_refusal_strikes_once_and_then_no_more(rest: Rest, code: str, status: int) -> None:
    rest.org.fault("refuse", code=code, route="query")
    assert rest.call("GET", "limits").status == 200
    refused = rest.query("SELECT Id FROM Lead")
    assert (refused.status, refused.code) == (status, code)
    assert rest.query("SELECT Id FROM Lead").status == 200


def test_a_fault_before_the_effect_prevents_it_and_one_after_it_hides_it(rest: Rest) -> None:
    one = contact(rest)
    rest.org.fault("refuse", route="record.update")
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).status == 500
    assert rest.org.record(one)[BOX] is False
    rest.org.fault("reset", route="record.update", moment="after")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True})
    assert rest.org.record(one)[BOX] is True


def test_a_fault_can_wait_and_can_last(rest: Rest) -> None:
    rest.org.fault("html", status=502, route="limits", skip=1, times=None)
    answers = [rest.call("GET", "limits") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 502, 502]
    assert answers[1].body.startswith(b"<html>")
    assert rest.org.faults()[0]["struck"] == 2
    rest.org.clear_faults()
    assert rest.call("GET", "limits").status == 200


def test_silence_ends_in_a_broken_connection(rest: Rest) -> None:
    rest.org.fault("hold", seconds=0.2, route="limits")
    began = time.monotonic()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        rest.call("GET", "limits")
    assert time.monotonic() - began >= 0.2


def test_latency_holds_up_every_request(rest: Rest) -> None:
    rest.org.latency(100)
    began = time.monotonic()
    rest.call("GET", "limits")
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "ENTITY_IS_LOCKED"])
def test_single_records_can_be_refused(rest: Rest, code: str) -> None:
    bad, good = contact(rest), contact(rest)
    rest.org.fault("reject", code=code, records=[bad], fields=[BOX])
    results = rest.update(*[{"type": "Contact", "id": one, BOX: True} for one in (bad, good)]).json
    assert results[0]["errors"][0]["statusCode"] == code
    assert results[0]["errors"][0]["fields"] == [BOX]
    assert results[1]["success"]
    assert rest.update({"type": "Contact", "id": bad, BOX: True}).json[0]["success"]


def test_a_refused_record_fails_a_single_update_and_an_ingest_row_too(rest: Rest) -> None:
    one = contact(rest)
    rest.org.fault("reject", code="UNABLE_TO_LOCK_ROW", times=None)
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).code == "UNABLE_TO_LOCK_ROW"
    job = rest.ingest(f"Id,{BOX}\n{one},true\n")
    assert '"UNABLE_TO_LOCK_ROW:unable to obtain' in rest.file(job, "failedResults")[1]


def test_an_answer_can_be_any_body_or_lead_elsewhere(rest: Rest) -> None:
    rest.org.fault("body", route="limits", repeat=3)
    assert rest.call("GET", "limits").body == b'{"records": [' * 3
    rest.org.fault("body", route="limits", status=204, body="", content_type="text/plain")
    assert rest.call("GET", "limits").status == 204
    rest.org.fault("redirect", route="limits", to="https://elsewhere.example.com/")
    answer = rest.call("GET", "limits")
    assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.example.com/")


def test_an_answer_can_break_off_or_drip(rest: Rest) -> None:
    rest.org.fault("broken_off", route="limits")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        rest.call("GET", "limits")
    rest.org.fault("drip", route="limits", seconds=0.01, spaces=3)
    assert rest.call("GET", "limits").body == b"   "


def test_bulk_results_can_be_spoiled(rest: Rest) -> None:
    job = rest.bulk_query("SELECT Id, Email FROM Contact")
    path = f"jobs/query/{job}/results?maxRecords=20"
    whole = rest.call("GET", path)
    rest.org.fault("truncate", bytes_kept=100)
    assert rest.call("GET", path).body == whole.body[: len(b'"Id","Email"\n') + 100]
    rest.org.fault("wrong_header")
    assert rest.call("GET", path).body.startswith(b'"Id","Something__c"\n')
    rest.org.fault("nul", at=5)
    assert rest.call("GET", path).body.replace(b"\x00", b"") == whole.body
    rest.org.fault("stray_quote", at=0)
    assert rest.call("GET", path).body == whole.body.replace(b"\n", b'\n"', 1)
    rest.org.fault("bom")
    assert rest.call("GET", path).body == b"\xef\xbb\xbf" + whole.body
    rest.org.fault("no_line_end")
    assert rest.call("GET", path).body == whole.body[:-1]
    rest.org.fault("missing_page")
    assert (whole.headers["sforce-locator"], rest.call("GET", path).headers["sforce-locator"]) == ("MjA", "null")
    rest.org.fault("cut", bytes_kept=50)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        rest.call("GET", path)
    assert rest.call("GET", path).body == whole.body


def test_the_flow_takes_the_tick_back_after_each_update(rest: Rest) -> None:
    one = contact(rest)
    rest.org.flow(unsets=True)
    assert rest.update({"type": "Contact", "id": one, BOX: True}).json[0]["success"]
    assert rest.org.record(one)[BOX] is False
    assert rest.org.spy()["false_writes"] == 0
    rest.org.flow(unsets=False)
    rest.update({"type": "Contact", "id": one, BOX: True})
    assert rest.org.record(one)[BOX] is True


@pytest.mark.parametrize("said", [False, None, "false", "False", 0, "0"])
def test_the_spy_counts_requests_that_say_false(rest: Rest, said: object) -> None:
    one = contact(rest)
    rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True})
    assert rest.org.spy()["false_writes"] == 0
    rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: said})
    rest.update({"type": "Contact", "id": one, BOX: True}, {"type": "Contact", "id": one, "Title": None})
    rest.token = "expired"
    rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: said})
    spy = rest.org.spy()
    assert spy["false_writes"] == 3
    assert spy["routes"] == {"record.update": 3, "collections.update": 1}


def test_an_edit_by_a_person_is_no_api_call_and_moves_the_stamp(rest: Rest) -> None:
    one = rest.rows("SELECT Id, SystemModstamp FROM Contact LIMIT 1")[0]
    rest.org.clear_spy()
    after = rest.org.edit(one["Id"], **{BOX: True})
    assert after["SystemModstamp"] > one["SystemModstamp"]
    assert (rest.org.spy()["api_calls"], rest.org.spy()["false_writes"]) == (0, 0)


def test_a_conversion_into_an_existing_contact_can_drop_the_opt_out(rest: Rest) -> None:
    leads = [rest.org.create("Lead", Email="ada@example.com", **{BOX: True}) for _ in range(3)]
    existing = contact(rest)
    fresh = rest.org.convert(leads[0])
    assert rest.org.convert(leads[1], existing) == existing
    assert (rest.org.record(fresh)[BOX], rest.org.record(existing)[BOX]) == (True, False)
    rest.org.convert(leads[2], existing, copy_opt_out=True)
    assert rest.org.record(existing)[BOX] is True
    assert rest.org.record(leads[0])["ConvertedContactId"] == fresh


def test_an_unknown_fault_switch_or_record_is_refused(rest: Rest) -> None:
    for attempt in (
        lambda: rest.org.fault("nothing"),
        lambda: rest.org.fault("refuse", nothing=1),
        lambda: rest.org.behaviour(nothing=True),
        lambda: rest.org.reset(nothing=1),
        lambda: rest.org.record("nonsense"),
        lambda: rest.org.create("Lead", Nothing__c=True),
        lambda: rest.org.grant("Lead", BOX, "perhaps"),
    ):
        with pytest.raises(ControlError):
            attempt()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"times": 0}, "times must be a whole number of at least 1, or null"),
        ({"times": True}, "times must be"),
        ({"rate": 1.5}, "rate must be a number from 0 to 1"),
        ({"moment": "during"}, "moment must be before or after"),
        ({"code": 5}, "code must be a text"),
        ({"retry_after": "soon"}, "retry_after must be"),
        ({"struck": 3}, "refuse has no struck"),
    ],
)
def test_a_wrong_option_is_named_with_what_may_be_given(rest: Rest, wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ControlError, match=named):
        rest.org.fault("refuse", **wrong)
    assert rest.org.faults() == []


def test_a_fault_can_be_about_one_record_wherever_it_is_named(rest: Rest) -> None:
    bad, good = contact(rest), contact(rest)
    rest.org.fault("refuse", holding=bad, times=None)
    assert rest.call("PATCH", f"sobjects/Contact/{bad}", {BOX: True}).status == 500
    assert rest.update({"type": "Contact", "id": bad, BOX: True}).status == 500
    assert rest.update({"type": "Contact", "id": good, BOX: True}).json[0]["success"]
    assert rest.org.faults()[0]["struck"] == 2


def test_one_fault_can_be_taken_back(rest: Rest) -> None:
    first, second = rest.org.fault("reset"), rest.org.fault("html")
    rest.org.call("DELETE", f"/faults/{first}")
    assert [fault["id"] for fault in rest.org.faults()] == [second]
    with pytest.raises(ControlError, match="no fault on order"):
        rest.org.call("DELETE", f"/faults/{first}")


def test_the_request_log_says_what_came_when_how_long_it_took_and_which_fault_struck(rest: Rest) -> None:
    last = rest.org.requests()[-1]["number"] if rest.org.requests() else 0
    fault = rest.org.fault("refuse", route="limits", code="SERVER_UNAVAILABLE")
    one = contact(rest)
    began = time.time()
    rest.call("GET", "limits")
    rest.update({"type": "Contact", "id": one, BOX: True})
    refused, updated = rest.org.requests(after=last)
    assert (refused["route"], refused["status"], refused["faults"]) == ("limits", 503, [f"refuse {fault}"])
    assert (updated["method"], updated["status"], updated["records"], updated["faults"]) == ("PATCH", 200, 1, [])
    assert (updated["path"], updated["fields"]) == (f"{API}/composite/sobjects", [BOX])
    assert began - 1 <= refused["received_at"] <= updated["received_at"] <= time.time() + 1
    assert 0 < updated["ms"] < 10_000
    assert [seen["number"] for seen in rest.org.requests(after=refused["number"])] == [updated["number"]]


def test_bodies_and_secrets_are_never_in_the_request_log(rest: Rest) -> None:
    known = rest.org.credentials
    secrets = [
        known["client_secret"],
        known["access_token"],
        "hidden-in-a-body",
        "hidden-in-a-header",
        "hidden-in-a-query",
    ]
    form = {name: known[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    secrets.append(rest.token_for(**form).json["access_token"])
    rest.call("PATCH", f"sobjects/Contact/{contact(rest)}", {"Title": secrets[2]}, X_Secret=secrets[3])
    for name in ("token", "code", "sid", "oauth_token", "assertion", "something_new"):
        rest.call("GET", f"/services/oauth2/revoke?{name}={secrets[4]}&q=shown")
    rest.call("GET", f"/services/data/{secrets[1]}/limits?q={secrets[1]}")
    rest.call("GET", f"/services/data/{quote(secrets[1])}/limits")
    log = json.dumps(rest.org.spy()) + json.dumps(rest.org.requests())
    assert "token=\\u2026&q=shown" in log
    for secret in secrets:
        assert secret not in log
        assert (secret.partition("!")[2] or secret) not in log


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/limits", {"daily": float("inf")}),
        ("/limits", {"used": -1}),
        ("/latency", {"ms": float("nan")}),
        ("/latency", {"ms": -5}),
        ("/flow", {"unsets": True, "rate": float("nan")}),
        ("/reset", {"leads": float("inf")}),
        ("/reset", {"contacts": -5}),
        ("/reset", {"opted_out": float("nan")}),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_and_changes_nothing(
    rest: Rest, path: str, body: dict[str, object]
) -> None:
    one = contact(rest)
    with pytest.raises(ControlError, match=f"POST {path}: 400"):
        rest.org.call("POST", path, body)
    assert rest.org.record(one)["Email"] == "ada@example.com"
    assert rest.call("GET", "limits").status == 200

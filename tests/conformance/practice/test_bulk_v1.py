"""Bulk API 1.0: salesforce.md 3.3."""

import re
import time
from typing import Any

import pytest

from tests.conformance.practice.rest import Answer, Rest

ASYNC = "/services/async/62.0/job"
BOX = "HasOptedOutOfEmail"
XML = "application/xml; charset=UTF-8"


def call(rest: Rest, method: str, path: str, body: Any = None, kind: str = XML) -> Answer:
    return rest.call(method, ASYNC + path, body, X_SFDC_Session=rest.token, Authorization="", Content_Type=kind)


def value(answer: Answer, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", answer.body.decode())
    assert found, answer.body
    return found[1]


def job_xml(**values: str) -> bytes:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in values.items())
    return f'<?xml version="1.0"?><jobInfo xmlns="http://www.force.com/2009/06/asyncapi/dataload">{inner}</jobInfo>'.encode()


def done(rest: Rest, job: str, batch: str) -> Answer:
    """The batch once it is settled."""
    for _ in range(500):
        answer = call(rest, "GET", f"/{job}/batch/{batch}")
        if value(answer, "state") not in ("Queued", "InProgress"):
            return answer
        time.sleep(0.01)
    raise AssertionError("the batch did not end")


def start(rest: Rest, operation: str, content: str, **more: str) -> tuple[str, str]:
    """The ids of a CSV job about Contact and of its one batch."""
    created = call(rest, "POST", "", job_xml(operation=operation, object="Contact", contentType="CSV", **more))
    assert (created.status, value(created, "state")) == (201, "Open")
    job = value(created, "id")
    added = call(rest, "POST", f"/{job}/batch", content.encode(), "text/csv; charset=UTF-8")
    assert (added.status, added.headers["content-type"]) == (201, "application/xml")
    return job, value(added, "id")


def test_a_query_gives_the_ids_of_its_results_and_those_give_rows(rest: Rest) -> None:
    contact = rest.org.create("Contact", Email="one@example.com")
    job, batch = start(rest, "query", "SELECT Id, Email FROM Contact WHERE Email = 'one@example.com'")
    assert value(done(rest, job, batch), "numberRecordsProcessed") == "1"
    listed = call(rest, "GET", f"/{job}/batch/{batch}/result")
    assert "<result-list " in listed.body.decode()
    rows = call(rest, "GET", f"/{job}/batch/{batch}/result/{value(listed, 'result')}")
    assert (rows.headers["content-type"], rows.body.decode()) == (
        "text/csv",
        f'"Id","Email"\n"{contact}","one@example.com"\n',
    )
    closed = call(rest, "POST", f"/{job}", job_xml(state="Closed"))
    assert (value(closed, "state"), value(closed, "numberBatchesCompleted")) == ("Closed", "1")


def test_an_update_answers_row_by_row_in_the_order_it_came(rest: Rest) -> None:
    ids = [rest.org.create("Contact", Email=f"c{number}@example.com") for number in range(3)]
    rest.org.delete(ids[1])
    job, batch = start(rest, "update", f"Id,{BOX}\r\n" + "".join(f"{one},true\r\n" for one in ids))
    assert value(done(rest, job, batch), "numberRecordsFailed") == "1"
    lines = call(rest, "GET", f"/{job}/batch/{batch}/result").body.decode().splitlines()
    assert lines == [
        '"Id","Success","Created","Error"',
        f'"{ids[0]}","true","false",""',
        '"","false","false","ENTITY_IS_DELETED:entity is deleted:--"',
        f'"{ids[2]}","true","false",""',
    ]
    assert [rest.org.record(one)[BOX] for one in ids] == [True, False, True]
    assert rest.org.spy()["false_writes"] == 0


def test_a_batch_that_says_false_is_seen(rest: Rest) -> None:
    contact = rest.org.create("Contact", Email="one@example.com", **{BOX: True})
    start(rest, "update", f"Id,{BOX}\n{contact},false\n")
    assert rest.org.spy()["false_writes"] == 1


@pytest.mark.parametrize(
    ("operation", "content", "message"),
    [
        ("update", "Id,Nope\nx,y\n", "InvalidBatch : Field name not found : Nope"),
        ("query", "SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("query", "SELECT Id FROM Lead", "InvalidBatch"),
    ],
)
def test_a_batch_that_cannot_be_done_fails_with_its_reason(
    rest: Rest, operation: str, content: str, message: str
) -> None:
    job, batch = start(rest, operation, content)
    failed = done(rest, job, batch)
    assert (value(failed, "state"), value(failed, "numberRecordsProcessed")) == ("Failed", "0")
    assert message in value(failed, "stateMessage")


def test_a_job_of_json_is_answered_in_json(rest: Rest) -> None:
    contact = rest.org.create("Contact", Email="one@example.com")
    kind = "application/json"
    asked = {"operation": "update", "object": "Contact", "contentType": "JSON", "concurrencyMode": 0}
    job = call(rest, "POST", "", asked, kind).json["id"]
    batch = call(rest, "POST", f"/{job}/batch", [{"Id": contact, BOX: True, "Title": None}, {"Id": "x"}], kind).json[
        "id"
    ]
    for _ in range(500):
        told = call(rest, "GET", f"/{job}/batch/{batch}").json
        if told["state"] == "Completed":
            break
        time.sleep(0.01)
    good, bad = call(rest, "GET", f"/{job}/batch/{batch}/result").json
    assert good == {"success": True, "created": False, "id": contact, "errors": []}
    assert bad["errors"][0]["statusCode"] == "MALFORMED_ID"
    assert rest.org.record(contact)[BOX] is True
    assert [known["id"] for known in call(rest, "GET", f"/{job}/batch").json["batchInfo"]] == [batch]
    assert call(rest, "GET", f"/{job}", kind=kind).json["numberBatchesTotal"] == 1


def test_refusals_have_codes_of_their_own_in_the_clients_language(rest: Rest) -> None:
    unknown = call(rest, "GET", "/750Pr0000000009IAA")
    assert (unknown.status, value(unknown, "exceptionCode")) == (400, "InvalidJob")
    bad = call(rest, "POST", "", {"operation": "x"}, "application/json")
    assert (bad.status, bad.json["exceptionCode"]) == (400, "InvalidJob")
    rest.token = "expired"
    expired = call(rest, "POST", "", job_xml(operation="query"))
    assert (expired.status, value(expired, "exceptionCode")) == (400, "InvalidSessionId")


@pytest.mark.parametrize("body", [b"", b"\xff", b"<jobInfo>", b"[]"])
@pytest.mark.parametrize("kind", [XML, "application/json"])
def test_a_job_that_cannot_be_read_is_refused(rest: Rest, body: bytes, kind: str) -> None:
    answer = call(rest, "POST", "", body, kind)
    assert (answer.status, b"InvalidJob" in answer.body) == (400, True)


def test_a_closed_job_takes_no_batch(rest: Rest) -> None:
    job, _ = start(rest, "insert", "LastName\nBerg\n")
    call(rest, "POST", f"/{job}", job_xml(state="Closed"))
    refused = call(rest, "POST", f"/{job}/batch", b"LastName\nStein\n", "text/csv")
    assert (refused.status, value(refused, "exceptionCode")) == (400, "InvalidJobState")


def test_a_query_of_json_gives_types_and_parents(rest: Rest) -> None:
    contact = rest.org.create("Contact", Email="one@example.com", **{BOX: True})
    kind = "application/json"
    job = call(rest, "POST", "", {"operation": "query", "object": "Contact", "contentType": "JSON"}, kind).json["id"]
    text = f"SELECT Id, {BOX}, Title, Owner.Name, CreatedDate FROM Contact WHERE Email = 'one@example.com'"
    batch = call(rest, "POST", f"/{job}/batch", text.encode(), kind).json["id"]
    for _ in range(500):
        if call(rest, "GET", f"/{job}/batch/{batch}").json["state"] == "Completed":
            break
        time.sleep(0.01)
    (result,) = call(rest, "GET", f"/{job}/batch/{batch}/result").json
    (record,) = call(rest, "GET", f"/{job}/batch/{batch}/result/{result}").json
    assert (record["Id"], record[BOX], record["Title"]) == (contact, True, None)
    assert record["attributes"]["type"] == "Contact"
    assert record["Owner"]["Name"] == "Practice Admin"
    assert abs(record["CreatedDate"] / 1000 - time.time()) < 60

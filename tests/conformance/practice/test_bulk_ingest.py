"""Bulk ingest jobs: salesforce.md 0.8, 0.9 and 3.2."""

from typing import Any

import pytest

from tests.conformance.practice.rest import API, Rest

BOX = "HasOptedOutOfEmail"


def contact(rest: Rest) -> str:
    return rest.org.create("Contact", Email="ada@example.com")


def test_an_open_job_says_where_its_content_goes(rest: Rest) -> None:
    job = rest.call("POST", "jobs/ingest", {"object": "Contact", "operation": "update", "contentType": "CSV"}).json
    assert (job["state"], job["contentUrl"]) == ("Open", f"{API[1:]}/jobs/ingest/{job['id']}/batches")


def test_an_update_ticks_the_boxes_and_tells_who_succeeded(rest: Rest) -> None:
    ids = [contact(rest) for _ in range(3)]
    job = rest.ingest(f"Id,{BOX}\n" + "".join(f"{one},true\n" for one in ids))
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 3, 0)
    assert all(rest.org.record(one)[BOX] for one in ids)
    success = rest.file(job, "successfulResults")
    assert success[0] == f'"sf__Id","sf__Created",Id,{BOX}'
    assert sorted(success[1:]) == sorted(f'"{one}","false","{one}","true"' for one in ids)
    assert rest.file(job, "failedResults") == [f'"sf__Id","sf__Error",Id,{BOX}']
    assert rest.file(job, "unprocessedrecords") == rest.file(job, "unprocessedRecords") == [f"Id,{BOX}"]


def test_a_failed_row_carries_its_reason_and_our_own_id(rest: Rest) -> None:
    good, gone = contact(rest), contact(rest)
    rest.org.delete(gone)
    job = rest.ingest(f"Id,{BOX}\n{good},true\n{gone},true\n")
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    failed = rest.file(job, "failedResults")
    assert failed[1:] == [f'"","ENTITY_IS_DELETED:entity is deleted:--","{gone}","true"']
    rest.org.behaviour(failed_rows_carry_id=True)
    job = rest.ingest(f"Id,{BOX}\n{gone},true\n")
    assert rest.file(job, "failedResults")[1].startswith(f'"{gone}"')


def test_a_column_that_is_not_there_fails_the_whole_job(rest: Rest) -> None:
    rest.org.grant("Contact", BOX, "absent")
    good = contact(rest)
    job = rest.ingest(f"Id,{BOX}\n{good},true\n")
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 0)
    assert job["errorMessage"] == f"InvalidBatch : Field name not found : {BOX}"
    assert rest.org.record(good)[BOX] is False


def test_a_second_upload_makes_the_close_fail(rest: Rest) -> None:
    job = rest.call("POST", "jobs/ingest", {"object": "Contact", "operation": "update"}).json["id"]
    for _ in range(2):
        assert rest.call("PUT", f"jobs/ingest/{job}/batches", b"Id\n").status == 201
    answer = rest.call("PATCH", f"jobs/ingest/{job}", {"state": "UploadComplete"})
    assert (answer.status, answer.code) == (400, "INVALIDJOB")
    assert "Found multipe contents" in answer.json[0]["message"]
    assert rest.call("PATCH", f"jobs/ingest/{job}", {"state": "Aborted"}).json["state"] == "Aborted"


def test_the_declared_line_ending_must_be_the_true_one(rest: Rest) -> None:
    job = rest.ingest(f"Id,{BOX}\r\n{contact(rest)},true\r\n")
    assert (job["state"], job["errorMessage"]) == (
        "Failed",
        "LineEnding is invalid on user data. Current LineEnding setting is LF",
    )


def test_empty_cells_are_ignored_and_na_is_null(rest: Rest) -> None:
    one = rest.org.create("Contact", Email="ada@example.com", Phone="1", Title="Buyer")
    rest.ingest(f"Id,Phone,Title\n{one},,#N/A\n")
    record = rest.org.record(one)
    assert (record["Phone"], record["Title"]) == ("1", None)


def test_a_row_without_id_fails_alone(rest: Rest) -> None:
    job = rest.ingest(f"Id,{BOX}\n,true\n{contact(rest)},true\n")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 1)
    assert "MISSING_ARGUMENT:Id not specified" in rest.file(job, "failedResults")[1]


def test_inserts_say_created(rest: Rest) -> None:
    job = rest.ingest("LastName,Email\nBerg,berg@example.com\n", operation="insert")
    made = rest.org.find("berg@example.com")[0]
    assert rest.file(job, "successfulResults")[1] == f'"{made["Id"]}","true","Berg","berg@example.com"'


@pytest.mark.parametrize(("said", "counted"), [("true", 0), ("false", 1), ("#N/A", 1), ("0", 1)])
def test_an_upload_that_says_false_is_seen_by_the_spy(rest: Rest, said: str, counted: int) -> None:
    rest.ingest(f"Id,{BOX}\n{contact(rest)},{said}\n")
    spy = rest.org.spy()
    upload = next(request for request in spy["requests"] if request["route"] == "bulk.ingest.upload")
    assert (spy["false_writes"], upload["fields"], upload["records"]) == (counted, [BOX], 1)


def test_a_job_that_gives_up_leaves_rows_unprocessed(rest: Rest) -> None:
    ids = [contact(rest) for _ in range(5)]
    rest.org.fault("fail_job", after_records=2)
    job = rest.ingest(f"Id,{BOX}\n" + "".join(f"{one},true\n" for one in ids))
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 2)
    assert len(rest.file(job, "unprocessedrecords")) == 4
    assert [rest.org.record(one)[BOX] for one in ids] == [True, True, False, False, False]


def upsert(rest: Rest, content: str, key: str = "Email") -> dict[str, Any]:
    body = {"object": "Contact", "operation": "upsert", "externalIdFieldName": key}
    created = rest.call("POST", "jobs/ingest", body).json
    assert created["externalIdFieldName"] == key
    assert rest.call("PUT", f"jobs/ingest/{created['id']}/batches", content.encode()).status == 201
    assert rest.call("PATCH", f"jobs/ingest/{created['id']}", {"state": "UploadComplete"}).status == 200
    return rest.job("ingest", created["id"])


def test_an_upsert_creates_updates_and_refuses_what_is_ambiguous(rest: Rest) -> None:
    known = rest.org.create("Contact", Email="known@example.com")
    for _ in range(2):
        rest.org.create("Contact", Email="two@example.com")
    rows = ["known@example.com,Berg", "new@example.com,New", "two@example.com,Two", ",Nobody"]
    job = upsert(rest, "\n".join(["Email,LastName", *rows]) + "\n")
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 4, 2)
    succeeded = rest.file(job, "successfulResults")
    assert [line.split(",")[1] for line in succeeded] == ['"sf__Created"', '"true"', '"false"']
    assert any(f"{known}" in line for line in succeeded)
    failed = "".join(rest.file(job, "failedResults"))
    assert "DUPLICATE_EXTERNAL_ID:" in failed
    assert "MISSING_ARGUMENT:" in failed
    assert rest.org.record(known)["LastName"] == "Berg"


def test_an_upsert_by_id_updates_what_has_one_and_creates_the_rest(rest: Rest) -> None:
    known = rest.org.create("Contact", Email="known@example.com")
    job = upsert(rest, f"Id,LastName,Email\n{known},Berg,\n,New,new@example.com\n", key="Id")
    assert job["numberRecordsFailed"] == 0
    assert (rest.org.record(known)["LastName"], len(rest.org.find("new@example.com"))) == ("Berg", 1)


@pytest.mark.parametrize("key", [{}, {"externalIdFieldName": "Title"}, {"externalIdFieldName": "Nope"}])
def test_an_upsert_needs_a_field_that_records_can_be_found_by(rest: Rest, key: dict[str, str]) -> None:
    answer = rest.call("POST", "jobs/ingest", {"object": "Contact", "operation": "upsert"} | key)
    assert (answer.status, answer.code) == (400, "INVALIDJOB")

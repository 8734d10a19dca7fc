"""Bulk results that no honest Salesforce would give: a page less fails the run, it does not shrink the set."""

import gzip

import pytest

from optsync.salesforce import bulk
from optsync.salesforce.errors import JobFailed, OddAnswer, SalesforceError, SessionRefused, Unreachable
from tests.conformance.client import wire
from tests.conformance.client.wire import answer, serve

JOB = "750000000000001AAA"
HEAD = b'"Id","Email"\n'


def info(state: str = "JobComplete", records: int = 2, **more: object) -> bytes:
    return answer({"id": JOB, "state": state, "numberRecordsProcessed": records} | more)


def page(rows: bytes, locator: str = "null", records: int = 1, head: bytes = HEAD, encoding: str = "identity") -> bytes:
    return answer(
        head + rows,
        Sforce_NumberOfRecords=str(records),
        Sforce_Locator=locator,
        Content_Type="text/csv",
        Content_Encoding=encoding,
    )


A, B = b'"003000000000001EAA","a@x.org"\n', b'"003000000000002EAA","b@x.org"\n'


def results(*replies: wire.Reply) -> bytes:
    with serve(*replies) as server, server.session() as session:
        return b"".join(bulk.query_results(session, JOB, ["Id", "Email"]))


def test_pages_are_joined_without_their_headers() -> None:
    assert results(info(), page(A, "MTAw/w=="), page(B)) == A + B


def test_the_locator_comes_back_as_it_was_given() -> None:
    with serve(info(), page(A, "MTAw/w=="), page(B)) as server, server.session() as session:
        list(bulk.query_results(session, JOB, ["Id", "Email"]))
        assert server.paths()[2:] == [
            f"/services/data/v62.0/jobs/query/{JOB}/results",
            f"/services/data/v62.0/jobs/query/{JOB}/results?locator=MTAw%2Fw%3D%3D",
        ]


def test_later_pages_may_lack_the_header() -> None:
    assert results(info(), page(A, "x"), page(B, head=b"")) == A + B


def test_an_empty_result_is_a_header() -> None:
    assert results(info(records=0), page(b"", records=0)) == b""


def test_the_expected_number_may_be_given_instead_of_asked_for() -> None:
    with serve(page(A)) as server, server.session() as session:
        assert b"".join(bulk.query_results(session, JOB, ["Id", "Email"], 1)) == A


@pytest.mark.parametrize(
    "replies",
    [
        [info(), page(A)],
        [info(), page(A, "x"), page(b"", records=0)],
        [info(), page(A, "x"), page(A, "x")],
        [info(), page(A, "")],
        [info(), page(A + B, records=1)],
        [info(), page(A, records=2)],
        [info(), page(A + B[:-1], records=2)],
        [info(), page(A, "x"), page(A + B, records=2)],
        [info(), page(A, "x"), page(B, head=b'"Id","Other"\n')],
        [info(), page(A, "x"), page(b'"Down","for maintenance"\n', head=b"")],
        [info(), page(A + B, records=2, head=b"")],
        [info(), page(A, "x"), answer(b"", 204)],
        [info(), page(A, "x"), answer(b"<html></html>", Content_Type="text/html")],
        [info(), answer(HEAD + A + B, Sforce_Locator="null")],
        [info(), answer(HEAD + A + B, Sforce_Locator="null", Sforce_NumberOfRecords="two")],
        [info(), page(b"x" * 100_000, records=1)],
        [answer({"state": "JobComplete"})],
        [answer({"id": JOB, "state": "JobComplete", "numberRecordsProcessed": "2"})],
        [answer({"id": "../../evil", "state": "JobComplete"})],
    ],
)
def test_a_short_or_odd_result_fails(replies: list[bytes]) -> None:
    with pytest.raises(OddAnswer):
        results(*replies)


def test_locators_that_go_round_in_a_circle_fail() -> None:
    def respond(request: bytes) -> bytes:
        if b"/token" in request:
            return wire.token(server.port)
        if b"/results" not in request:
            return info()
        if len(server.requests) > 20:
            return answer([{"errorCode": "LOOP", "message": "it goes round and round"}], 400)
        return page(b"", "y" if b"locator=x" in request else "x", records=0)

    with serve(info()) as server, server.session() as session:
        server.respond = respond
        with pytest.raises(OddAnswer):
            list(bulk.query_results(session, JOB, ["Id", "Email"]))


def test_an_empty_page_in_between_is_borne() -> None:
    assert results(info(), page(A, "x"), page(b"", "y", records=0), page(B)) == A + B


def test_a_page_that_breaks_off_fails() -> None:
    with pytest.raises(Unreachable):
        results(info(), page(A, "x"), lambda connection: connection.sendall(page(B)[:-5]))


def test_results_come_compressed() -> None:
    body = gzip.compress(HEAD + A + B)
    assert results(info(), page(b"", records=2, head=body, encoding="gzip")) == A + B
    with pytest.raises(OddAnswer):
        results(info(), page(b"", records=2, head=body[:-6], encoding="gzip"))


def test_waiting_for_a_job_tells_its_progress_and_polls_ever_more_slowly() -> None:
    pauses: list[float] = []
    clock = wire.without_waiting()
    object.__setattr__(clock, "sleep", pauses.append)
    replies = [*[info("InProgress", 1)] * 10, info("JobComplete", 2)]
    seen: list[bulk.JobInfo] = []
    with serve(*replies) as server, server.session(clock) as session:
        assert bulk.wait_for_query(session, JOB, clock, seen.append).records_processed == 2
        assert session.http.polls == 11
    assert [one.records_processed for one in seen] == [1] * 10 + [2]
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-1] == bulk.MAX_POLL_SECONDS


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_query_that_fails_says_so(state: str) -> None:
    with serve(info(state, errorMessage="INVALID_FIELD: x")) as server, server.session() as session:
        with pytest.raises(JobFailed) as failed:
            bulk.wait_for_query(session, JOB, wire.without_waiting())
        assert (failed.value.state, failed.value.job_id) == (state, JOB)
        assert "INVALID_FIELD" in failed.value.message
        assert bulk.wait_for_ingest(session, JOB, wire.without_waiting()).state == state


def test_a_job_that_never_ends_is_given_up() -> None:
    with serve(info("InProgress")) as server, server.session() as session, pytest.raises(JobFailed):
        bulk.wait_for_query(session, JOB, wire.without_waiting())


def failures(*rows: bytes, records: int | None = None) -> list[bulk.FailedRow]:
    body = b'"sf__Id","sf__Error",Id,HasOptedOutOfEmail\n' + b"".join(rows)
    with serve(answer(body, Content_Type="text/csv")) as server, server.session() as session:
        return list(bulk.failed_rows(session, JOB, "HasOptedOutOfEmail", records))


def test_failed_rows_are_known_by_our_own_id_and_split_at_the_first_colon() -> None:
    rows = [
        b'"","INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--","003000000000001EAA","true"\n',
        b'"003","FIELD_CUSTOM_VALIDATION_EXCEPTION:say ""no"": a,\nb:Phone --","003000000000002EAA","true"\n',
    ]
    assert failures(*rows, records=2) == [
        bulk.FailedRow("003000000000001EAA", "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id:--"),
        bulk.FailedRow("003000000000002EAA", "FIELD_CUSTOM_VALIDATION_EXCEPTION", 'say "no": a, b:Phone --'),
    ]
    assert failures() == []


@pytest.mark.parametrize("row", [b'"a","b","c"\n', b'"a","b","c","d","e"\n', b'"a","b","c","d"'])
def test_odd_failed_rows_fail(row: bytes) -> None:
    with pytest.raises(OddAnswer):
        failures(row)


def test_fewer_failed_rows_than_the_job_counted_fail() -> None:
    with pytest.raises(OddAnswer):
        failures(b'"","X:y","003000000000001EAA","true"\n', records=2)


def test_an_upload_is_one_streamed_put() -> None:
    with serve(answer(b"", 201)) as server, server.session() as session:
        lines = bulk.upload(session, JOB, "HasOptedOutOfEmail", bulk.tick_rows(["003000000000001EAA"]))
        assert lines == 1
        assert server.requests[1].startswith(f"PUT /services/data/v62.0/jobs/ingest/{JOB}/batches ".encode())
        assert b"Id,HasOptedOutOfEmail\n" in server.requests[1]
        assert b"003000000000001EAA,true\n" in server.requests[1]


def test_an_upload_that_would_say_false_never_reaches_its_end() -> None:
    with serve(answer(b"", 201)) as server, server.session() as session:
        with pytest.raises(ValueError, match="true only"):
            bulk.upload(
                session, JOB, "HasOptedOutOfEmail", [b"003000000000001EAA,true\n", b"003000000000002EAA,false\n"]
            )
        assert not any(b"false\n" in request for request in server.requests)


@pytest.mark.parametrize(("status", "kind"), [(401, SessionRefused), (503, SalesforceError)])
def test_an_upload_is_never_sent_twice(status: int, kind: type[SalesforceError]) -> None:
    refused = answer([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], status)
    with serve(refused) as server, server.session() as session:
        server.replies[1:] = [refused, wire.token(server.port, "00D!two"), answer(b"", 201)]
        with pytest.raises(kind):
            bulk.upload(session, JOB, "HasOptedOutOfEmail", bulk.tick_rows(["003000000000001EAA"]))
        assert sum(request.startswith(b"PUT") for request in server.requests) == 1


@pytest.mark.parametrize("job_id", ["", "750/../x", "00Q000000000001AAA", "750000000000001AAA?x"])
def test_only_a_job_id_gets_into_a_path(job_id: str) -> None:
    with serve(info()) as server, server.session() as session, pytest.raises(OddAnswer):
        bulk.query_info(session, job_id)

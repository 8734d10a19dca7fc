"""Bulk jobs against the practice org: whole results or none, ticks by the thousand, jobs that outlive their worker."""

import csv
from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.core.record_ids import Kind
from optsync.salesforce import bulk, query
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import (
    ApiRefused,
    Busy,
    JobFailed,
    LimitExceeded,
    OddAnswer,
    SalesforceError,
    Unreachable,
)
from optsync.salesforce.session import Session, open_session
from tests.practice import PracticeOrg

FIELD = "HasOptedOutOfEmail"
HEADER = ["Id", "Email", FIELD]
SOQL = f"SELECT Id, Email, {FIELD} FROM Contact"


def start_query(session: Session, soql: str = SOQL, *, all_rows: bool = False) -> str:
    job_id = bulk.create_query(session, soql, all_rows)
    bulk.wait_for_query(session, job_id, session.seams)
    return job_id


def read(session: Session, job_id: str, header: list[str] = HEADER) -> list[list[str]]:
    return list(csv.reader(b"".join(bulk.query_results(session, job_id, header)).decode().splitlines()))


def tick_all(session: Session, kind: Kind, record_ids: list[str]) -> str:
    job_id = bulk.create_update_job(session, kind)
    assert bulk.upload(session, job_id, FIELD, bulk.tick_rows(record_ids)) == len(record_ids)
    bulk.close(session, job_id)
    return job_id


def unticked(session: Session, kind: Kind) -> list[str]:
    live = " AND IsConverted = false" if kind == "Lead" else ""
    return [row["Id"] for row in query.rows(session, f"SELECT Id FROM {kind} WHERE {FIELD} = false{live}")]


@pytest.mark.parametrize("page_records", [250_000, 999, 1])
@pytest.mark.parametrize("header_on_every_page", [True, False])
def test_a_query_gives_every_row_once_whatever_its_pages(
    org: PracticeOrg, session: Session, page_records: int, header_on_every_page: bool
) -> None:
    org.reset(contacts=12 if page_records == 1 else 4_000)
    org.behaviour(bulk_page_records=page_records, bulk_header_on_every_page=header_on_every_page)
    rows = read(session, start_query(session))
    expected = {row["Id"]: row for row in query.rows(session, SOQL)}
    assert len(rows) == len(expected) > 0
    for record_id, email, ticked in rows:
        assert (email or None, ticked == "true") == (expected[record_id]["Email"], expected[record_id][FIELD])


def test_an_empty_query_is_an_answer(session: Session) -> None:
    assert read(session, start_query(session, SOQL + " WHERE Email = 'nobody@example.com'")) == []


def test_deleted_records_come_with_all_rows_only(org: PracticeOrg, session: Session) -> None:
    lead = org.create("Lead", Email="gone@example.com")
    org.delete(lead)
    soql = "SELECT Id, IsDeleted FROM Lead WHERE Email = 'gone@example.com'"
    assert read(session, start_query(session, soql), ["Id", "IsDeleted"]) == []
    assert read(session, start_query(session, soql, all_rows=True), ["Id", "IsDeleted"]) == [[lead, "true"]]


def test_a_restarted_worker_goes_on_with_the_same_job(org: PracticeOrg, session: Session) -> None:
    org.behaviour(bulk_job_seconds=0.3)
    job_id = bulk.create_query(session, SOQL)
    session.close()
    org.expire_sessions()
    with open_session(Credential.from_file(org.credentials_file), seams.real()) as later:
        states: list[str] = []
        info = bulk.wait_for_query(later, job_id, later.seams, lambda now: states.append(now.state))
        assert states[-1] == "JobComplete"
        assert len(read(later, job_id)) == info.records_processed == query.count(later, "SELECT COUNT() FROM Contact")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "truncate", "bytes_kept": 300}, OddAnswer),
        ({"kind": "cut", "bytes_kept": 300}, Unreachable),
        ({"kind": "wrong_header"}, OddAnswer),
        ({"kind": "missing_page"}, OddAnswer),
    ],
)
@pytest.mark.parametrize("skip", [0, 1])
def test_a_spoiled_page_fails_the_result(
    org: PracticeOrg, session: Session, fault: dict[str, object], kind: type[SalesforceError], skip: int
) -> None:
    org.reset(contacts=2_500)
    org.behaviour(bulk_page_records=1_000)
    job_id = start_query(session)
    org.fault(str(fault["kind"]), skip=skip, **{name: value for name, value in fault.items() if name != "kind"})
    with pytest.raises(kind):
        read(session, job_id)
    org.clear_faults()
    assert len(read(session, job_id)) > 1_000  # the job is still there for the next try


def test_nul_bytes_never_reach_the_database(org: PracticeOrg, session: Session) -> None:
    job_id = start_query(session)
    org.fault("nul", at=30)
    assert b"\0" not in b"".join(bulk.query_results(session, job_id, HEADER))


def test_a_hidden_column_fails_the_query_in_salesforces_words(org: PracticeOrg, session: Session) -> None:
    org.grant("Contact", FIELD, "absent")
    with pytest.raises((ApiRefused, JobFailed)) as refused:
        start_query(session)
    assert refused.value.code in ("INVALID_FIELD", None)


def test_bulk_ticks_are_ticked_and_counted(org: PracticeOrg, session: Session) -> None:
    org.reset(contacts=1_200)
    contacts = unticked(session, "Contact")
    job_id = tick_all(session, "Contact", contacts)
    info = bulk.wait_for_ingest(session, job_id, session.seams)
    assert (info.state, info.records_processed, info.records_failed) == ("JobComplete", len(contacts), 0)
    done = b"".join(bulk.results(session, job_id, "successful", FIELD, len(contacts))).decode().splitlines()
    assert sorted(row[2] for row in csv.reader(done)) == sorted(contacts)
    assert b"".join(bulk.results(session, job_id, "unprocessed", FIELD)) == b""
    assert list(bulk.failed_rows(session, job_id, FIELD)) == []
    assert unticked(session, "Contact") == []
    assert org.spy()["false_writes"] == 0
    bulk.delete(session, job_id)


@pytest.mark.parametrize("with_ids", [True, False])
def test_failures_are_told_by_our_own_ids(org: PracticeOrg, session: Session, with_ids: bool) -> None:
    org.behaviour(failed_rows_carry_id=with_ids)
    converted, deleted, fine = (org.create("Lead", Email=f"{name}@example.com") for name in "abc")
    org.convert(converted)
    org.delete(deleted)
    job_id = tick_all(session, "Lead", [converted, deleted, fine])
    info = bulk.wait_for_ingest(session, job_id, session.seams)
    assert (info.records_processed, info.records_failed) == (3, 2)
    failed = {row.record_id: row.code for row in bulk.failed_rows(session, job_id, FIELD, info.records_failed)}
    assert failed == {converted: "CANNOT_UPDATE_CONVERTED_LEAD", deleted: "ENTITY_IS_DELETED"}


def test_a_column_that_nobody_may_see_fails_the_whole_job(org: PracticeOrg, session: Session) -> None:
    org.grant("Contact", FIELD, "absent")
    [contact, *_] = [row["Id"] for row in query.rows(session, "SELECT Id FROM Contact")]
    job_id = tick_all(session, "Contact", [contact])
    info = bulk.wait_for_ingest(session, job_id, session.seams)
    assert (info.state, info.records_processed) == ("Failed", 0)
    assert info.error_message
    assert FIELD in info.error_message


def test_an_upload_broken_off_on_our_side_writes_nothing(org: PracticeOrg, session: Session) -> None:
    [first, second, *_] = unticked(session, "Contact")
    job_id = bulk.create_update_job(session, "Contact")

    def rows() -> Iterator[bytes]:
        yield f"{first},true\n".encode()
        yield f"{second},false\n".encode()

    with pytest.raises(ValueError, match="true only"):
        bulk.upload(session, job_id, FIELD, rows())
    bulk.abort(session, job_id)
    assert bulk.ingest_info(session, job_id).state == "Aborted"
    assert org.record(first)[FIELD] is False
    assert org.spy()["false_writes"] == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "refuse", "code": "REQUEST_LIMIT_EXCEEDED"}, LimitExceeded),
        ({"kind": "html", "status": 503}, Busy),
        ({"kind": "html", "status": 200}, OddAnswer),
        ({"kind": "reset"}, Unreachable),
    ],
)
def test_a_refused_job_has_its_class(
    org: PracticeOrg, session: Session, fault: dict[str, object], kind: type[SalesforceError]
) -> None:
    assert session.org_id
    org.fault(str(fault["kind"]), path="/jobs/", **{name: value for name, value in fault.items() if name != "kind"})
    with pytest.raises(kind):
        bulk.create_query(session, SOQL)


def test_a_query_of_one_page_costs_three_calls_and_its_polls(org: PracticeOrg, session: Session) -> None:
    assert session.org_id
    job_id = bulk.create_query(session, SOQL)
    info = bulk.wait_for_query(session, job_id, session.seams)
    list(bulk.query_results(session, job_id, HEADER, info.records_processed))
    bulk.delete_query(session, job_id)
    assert session.http.api_calls - session.http.polls == 3
    assert org.spy()["api_calls"] == session.http.api_calls
